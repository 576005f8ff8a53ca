"""Plain Python lines that do with a subject what a run of gdprops did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

_NAMELESS = re.compile(r"\b(nan|inf)\b")

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def import_lines(spec: str) -> list[str]:
    """Return the lines that import what a subject string names."""
    where, _, attribute = spec.rpartition(":")
    if where.endswith(".py"):
        return ["import runpy", f"{attribute} = runpy.run_path({where!r})[{attribute!r}]"]
    return [f"from {where} import {attribute.partition('.')[0]}"]


def literal(values: Array | None) -> str:
    """Return an array as a nested list that Python reads: NaN and infinity have no names of their own."""
    return "None" if values is None else _NAMELESS.sub(r"float('\1')", str(np.asarray(values).tolist()))


def literals(arrays: Sequence[Array | None]) -> str:
    """Return arrays separated by commas."""
    return ", ".join(literal(a) for a in arrays)


def keywords(hyperparameters: Mapping[str, Any]) -> str:
    """Return ``, key=value`` for every hyperparameter."""
    return "".join(f", {key}={value!r}" for key, value in hyperparameters.items())


def listed(names: Sequence[str]) -> str:
    """Return ``[a, b]``."""
    return f"[{', '.join(names)}]"
