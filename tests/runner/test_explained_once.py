"""What a step does instead is found out once per failing set, and never taken from another subject or set."""

from __future__ import annotations

from typing import Any

import pytest

from gdprops.explanations.explanation import Explanation
from gdprops.runner import explained_once as module
from gdprops.runner.explained_once import explained_once
from gdprops.strategies.distinguishing_networks import distinguishing_cases
from gdprops.subjects.training_step.subject import training_step
from tests.samples import training_steps

FIRST, SECOND, *_ = distinguishing_cases()


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TOLD", [])


def asked(count: list[str], text: str) -> Any:
    def find_out() -> Explanation:
        count.append(text)
        return Explanation(text)

    return find_out


def test_the_same_examples_of_the_same_subject_are_explained_once() -> None:
    subject, count = training_step(training_steps.half_the_loss), list[str]()
    for text in ("one", "another"):
        found = explained_once(subject.prepared(subject.traits, subject.calls), [FIRST, SECOND], asked(count, text))
        assert found == Explanation("one")
    assert count == ["one"]


def test_other_examples_and_other_subjects_are_explained_anew() -> None:
    subject, other, count = (
        training_step(training_steps.half_the_loss),
        training_step(training_steps.steps_twice),
        list[str](),
    )
    explained_once(subject, [FIRST], asked(count, "one"))
    assert explained_once(subject, [SECOND], asked(count, "two")) == Explanation("two")
    assert explained_once(other, [FIRST], asked(count, "three")) == Explanation("three")
    assert count == ["one", "two", "three"]


def told_where(holds: bool) -> Any:
    return Explanation("one", holds_in=lambda subject, cases: holds and list(cases) == [SECOND])


def test_what_is_true_of_other_examples_too_is_not_found_out_again() -> None:
    subject, other, count = (
        training_step(training_steps.half_the_loss),
        training_step(training_steps.steps_twice),
        list[str](),
    )
    explained_once(subject, [FIRST], lambda: told_where(holds=True))
    assert explained_once(subject, [SECOND], asked(count, "two")) == Explanation("one")
    assert explained_once(other, [SECOND], asked(count, "three")) == Explanation("three")
    assert count == ["three"]


def test_what_is_not_true_of_other_examples_is_found_out_for_them() -> None:
    subject, count = training_step(training_steps.half_the_loss), list[str]()
    explained_once(subject, [FIRST], lambda: told_where(holds=False))
    assert explained_once(subject, [SECOND], asked(count, "two")) == Explanation("two")
    assert count == ["two"]
