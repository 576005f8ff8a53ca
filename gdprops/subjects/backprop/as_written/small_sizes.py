"""Code that fixes large sizes: ``np.random.randn(784, hidden)``, made anew with small ones.

A network of 784 inputs has too many weights to be judged one by one. Its file's functions and classes are executed
once more with every large size replaced by a small one, the same everywhere, and that is told.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.errors import UsageError
from gdprops.subjects.backprop.as_written.class_reading import class_readings
from gdprops.subjects.backprop.as_written.function_reading import function_readings
from gdprops.subjects.backprop.as_written.literal_sizes import shrunk
from gdprops.subjects.backprop.as_written.missing_numbers import sample_counts
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.subjects.backprop.as_written.reading import Reading
    from gdprops.subjects.user_code.definitions import Definitions

LARGE = 64
"""The smallest number that says that the sizes of a class are large; functions are also made small below it."""


class Small(NamedTuple):
    """What a file defines with small sizes: its names, the sizes that were replaced, and a sentence on them."""

    names: dict[str, Any]
    given: Mapping[int, int]
    told: str


def made_small(definitions: Definitions) -> Small | None:
    """Return what a file defines with small numbers in the place of large sizes; None where it has none."""
    given = dict[int, int]()
    known = vars(definitions.module)
    body = definitions.source.tree.body
    changed = shrunk([n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef) or _is_size(n, known)], given)
    if not given:
        return None
    names = dict(known)
    try:
        with quiet():
            code = compile(ast.Module(changed, []), str(definitions.source.path), "exec", dont_inherit=True)
            exec(code, names)  # the user's own code is what is examined
    except Exception:  # it cannot be defined so
        return None
    told = ", ".join(f"{large} is {size}" for large, size in given.items())
    return Small(names, given, f"sizes that the code fixes are made small: {told}")


def _is_size(node: ast.stmt, known: Mapping[str, Any]) -> bool:
    """Say whether a statement of a file binds names to whole numbers alone: ``n_inputs, classes = 784, 10``."""
    if not isinstance(node, ast.Assign):
        return False
    values = node.value.elts if isinstance(node.value, ast.Tuple | ast.List) else [node.value]
    names = [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return all(isinstance(v, ast.Constant) and type(v.value) is int for v in values) and all(n in known for n in names)


def small_readings(found: type, declared: Mapping[str, Any], definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of a class whose fixed sizes are large, with small ones in their place."""
    made = made_small(definitions)
    if made is None or max(made.given) < LARGE:
        return
    small = made.names.get(found.__name__)
    try:
        for reading in class_readings(small, declared) if isinstance(small, type) else ():
            yield replace(reading, told=(*reading.told, made.told))
    except UsageError:  # what is told is how it fails as it was written
        return


def small_functions(definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of functions whose sizes are fixed, with small ones in their place."""
    made = made_small(definitions)
    own = {} if made is None else {name: made.names[name] for name in definitions.own if name in made.names}
    for reading in function_readings(own, sample_counts(definitions)):
        assert made is not None, "there are functions"
        yield replace(reading, told=(*reading.told, made.told))
