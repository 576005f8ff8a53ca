"""Loops in which something particular happens, as they are drawn."""

from __future__ import annotations

from collections import Counter

from gdprops.model.architecture import NOT_ADDITIVE
from gdprops.model.domain import Domain
from gdprops.strategies.special_loops import LONG_LOOP, loops_by_mode
from tests.quality.drawing import drawn


def test_most_loops_by_mode_are_short_and_the_others_as_long_as_it_takes_to_evaluate() -> None:
    domain = Domain(kinds=tuple(NOT_ADDITIVE))
    steps = Counter(len(case.batches) for case in drawn(loops_by_mode(domain), 100, seed=4))
    assert set(steps) == {2, 3, 4, LONG_LOOP}
    assert 14 <= steps[LONG_LOOP] <= 27
