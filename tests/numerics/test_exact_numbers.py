"""Exact numbers: fractions where they are fractions, 400 bits elsewhere, rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gdprops.numerics.published.exact_numbers import Exact, exact, exact_number, nearest, to_bits


def test_sums_products_and_quotients_are_fractions() -> None:
    third = exact_number(1.0) / 3
    assert third.value == Fraction(1, 3)
    assert (1 - third * 2 + 0.5).value == Fraction(5, 6)
    assert (third**3).value == Fraction(1, 27)
    assert (2 / third).value == 6
    assert third > 0.25
    assert not exact_number(0)


def test_a_root_is_a_fraction_where_it_is_one() -> None:
    assert exact_number(Fraction(9, 4)).sqrt().value == Fraction(3, 2)
    two = exact_number(2.0).sqrt()
    assert abs(two.value**2 - 2) < Fraction(1, 2**390)
    assert float(two) == 2**0.5
    assert (exact_number(2.0) ** 0.5).value == two.value


def test_a_power_that_is_no_fraction_is_known_to_many_digits() -> None:
    assert float(0.96 ** exact_number(0.25)) == pytest.approx(0.96**0.25, rel=1e-15)
    assert (exact_number(1.0) ** -0.75).value == 1
    eighth = exact_number(16.0) ** -0.75
    assert abs(eighth.value - Fraction(1, 8)) < Fraction(1, 2**390)


def test_numpy_works_on_arrays_of_them() -> None:
    numbers = exact(np.array([1.0, -4.0]))
    assert [n.value for n in np.sqrt(np.abs(numbers))] == [1, 2]
    assert [n.value for n in np.maximum(numbers, 0.0) + numbers * 0.5] == [Fraction(3, 2), -2]
    assert np.sum(numbers * numbers).value == 17


@pytest.mark.parametrize(("value", "kept"), [(257, 256), (259, 260), (255, 255), (-257, -256)])
def test_ties_go_to_even(value: int, kept: int) -> None:
    assert to_bits(Fraction(value), 8) == kept


def test_rounding_is_that_of_the_machine_and_happens_once() -> None:
    rng = np.random.default_rng(0)
    for double in rng.normal(size=200) * 2.0 ** rng.integers(-160, 100, 200):
        assert float(nearest(Fraction(double), np.float64)) == double
        assert np.float32(double) == float(nearest(Fraction(double), np.float32))
    above_tie = Fraction(1) + Fraction(1, 2**24) + Fraction(1, 2**80)  # as a double it is the tie, which goes down
    assert np.float32(float(above_tie)) == 1.0
    assert nearest(above_tie, np.float32) == 1 + Fraction(1, 2**23)
    with pytest.raises(OverflowError, match=r"1e\+39 is beyond float32"):
        nearest(Fraction(1e39), np.float32)


def test_what_400_bits_do_not_settle_is_said() -> None:
    tie = Fraction(1) + Fraction(1, 2**53)
    assert Exact(tie).settles(np.float64)
    assert not Exact(tie, known=False).settles(np.float64)
    assert exact_number(2.0).sqrt().settles(np.float64)


def test_a_number_in_bfloat16_is_known_again() -> None:
    assert exact_number(2.0).sqrt().bfloat16().value == Fraction(181, 128)
    assert Exact(Fraction(1) + Fraction(1, 2**54), known=False).bfloat16().settles(np.float64)
