"""Examples of other clauses are drawn when they are asked for, and once for all subjects of a domain."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from gdprops.model.case import TrainCase
from gdprops.runner import pooled_examples as module
from gdprops.runner.pooled_examples import DRAWN, POOL, examples_of
from gdprops.runner.search import Finding, search, size
from gdprops.strategies.distinguishing_networks import distinguishing_cases
from gdprops.subjects.training_step.subject import training_step
from tests.samples import training_steps

FIRST = distinguishing_cases()[0]
NETWORKS = len(distinguishing_cases()) + 1
"""The networks that distinguish hypotheses, and the shrunk case."""


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    drawn = list[int]()

    def counted(*args: Any, **kwargs: Any) -> Finding:
        drawn.append(kwargs["examples"])
        return search(*args, **kwargs)

    monkeypatch.setattr(module, "_DRAWN", [])
    monkeypatch.setattr(module, "search", counted)
    return drawn


def examples(build: Any) -> Iterator[Any]:
    subject = training_step(build)
    return examples_of(subject, subject.domain, FIRST, [])


def test_no_case_is_drawn_before_its_turn(searches: list[int]) -> None:
    found = examples(training_steps.ordinary)
    assert [type(case) for case in islice(found, NETWORKS)] == [TrainCase] * NETWORKS
    assert searches == []
    next(found)
    assert searches == [DRAWN]


def test_every_kind_comes_once_before_the_second_of_any(searches: list[int]) -> None:
    found = list(islice(examples(training_steps.ordinary), NETWORKS, None))
    clauses = len(searches)
    assert 1 < clauses < len(POOL)
    assert len(found) == clauses * DRAWN
    for k in range(clauses):
        sizes = [size(case) for case in found[k::clauses]]
        assert sizes == sorted(sizes, reverse=True)


def test_cases_are_drawn_once_for_all_subjects_of_a_domain(searches: list[int]) -> None:
    first = list(islice(examples(training_steps.half_the_loss), NETWORKS + 1))
    assert list(islice(examples(training_steps.steps_twice), NETWORKS + 1))[-1] is first[-1]
    assert searches == [DRAWN]
