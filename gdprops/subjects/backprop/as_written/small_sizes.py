"""Classes that fix large sizes: ``np.random.randn(784, hidden)``, made anew with small ones.

A network of 784 inputs has too many weights to be judged one by one. Its file's functions and classes are executed
once more with every whole number above 8 replaced by a small one, the same everywhere, and that is told.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.subjects.backprop.as_written.class_reading import class_readings
from gdprops.subjects.backprop.as_written.literal_sizes import shrunk
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.subjects.backprop.as_written.reading import Reading
    from gdprops.subjects.user_code.definitions import Definitions

LARGE = 64
"""The smallest number that says that sizes are large."""


def small_readings(found: type, declared: Mapping[str, Any], definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of a class whose fixed sizes are large, with small ones in their place."""
    given = dict[int, int]()
    defined = [n for n in definitions.source.tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    changed = shrunk(defined, given)
    if max(given, default=0) < LARGE:
        return
    names = dict(vars(definitions.module))
    try:
        with quiet():
            code = compile(ast.Module(changed, []), str(definitions.source.path), "exec", dont_inherit=True)
            exec(code, names)  # the user's own code is what is examined
    except Exception:  # it cannot be defined so
        return
    small = names.get(found.__name__)
    told = ", ".join(f"{large} is {size}" for large, size in given.items())
    try:
        for reading in class_readings(small, declared) if isinstance(small, type) else ():
            yield replace(reading, told=(*reading.told, f"sizes that the code fixes are made small: {told}"))
    except UsageError:  # what is told is how it fails as it was written
        return
