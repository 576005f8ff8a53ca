"""Comparison: what is wrong, where it is worst, and against which bound."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gdprops.model.arrays import Array
from gdprops.model.evidence import Evidence
from gdprops.numerics.comparison import are_finite, compare, differ, has_finite_norm, same_bytes

NAMES = ["w1", "w2"]


def pair(*values: Any) -> list[Array]:
    return [np.asarray(v, dtype=float) for v in values]


EXPECTED = pair([[1.0, 2.0], [3.0, 4.0]], [5.0])


def test_agreement_is_decisive_and_has_no_ratio_where_it_is_exact() -> None:
    evidence = compare(EXPECTED, EXPECTED, names=NAMES)
    assert evidence == Evidence(violated=False, decisive=True, ratio=None, reason="")


def test_the_worst_entry_of_the_first_wrong_parameter_is_located() -> None:
    seen = pair([[1.0, 2.5], [3.0, 2.0]], [5.25])
    start = pair([[0.0, 0.0], [0.0, 0.0]], [0.0])
    evidence = compare(seen, EXPECTED, names=NAMES, start=start, step=2, what="late")
    assert evidence.violated
    assert evidence.blame == ("w1", "w2")
    assert evidence.reason == "late"
    location = evidence.location
    assert location is not None
    assert (location.parameter, location.index, location.step) == ("w1", (1, 1), 2)
    assert (location.seen, location.expected) == ("2.0", "4.0")
    assert (location.difference, location.relative, location.allowed) == (2.0, 0.5, 0.0)


def test_relative_means_relative_to_the_displacement_not_to_the_weights() -> None:
    """A real bug was 5.9% of the update and 2.8e-6 of the weight."""
    evidence = compare([np.array([999.5])], [np.array([999.0])], names=["w"], start=[np.array([1000.0])])
    assert evidence.location is not None
    assert evidence.location.relative == 0.5


def test_without_a_displacement_there_is_no_relative_difference() -> None:
    still = compare([np.array([1.5])], [np.array([1.0])], names=["w"], start=[np.array([1.0])])
    unknown = compare([np.array([1.5])], [np.array([1.0])], names=["w"])
    for evidence in (still, unknown):
        assert evidence.location is not None
        assert evidence.location.relative is None


def test_what_is_allowed_holds_entry_by_entry() -> None:
    allowed = pair([[0.5, 0.0], [0.0, 0.0]], 0.25)
    within = compare(pair([[1.5, 2.0], [3.0, 4.0]], [5.125]), EXPECTED, names=NAMES, allowed=allowed)
    assert (within.violated, within.ratio) == (False, 1.0)
    beyond = compare(pair([[1.0, 2.5], [3.0, 4.0]], [5.0]), EXPECTED, names=NAMES, allowed=allowed)
    assert beyond.violated
    assert beyond.location is not None
    assert (beyond.location.index, beyond.location.allowed) == ((0, 1), 0.0)


def test_one_number_is_allowed_everywhere() -> None:
    seen = pair([[1.25, 2.0], [3.0, 4.0]], [5.5])
    assert compare(seen, EXPECTED, names=NAMES, allowed=0.5).ratio == 1.0
    evidence = compare(seen, EXPECTED, names=NAMES, allowed=0.25)
    assert (evidence.violated, evidence.ratio, evidence.blame) == (True, 2.0, ("w2",))


def test_the_located_entry_is_the_worst_of_those_that_are_wrong() -> None:
    """The larger difference at index 0 is allowed."""
    evidence = compare(pair([3.0, 2.5]), pair([1.0, 2.0]), names=["w"], allowed=[np.array([4.0, 0.25])])
    assert evidence.location is not None
    assert (evidence.location.index, evidence.location.difference) == ((1,), 0.5)


def test_zeros_of_either_sign_are_equal_and_exact_comparison_sees_the_last_bit() -> None:
    assert not compare(pair([-0.0]), pair([0.0]), names=["w"]).violated
    assert compare(pair([np.nextafter(1.0, 2.0)]), pair([1.0]), names=["w"]).violated


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_only_is_seen_to_be_not_finite_is_a_violation(value: float) -> None:
    evidence = compare(pair([1.0, value]), pair([1.0, 2.0]), names=["w"], allowed=1e300)
    assert evidence.violated
    assert evidence.location is not None
    assert evidence.location.index == (1,)
    assert evidence.location.seen == repr(value)
    assert evidence.location.difference == float("inf")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_expected_result_that_is_not_finite_decides_nothing(value: float) -> None:
    evidence = compare(pair([1.0]), pair([value]), names=["w"])
    assert (evidence.violated, evidence.decisive) == (False, False)
    assert evidence.reason == "the expected result is not finite"


def test_another_shape_is_wrong_whatever_it_holds() -> None:
    evidence = compare(pair([[1.0, 2.0]]), pair([1.0, 2.0]), names=["w"], allowed=1e300)
    assert evidence.violated
    assert evidence.location is not None
    assert (evidence.location.seen, evidence.location.expected) == ("shape (1, 2)", "shape (2,)")


def test_numbers_of_no_dimension_and_no_entries_are_compared_too() -> None:
    assert not compare([np.float64(1.0), np.zeros(0)], [1.0, np.zeros(0)], names=NAMES).violated
    evidence = compare([np.float64(1.5)], [1.0], names=["J"], allowed=0.25)
    assert evidence.location is not None
    assert (evidence.location.index, evidence.ratio) == ((), 2.0)


def test_fractions_are_compared_exactly_and_shown_as_they_are() -> None:
    thirds = [np.array([Fraction(1, 3), Fraction(2, 3)], dtype=object)]
    assert not compare(thirds, thirds, names=["w"]).violated
    off = [np.array([Fraction(1, 3), Fraction(2, 3) + Fraction(1, 10**40)], dtype=object)]
    evidence = compare(off, thirds, names=["w"])
    assert evidence.location is not None
    assert evidence.location.expected == "2/3"
    assert evidence.location.difference == 1e-40


@pytest.mark.parametrize(
    ("allowed", "rival", "decisive"),
    [
        (0.0, 1.0, True),
        (0.0, 0.0, False),
        (0.5, 1.0, True),
        (0.51, 1.0, False),
        (0.0, 1e-300, True),
        (0.5, float("inf"), True),
        (0.5, float("nan"), True),
    ],
)
def test_an_example_is_decisive_when_twice_what_is_allowed_leaves_the_rival_out(
    allowed: float, rival: float, *, decisive: bool
) -> None:
    evidence = compare(pair([0.0]), pair([0.0]), names=["w"], allowed=allowed, rivals=[pair([rival])])
    assert evidence.decisive is decisive
    assert evidence.reason == (
        "" if decisive else "the wrong results that would refute the clause differ too little from the right one"
    )


def test_every_rival_must_be_distinguishable_each_by_some_entry() -> None:
    near, far, farther = pair([0.0, 0.0]), pair([9.0, 0.0]), pair([0.0, 9.0])
    allowed = [np.array([1.0, 1.0])]
    for rivals, decisive in (([far, farther], True), ([far, near], False), ([near], False), ([], True)):
        evidence = compare(near, near, names=["w"], allowed=allowed, rivals=rivals)
        assert evidence.decisive is decisive, rivals


def test_a_violation_is_decisive_without_any_rival() -> None:
    assert compare(pair([1.0]), pair([0.0]), names=["w"], rivals=[pair([0.0])]).decisive


def test_the_ratio_is_the_worst_of_all_rounded_entries() -> None:
    allowed = pair([0.0, 4.0], [2.0])
    evidence = compare(pair([1.0, 3.0], [1.5]), pair([1.0, 2.0], [1.0]), names=NAMES, allowed=allowed)
    assert evidence.ratio == 0.25


@pytest.mark.parametrize(
    ("seen", "same"),
    [
        (np.array([0.0, 1.0]), True),
        (np.array([-0.0, 1.0]), False),
        (np.array([0.0, np.nextafter(1.0, 0.0)]), False),
        (np.array([[0.0, 1.0]]), False),
        (np.array([0.0, 1.0], dtype=np.float32), False),
    ],
)
def test_bytes_are_bytes(seen: Array, *, same: bool) -> None:
    evidence = same_bytes([seen], [np.array([0.0, 1.0])], names=["w"], what="moved")
    assert evidence.violated is not same


def test_equal_nans_are_equal_bytes_and_others_are_not() -> None:
    quiet = np.array([float("nan")])
    other = (quiet.view(np.int64) + 1).view(np.float64)
    assert not same_bytes([quiet], [quiet.copy()], names=["w"], what="").violated
    assert same_bytes([other], [quiet], names=["w"], what="").violated


def test_differing_bytes_are_located_and_every_differing_array_is_blamed() -> None:
    seen = [np.array([1.0]), np.array([[0.0, -0.0]]), np.array([2.0])]
    expected = [np.array([1.0]), np.array([[0.0, 0.0]]), np.array([3.0])]
    evidence = same_bytes(seen, expected, names=["a", "b", "c"], what="resumed", step=3)
    assert (evidence.violated, evidence.blame, evidence.reason) == (True, ("b", "c"), "resumed")
    location = evidence.location
    assert location is not None
    assert (location.parameter, location.index, location.step) == ("b", (0, 1), 3)
    assert (location.seen, location.expected, location.difference) == ("-0.0", "0.0", 0.0)


def test_another_form_is_said_in_words() -> None:
    evidence = same_bytes([np.ones((2, 1), np.float32)], [np.ones(2)], names=["w"], what="after the step")
    assert evidence.reason == "after the step: w is float32(2, 1) instead of float64(2,)"
    assert evidence.location is None


def test_layout_and_integers_are_no_difference_of_their_own() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert not same_bytes([np.asfortranarray(array)], [array], names=["w"], what="").violated
    assert same_bytes([np.array([1, 2])], [np.array([1, 3])], names=["labels"], what="").location is not None


def test_differ_is_the_exact_comparison_as_a_yes_or_no() -> None:
    assert not differ(pair([0.0], 1.0), pair([-0.0], 1.0))
    assert differ(pair([0.0], 1.0), pair([0.0], 1.5))
    assert differ([np.array([Fraction(1, 3)])], [np.array([1 / 3])])


def test_the_norm_of_all_gradients_may_overflow_where_that_of_none_does() -> None:
    """1.5e19 squared is 2.25e38 in float32, whose largest number is 3.4e38: a clip by the norm sees infinity."""
    large = np.array([1.5e19])
    assert has_finite_norm([large.astype(np.float32), None])
    assert not has_finite_norm([large.astype(np.float32), large.astype(np.float32)])
    assert has_finite_norm([large, large])
    assert not has_finite_norm([np.array([np.nan])])


def test_one_entry_makes_all_of_them_not_finite() -> None:
    assert are_finite([np.ones(2), np.zeros((0, 3))])
    assert not are_finite([np.ones(2), np.array([1.0, np.inf])])
