"""A result that is known to be wrong, and one that is known to be right, compared as all others are.

A subject may replace what gdprops compares with: ``np.abs``, ``np.array_equal``, or the like. Then a comparison that
finds nothing wrong means nothing.
"""

from __future__ import annotations

import numpy as np

from gdprops.numerics.comparison import alike, are_finite, compare, differ, same_bytes


def comparison_works() -> bool:
    """Say whether what is wrong is seen to be wrong, by every way of comparing, and what is right to be right."""
    try:
        return _tells_right_from_wrong()
    except Exception:  # what was replaced cannot even be called as it was
        return False


def _tells_right_from_wrong() -> bool:
    right, wrong, infinite = np.array([1.0, 2.0]), np.array([1.0, 2.5]), np.array([1.0, np.inf])
    return all(
        (
            compare([wrong], [right], names=("w",)).violated,
            compare([wrong], [right], names=("w",), allowed=0.25).violated,
            compare([infinite], [right], names=("w",), allowed=0.25).violated,
            same_bytes([wrong], [right], names=("w",), what="").violated,
            differ([wrong], [right]),
            not alike(wrong, right),
            not are_finite([infinite]),
            not compare([right], [right], names=("w",)).violated,
            not same_bytes([right], [right], names=("w",), what="").violated,
            alike(right, right.copy()),
            are_finite([right]),
        )
    )
