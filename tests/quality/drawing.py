"""Drawing cases as the engine does: seeded, without a database, and only by generation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.strategies import SearchStrategy

Case = TypeVar("Case")

EXAMPLES = 100
"""What a clause runs by default: each situation must come up within as many."""
SEEDS = (1, 2, 3)


def drawn(strategy: SearchStrategy[Case], examples: int, seed: int) -> list[Case]:
    """Return the cases that a search would examine."""
    found: list[Case] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def sampler(build: Callable[[], SearchStrategy[Any]]) -> Callable[[int], list[Any]]:
    """Return a function from a seed to the cases of a strategy, drawn once."""
    return cache(lambda seed: drawn(build(), EXAMPLES, seed))


def minimal(strategy: SearchStrategy[Case], condition: Callable[[Case], bool] = lambda case: True) -> Case:
    """Return what a strategy shrinks towards, among the cases that meet a condition."""
    settings = hypothesis.settings(max_examples=2000, database=None, deadline=None)
    return hypothesis.find(strategy, condition, settings=settings, random=Random(0))
