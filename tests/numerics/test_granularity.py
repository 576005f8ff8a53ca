"""Granularity: the finest bit of an array, and what a granular number refuses."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gdprops.errors import Uncertified
from gdprops.model.arrays import Array
from gdprops.numerics.granularity import Granular, granularity

floats = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=0, max_dims=2, max_side=4),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


def is_multiple(values: Array, exponent: int) -> bool:
    return all((Fraction(v) / Fraction(2) ** exponent).denominator == 1 for v in np.ravel(values).tolist())


@given(floats)
def test_it_is_the_largest_power_of_two_that_divides_every_entry(values: Array) -> None:
    found = granularity(values)
    if not values.any():
        assert found > 10**6
        return
    assert is_multiple(values, found)
    assert not is_multiple(values, found + 1)


@pytest.mark.parametrize(
    ("value", "exponent"),
    [(1.0, 0), (-3.0, 0), (0.75, -2), (96.0, 5), (2.0**-1074, -1074), (3 * 2.0**-1074, -1074), (2.0**1023, 1023)],
)
def test_examples_down_to_the_smallest_subnormal(value: float, exponent: int) -> None:
    assert granularity(value) == exponent
    assert granularity(np.array([0.0, value, 4 * value if value < 2.0**1000 else value])) == exponent


def test_float32_keeps_its_own_bits() -> None:
    assert granularity(np.array([2.0**-149], dtype=np.float32)) == -149
    assert granularity(np.array([0.1], dtype=np.float32)) == -27


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_has_none(value: float) -> None:
    with pytest.raises(Uncertified, match="not finite: cannot convert"):
        granularity(np.array([1.0, value]))


def of(values: object, precision: int = 53) -> Granular:
    return Granular.of(np.asarray(values, dtype=float), precision)


def test_sums_keep_the_finer_grain_and_add_magnitudes() -> None:
    total = of([1.0, -1.0]) + of([0.25, 1.0])
    assert total.value.tolist() == [1.25, 0.0]
    assert total.bound.tolist() == [1.25, 2.0]
    assert total.exponent == -2
    assert total.settled().bound.tolist() == [1.25, 0.0]


def test_products_add_their_grains() -> None:
    product = of([[1.5, -2.0]]) @ of([[0.25], [0.5]])
    assert (product.value.tolist(), product.bound.tolist(), product.exponent) == ([[-0.625]], [[1.375]], -3)


@pytest.mark.parametrize(
    ("name", "exponent", "slope_exponent"),
    [("identity", -2, 0), ("relu", -2, 0), ("leaky-relu", -4, -2), ("square", -4, -1)],
)
def test_activations_know_the_grain_of_their_value_and_slope(name: str, exponent: int, slope_exponent: int) -> None:
    out, slope = of([-0.75, 1.25]).activate(name)
    assert (out.exponent, slope.exponent) == (exponent, slope_exponent)
    assert is_multiple(out.value, exponent)
    assert is_multiple(slope.value, slope_exponent)


def test_a_zero_by_underflow_is_not_a_zero() -> None:
    tiny = of(2.0**-600)
    with pytest.raises(Uncertified, match=r"0 in units of 2\^-1200 needs over 53 bits"):
        tiny * tiny
    assert (of(0.0) * tiny).bound == 0


def test_float32_has_a_smaller_range() -> None:
    assert of(2.0**126, 24).exponent == 126
    for value in (2.0**127, 2.0**-150):
        with pytest.raises(Uncertified, match="needs over 24 bits"):
            of(value, 24)
