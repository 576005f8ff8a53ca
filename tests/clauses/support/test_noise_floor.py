"""The room of a training step: what a correct computation may end up with, and not more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.clauses.support.noise_floor import noise_floors

STEEP = 1e5
"""Like the rate over Adam's epsilon: what two weights differ by is blown up."""
BEFORE = [np.array([0.2, 0.2])]


class Cancelling:
    """An update by the difference of two weights that are equal: exactly 0, and blown-up noise once they are not."""

    def gradients(self, weights: Any, t: int, *, shaken: bool) -> list[Any]:
        """Return what both weights move by."""
        ((a, b),) = weights
        return [np.array([a - b, a - b])]

    def passing_update(self, weights: Any, gradients: Any, state: Any, settings: Any) -> list[Any]:
        """Return the weights after the step."""
        return [w - STEEP * g for w, g in zip(weights, gradients, strict=True)]

    def dialect(self, *given: Any) -> None:
        """There is one only."""


def room(after: list[Any], t: int) -> float:
    (found,) = noise_floors(Cancelling(), t, BEFORE, after, BEFORE, [np.zeros(2)], None, None)  # type: ignore[arg-type]
    return float(found)


@pytest.mark.parametrize("t", range(32))
def test_two_terms_that_cancel_may_move_alike_in_one_perturbation_but_not_in_all(t: int) -> None:
    noise = STEEP * np.spacing(0.2)
    assert room([BEFORE[0] + noise], t) >= noise
    assert room([BEFORE[0] + 1000 * noise], t) < 1000 * noise


def test_what_is_right_to_sixteen_ulps_is_held_to_them() -> None:
    assert room(BEFORE, 0) == 16 * np.spacing(0.2)


def test_a_weight_that_starts_at_nothing_rounds_where_it_ends() -> None:
    (found,) = noise_floors(Cancelling(), 0, [np.zeros(2)], BEFORE, BEFORE, [np.full(2, 1e-9)], None, None)  # type: ignore[arg-type]
    assert found == 16 * np.spacing(0.2)
