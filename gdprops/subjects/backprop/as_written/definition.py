"""The code of a function or a class, as its author has written it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any


def definition_of(found: Any) -> ast.AST:
    """Return the definition of a function or a class as a tree; an empty one where its code cannot be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(found)))
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], [])
    return tree.body[0] if tree.body else tree
