"""A layer-by-layer step at a rate of 1e-3 is off by a millionth, and is caught as surely as at 0.1."""

from __future__ import annotations

from functools import partial

import pytest

from gdprops.clauses import catalogue
from gdprops.clauses.support.watched_step import watch
from gdprops.faults.training_steps.late_read_faults import layer_by_layer
from gdprops.model.evidence import Evidence, agreement
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.runner.items import cases_of
from gdprops.runner.search import search
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from gdprops.subjects.user_code.isolation import isolated

pytestmark = pytest.mark.xdist_group("slow rates")
EXAMPLES = 60


def caught(rate: float) -> list[bool]:
    """Return for each of the same examples whether the step is wrong in it."""
    found: list[bool] = []
    with isolated():
        step = training_step(partial(layer_by_layer, rate=rate), lr=rate, name="swept")
        measured = measured_subject(step, Settings(timeout=600.0))

        def examine(case: object) -> Evidence:
            found.append(any(seen.wrong for seen in watch(measured.subject, case)))  # type: ignore[arg-type] # a training step
            return agreement()

        cases = cases_of(Item(catalogue()["step.simultaneous"], About.SUBJECT), measured.subject, measured.domain)
        search(examine, cases, examples=EXAMPLES, seed=1, shrink=False)
    return found


@pytest.fixture(scope="module")
def at_a_tenth() -> list[bool]:
    return caught(0.1)


def test_most_examples_show_it(at_a_tenth: list[bool]) -> None:
    assert len(at_a_tenth) == EXAMPLES
    assert sum(at_a_tenth) > EXAMPLES / 2


def test_the_same_examples_show_it_at_a_hundredth_of_the_rate(at_a_tenth: list[bool]) -> None:
    assert caught(1e-3) == at_a_tenth
