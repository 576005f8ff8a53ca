"""The number of classes that code fixes where nothing else does: ``np.zeros((len(y), 10))``, ``num_classes=10``.

Targets are made of so many columns then, whatever the size of the output layer is: it must be the same.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gdprops.subjects.backprop.as_written.class_reading import class_readings
from gdprops.subjects.backprop.as_written.function_reading import function_readings
from gdprops.subjects.backprop.as_written.missing_numbers import sample_counts
from gdprops.subjects.backprop.as_written.probes import PROBE
from gdprops.subjects.backprop.as_written.roles import Role, plain, role_of

if TYPE_CHECKING:
    from gdprops.subjects.backprop.as_written.reading import Reading
    from gdprops.subjects.user_code.definitions import Definitions

MAKES_ROWS = ("zeros", "empty", "eye", "identity", "onehot", "onehotencode", "tocategorical", "onehotencoding")
"""The plain names of what makes rows of targets, and is told the number of classes."""
MOST_CLASSES = 20
MOST_TRIED = 2


def class_counts(tree: ast.AST) -> list[int]:
    """Return the numbers of classes that code fixes, the most frequent first: 10 of ``np.zeros((len(y), 10))``."""
    found = Counter(n for node in ast.walk(tree) for n in _numbers(node) if PROBE.n_out < n <= MOST_CLASSES)
    return [n for n, _ in found.most_common(MOST_TRIED)]


def _numbers(node: ast.AST) -> Iterator[int]:
    """Yield the whole numbers that a call or a definition fixes as a number of columns or classes."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if plain(name) in MAKES_ROWS:
            given = [*node.args, *(k.value for k in node.keywords)]
            for one in given:
                yield from _whole(one.elts[-1] if isinstance(one, ast.Tuple | ast.List) and one.elts else one)
    elif isinstance(node, ast.FunctionDef):
        taken = node.args.args[len(node.args.args) - len(node.args.defaults) :]
        for argument, default in zip(taken, node.args.defaults, strict=True):
            if role_of(argument.arg) is Role.CLASSES:
                yield from _whole(default)


def _whole(node: ast.expr) -> Iterator[int]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield node.value


def class_readings_of_counts(found: type, declared: Mapping[str, Any], definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of a class with as many outputs as its file fixes classes, for the first number that works."""
    for count in class_counts(definitions.source.tree):
        readings = list(class_readings(found, declared, outputs=count))
        yield from readings
        if readings:
            return


def function_readings_of_counts(definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of functions with as many outputs as their file fixes classes."""
    for count in class_counts(definitions.source.tree):
        yield from function_readings(definitions.own, sample_counts(definitions), count)
