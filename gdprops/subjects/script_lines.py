"""Parts of the plain Python scripts that reports print: imports, arrays, hyperparameters and comments as text."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

MOST_ENTRIES = 64
"""An array of more entries is written as ``[…] * n`` where it repeats its first rows."""
_NAMELESS = re.compile(r"\b(nan|inf)\b")

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


class Written(NamedTuple):
    """A script that is proposed: its imports, its lines, the dtypes in it, and whether it ends in an exception.

    ``bound``: the names that the imports bind, if importing would run the user's file again; else empty. ``admits``:
    its last line says that it may not fail, so it needs no trial.
    """

    head: list[str]
    body: list[str]
    dtypes: str
    crashes: bool
    bound: Mapping[str, Any]
    admits: bool = False


def bound_names(spec: str, found: Any) -> dict[str, Any]:
    """Return the names that a script needs where its imports cannot be tried; empty where they can."""
    where, _, attribute = spec.rpartition(":")
    if not where.endswith(".py") and "<" not in attribute:
        return {}
    loaded = {"torch": sys.modules.get("torch"), "np": np}
    return {called(spec): found, **{name: module for name, module in loaded.items() if module is not None}}


def heading(name: str, spec: str, dtypes: str, clause: str, raises: str = "") -> str:
    """Return the comment above a script: the subject, its package and version, the dtypes, and how the script ends."""
    package = package_of(spec.rpartition(":")[0])
    ends = f"raises {raises}" if raises else f"asserts what {clause} demands"
    return f"# {name}{f' ({package})' if package else ''}, {dtypes}: the last line {ends}"


def package_of(module: str) -> str:
    """Return the package that a module belongs to, with its version; empty for a file or a module without a version."""
    top = module.partition(".")[0]
    if module.endswith(".py") or not top.isidentifier() or top == "__main__":
        return ""
    try:
        return f"{top} {metadata.version(top)}"
    except metadata.PackageNotFoundError:
        names = metadata.packages_distributions().get(top, ())
    return f"{names[0]} {metadata.version(names[0])}" if names else ""


def import_lines(spec: str) -> list[str]:
    """Return the lines that import the object that a subject string names."""
    where, _, attribute = spec.rpartition(":")
    if "<" in attribute:
        return [f"# define {called(spec)} here: {attribute} of {where} cannot be imported"]
    if where.endswith(".py"):
        return ["import runpy", f"{attribute} = runpy.run_path({where!r})[{attribute!r}]"]
    return [f"from {where} import {attribute.partition('.')[0]}"]


def called(spec: str) -> str:
    """Return the name under which a script calls the object that a subject string names."""
    attribute = spec.rpartition(":")[2]
    if "<" not in attribute:
        return attribute
    last = attribute.rpartition(".")[2]
    return last if last.isidentifier() else "yours"


def literal(values: Array | None) -> str:
    """Return an array as a nested list in Python; NaN and infinity are written ``float('nan')``, ``float('inf')``."""
    if values is None:
        return "None"
    values = np.asarray(values)
    times = _repetitions(values) if values.ndim and values.size > MOST_ENTRIES else 1
    shown = numbers(values[: len(values) // times].tolist() if times > 1 else values.tolist())
    return f"{shown} * {times}" if times > 1 else shown


def _repetitions(values: Array) -> int:
    """Return how often an array repeats its first rows."""
    for rows in range(1, len(values) // 2 + 1):
        if len(values) % rows == 0 and np.array_equal(values[rows:], values[:-rows], equal_nan=True):
            return len(values) // rows
    return 1


def numbers(values: object) -> str:
    """Return numbers, or nested lists of them, in Python."""
    return _NAMELESS.sub(r"float('\1')", repr(values))


def named(shown: str) -> str:
    """Return a number that a report shows, in Python."""
    try:
        return numbers(float(shown))
    except ValueError:
        return repr(shown)


def difference(name: str, allowed: float, exactly: bool = False) -> str:
    """Return the assertion that ``seen`` is ``expected``; ``exactly`` tells -0.0 from 0.0, and NaN equals NaN."""
    test = "repr(seen) == repr(expected)" if exactly else "seen == expected"
    if allowed and not exactly:
        test = f"abs(seen - expected) <= {allowed!r}"
    return f'assert {test}, f"{name} is {{seen}}, expected {{expected}}"'


def literals(arrays: Sequence[Array | None]) -> str:
    """Return arrays separated by commas."""
    return ", ".join(literal(a) for a in arrays)


def keywords(hyperparameters: Mapping[str, Any]) -> str:
    """Return ``, key=value`` for every hyperparameter, as the rest of a call's arguments."""
    return "".join(f", {key}={value!r}" for key, value in hyperparameters.items())


def listed(names: Sequence[str]) -> str:
    """Return names as the text of a list: ``[a, b]``."""
    return f"[{', '.join(names)}]"
