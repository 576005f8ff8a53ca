"""Write rows, parameters and numbers in an explanation: ``rows 0-5, 7``, ``fc1.weight and fc1.bias``, ``1/15``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction

from gdprops.numerics import decisions

MOST_NAMED = 6
ROUNDED = 8 * sys.float_info.epsilon
"""How far a fitted number may be from 1 and be told as 1: the fit itself rounds."""


def several(names: Sequence[str]) -> str:
    """Return names as "a, b and c"; of more than six names, the first six and the number of the others."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def rows_of(rows: Sequence[int]) -> str:
    """Return row numbers with consecutive ones as ranges: ``0-5, 7``."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def rows_text(passes: Sequence[Sequence[int] | None]) -> str:
    """Return the rows of several passes: ``rows 0-5; 6-9; 10-11``, or of one: ``row 0``."""
    told = ["unknown" if rows is None else rows_of(rows) for rows in passes]
    shown = told if len(told) <= MOST_NAMED else [*told[: MOST_NAMED - 1], "…", told[-1]]
    single = [None if rows is None else len(rows) for rows in passes] == [1]
    return f"{'row' if single else 'rows'} {'; '.join(shown)}"


def fraction(value: float) -> Fraction | None:
    """Return the simple fraction that equals a fitted number up to rounding, None if there is none."""
    near = Fraction(value).limit_denominator(decisions.LARGEST_DENOMINATOR)
    return (
        near if abs(float(near) - value) <= decisions.SIMPLE_SHARE * max(abs(value), decisions.SIMPLE_SHARE) else None
    )


def number(value: float) -> str:
    """Return a fitted number in words: a short decimal or a simple fraction if it is one, else six digits.

    Near 1 it is told by how much it is another number; what is off by no more than its own rounding is 1.
    """
    if abs(value - 1) > ROUNDED and f"{value:.4g}" == "1":
        return f"1 {'+' if value > 1 else '-'} {abs(value - 1):.3g}"
    short, near = f"{value:.4g}", fraction(value)
    if abs(float(short) - value) <= decisions.SIMPLE_SHARE * abs(value):
        return short
    return f"{value:.6g}" if near is None else str(near)
