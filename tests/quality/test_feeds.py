"""The feeds of the optimizer chapter reach every situation that some real bug needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from gdprops.model.arrays import Array
from gdprops.model.case import UpdateCase
from gdprops.model.domain import Domain
from gdprops.strategies.gradient_feeds import Feed, feeds
from tests.quality.drawing import EXAMPLES, SEEDS, minimal, sampler

DOMAIN = Domain(options={"momentum": 0.5, "weight_decay": 0.25, "maximize": True})
FED = sampler(lambda: feeds(DOMAIN, Feed(missing=True, mixed=True, transposed=True)))

Situation = Callable[[UpdateCase], bool]


def shapes_of(case: UpdateCase) -> list[tuple[int, ...]]:
    return [w.shape for w in case.tensors]


def dtypes_of(case: UpdateCase) -> set[str]:
    return {str(w.dtype) for w in case.tensors}


def differ(a: Sequence[Array | None], b: Sequence[Array | None]) -> bool:
    return any(x is not None and y is not None and (x != y).any() for x, y in zip(a, b, strict=True))


def appears_late(case: UpdateCase) -> bool:
    """Say whether some gradient is missing at first and there later."""
    return any(
        g is None and any(step[i] is not None for step in case.gradients) for i, g in enumerate(case.gradients[0])
    )


def goes_missing(case: UpdateCase) -> bool:
    """Say whether some gradient is there at first and missing later."""
    return any(
        g is not None and any(step[i] is None for step in case.gradients) for i, g in enumerate(case.gradients[0])
    )


# Each with a count that every seed reaches: half of the fewest that were seen at eight seeds.
SITUATIONS: dict[str, tuple[int, Situation]] = {
    "at least three tensors": (EXAMPLES, lambda case: len(case.tensors) >= 3),
    "two of equal shape": (EXAMPLES, lambda case: len(set(shapes_of(case))) < len(case.tensors)),
    "different shapes": (50, lambda case: len(set(shapes_of(case))) > 1),
    "two groups": (8, lambda case: len(case.plan.groups) == 2),
    "two groups with different rates": (3, lambda case: len(set(case.plan.rates or ())) == 2),
    "two steps": (20, lambda case: len(case.gradients) == 2),
    "four steps": (10, lambda case: len(case.gradients) == 4),
    "gradients that differ from step to step": (60, lambda case: differ(case.gradients[0], case.gradients[1])),
    "a rate of 1": (3, lambda case: 1.0 in (case.plan.rates or ())),
    "the user's own rate": (5, lambda case: case.plan.rates is None),
    "momentum": (8, lambda case: "momentum" in case.plan.options),
    "weight decay": (10, lambda case: "weight_decay" in case.plan.options),
    "maximize": (8, lambda case: "maximize" in case.plan.options),
    "float32": (6, lambda case: dtypes_of(case) == {"float32"}),
    "mixed dtypes": (5, lambda case: dtypes_of(case) == {"float32", "float64"}),
    "a tensor without dimensions": (10, lambda case: () in shapes_of(case)),
    "a tensor of one entry": (7, lambda case: (1,) in shapes_of(case)),
    "an empty tensor": (3, lambda case: (0,) in shapes_of(case)),
    "a convolution's tensor": (7, lambda case: (1, 2, 1, 2) in shapes_of(case)),
    "a tensor that is not contiguous": (2, lambda case: any(not w.flags.c_contiguous for w in case.tensors)),
    "a gradient that appears late": (2, appears_late),
    "a gradient that goes missing": (7, goes_missing),
    "a tensor whose gradient is all zeros": (
        7,
        lambda case: any(g is not None and g.size and not g.any() for g in case.gradients[0]),
    ),
    "small gradients": (4, lambda case: _largest(case) < 2.0**-6),
    "large gradients": (2, lambda case: _largest(case) > 2.0**6),
    "numbers that are not dyadic": (7, lambda case: any((w * 4 % 1).any() for w in case.tensors)),
}


def _largest(case: UpdateCase) -> float:
    return max(float(np.abs(g).max(initial=0)) for g in case.gradients[0] if g is not None)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_situation_comes_up_within_a_hundred_examples(situation: str, seed: int) -> None:
    least, holds = SITUATIONS[situation]
    assert sum(map(holds, FED(seed))) >= least


def test_the_counts_can_fail() -> None:
    plain = sampler(lambda: feeds(DOMAIN, Feed(missing=False, mixed=False, unusual=False)))(1)
    never = ("a gradient that appears late", "mixed dtypes", "a tensor that is not contiguous", "an empty tensor")
    assert not any(SITUATIONS[name][1](case) for name in never for case in plain)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_in_five_has_the_users_own_rate_and_the_others_dyadic_ones_up_to_one(seed: int) -> None:
    own = sum(case.plan.rates is None for case in FED(seed))
    assert 5 <= own <= 35
    rates = {rate for case in FED(seed) for rate in case.plan.rates or ()}
    assert max(rates) == 1.0
    assert min(rates) == 0.125
    assert all(rate * 8 == int(rate * 8) for rate in rates)


@pytest.mark.parametrize(
    ("domain", "holds"),
    [
        (Domain(precisions=(53,)), lambda case: dtypes_of(case) == {"float64"}),
        (Domain(precisions=(24,)), lambda case: dtypes_of(case) == {"float32"}),
        (Domain(dimensions=frozenset({2})), lambda case: all(w.ndim == 2 for w in case.tensors)),
        (Domain(dimensions=frozenset({2, 4})), lambda case: {w.ndim for w in case.tensors} <= {2, 4}),
        (Domain(empty=False), lambda case: all(w.size for w in case.tensors)),
        (Domain(groups=False), lambda case: len(case.plan.groups) == 1),
        (Domain(rate=False), lambda case: case.plan.rates is None),
        (Domain(), lambda case: not case.plan.options),
        (Domain(waits=5), lambda case: 7 <= len(case.gradients) <= 9),
    ],
)
def test_a_case_stays_within_its_domain(domain: Domain, holds: Callable[[UpdateCase], bool]) -> None:
    cases: list[Any] = sampler(lambda: feeds(domain, Feed(missing=True, mixed=True)))(1)
    assert all(map(holds, cases))
    assert len(cases) == EXAMPLES


@pytest.mark.parametrize(
    ("feed", "holds"),
    [
        (Feed(least_steps=3, most_steps=4), lambda case: len(case.gradients) in (3, 4)),
        (Feed(groups=False), lambda case: len(case.plan.groups) == 1),
        (Feed(options=False), lambda case: not case.plan.options),
        (Feed(own_rate=False), lambda case: case.plan.rates is not None),
        (Feed(frozen=True), lambda case: len(case.plan.frozen) == 1),
        (Feed(zeros=False), lambda case: all(g.any() for step in case.gradients for g in step if g.size > 3)),
        (Feed(), lambda case: all(g is not None for step in case.gradients for g in step)),
        (Feed(), lambda case: len(dtypes_of(case)) == 1),
        (Feed(unusual=False), lambda case: all(w.size and w.ndim in (1, 2) for w in case.tensors)),
    ],
)
def test_a_case_is_what_its_feed_allows(feed: Feed, holds: Callable[[UpdateCase], bool]) -> None:
    assert all(map(holds, sampler(lambda: feeds(DOMAIN, feed))(2)))


@pytest.mark.parametrize("seed", SEEDS)
def test_frozen_tensors_are_first_in_the_middle_and_last(seed: int) -> None:
    cases = sampler(lambda: feeds(DOMAIN, Feed(frozen=True)))(seed)
    places = {(min(case.plan.frozen) > 0) + (max(case.plan.frozen) == len(case.tensors) - 1) for case in cases}
    assert places == {0, 1, 2}


def test_gradients_have_the_shapes_and_dtypes_of_their_tensors() -> None:
    for case in FED(1):
        assert case.precision == (53 if dtypes_of(case) == {"float64"} else 24)
        for step in case.gradients:
            for w, g in zip(case.tensors, step, strict=True):
                assert g is None or (g.shape, g.dtype) == (w.shape, w.dtype)


def test_the_simplest_feed_is_three_vectors_of_ones() -> None:
    case = minimal(feeds(DOMAIN, Feed(missing=True, mixed=True)))
    assert [w.tolist() for w in case.tensors] == [[1.0, 1.0]] * 3
    assert [[g.tolist() for g in step if g is not None] for step in case.gradients] == [[[1.0, 1.0]] * 3] * 2
    assert (case.plan.groups, case.plan.rates, dict(case.plan.options)) == (((0, 1, 2),), (0.5,), {})
    assert (case.precision, case.factor) == (53, 2.0)


def test_a_late_gradient_shrinks_to_one_missing_at_the_first_of_two_steps() -> None:
    case = minimal(feeds(DOMAIN, Feed(missing=True)), appears_late)
    assert len(case.tensors) == 3
    assert len(case.gradients) == 2
    assert [g is None for g in case.gradients[0]].count(True) == 1
    assert all(g is not None and (g == 1).all() for g in case.gradients[1])


def test_mixed_dtypes_shrink_to_ones_every_other_in_float32() -> None:
    case = minimal(feeds(DOMAIN, Feed(mixed=True)), lambda case: len(dtypes_of(case)) == 2)
    assert [str(w.dtype) for w in case.tensors] == ["float64", "float32", "float64"]
    assert [w.tolist() for w in case.tensors] == [[1.0, 1.0]] * 3
