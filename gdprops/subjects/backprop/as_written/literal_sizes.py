"""Large sizes that code writes as numbers: ``np.random.randn(784, 128)``, with small ones in their place."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

SMALL_SIZE = 8
"""A number of units above this is one that our own small networks replace."""
SMALL = (3, 4, 2, 5, 6, 7)
"""What large numbers become, the first one that is met first."""


def shrunk(nodes: Sequence[ast.stmt], given: dict[int, int] | None = None) -> list[ast.stmt]:
    """Return statements in which large whole numbers are small, the same number everywhere the same.

    ``given`` holds the numbers that have a small one, and gets those that are met.
    """
    given = {} if given is None else given
    changed = copy.deepcopy(list(nodes))
    for node in (n for one in changed for n in ast.walk(one)):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value > SMALL_SIZE:
            node.value = given.setdefault(node.value, SMALL[min(len(given), len(SMALL) - 1)])
    return changed if given else list(nodes)
