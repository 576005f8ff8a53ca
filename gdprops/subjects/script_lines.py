"""Parts of the plain Python scripts that reports print: imports, arrays, hyperparameters and comments as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

_NAMELESS = re.compile(r"\b(nan|inf)\b")

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Compared, Evidence


def import_lines(spec: str) -> list[str]:
    """Return the lines that import the object that a subject string names."""
    where, _, attribute = spec.rpartition(":")
    if where.endswith(".py"):
        return ["import runpy", f"{attribute} = runpy.run_path({where!r})[{attribute!r}]"]
    return [f"from {where} import {attribute.partition('.')[0]}"]


def literal(values: Array | None) -> str:
    """Return an array as a nested list in Python; NaN and infinity are written ``float('nan')``, ``float('inf')``."""
    return "None" if values is None else _NAMELESS.sub(r"float('\1')", str(np.asarray(values).tolist()))


def literals(arrays: Sequence[Array | None]) -> str:
    """Return arrays separated by commas."""
    return ", ".join(literal(a) for a in arrays)


def keywords(hyperparameters: Mapping[str, Any]) -> str:
    """Return ``, key=value`` for every hyperparameter, as the rest of a call's arguments."""
    return "".join(f", {key}={value!r}" for key, value in hyperparameters.items())


def listed(names: Sequence[str]) -> str:
    """Return names as the text of a list: ``[a, b]``."""
    return f"[{', '.join(names)}]"


def seen_and_expected(evidence: Evidence) -> str:
    """Return comments with what the script gives and what it should give, where that is small enough to be read."""
    shown = [one for one in evidence.compared if one.seen is not None and one.expected is not None]
    if not shown:
        return ""
    step = evidence.location.step if evidence.location else None
    where = "" if step is None else f", step {step}"
    return f"# seen{where}: {_rounded(shown, 'seen')}\n# expected{where}: {_rounded(shown, 'expected')}\n"


def _rounded(shown: Sequence[Compared], side: str) -> str:
    """Return one side of a comparison as text, rounded to nine digits."""
    rounded = ((one.parameter, [float(f"{v:.9g}") for v in getattr(one, side)]) for one in shown)
    return ", ".join(f"{name} {values}" for name, values in rounded)
