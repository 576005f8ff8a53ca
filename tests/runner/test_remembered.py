"""What a step does instead is found out once per failing set, and never taken from another subject or set."""

from __future__ import annotations

from typing import Any

import pytest

from gdprops.adapters.training_step import training_step
from gdprops.runner import remembered as home
from gdprops.runner.explain import Explanation
from gdprops.runner.remembered import remembered
from gdprops.strategies.telling import telling_cases
from tests import training_steps as steps

FIRST, SECOND, *_ = telling_cases()


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "_TOLD", [])


def asked(count: list[str], text: str) -> Any:
    def find_out() -> Explanation:
        count.append(text)
        return Explanation(text)

    return find_out


def test_the_same_examples_of_the_same_subject_are_explained_once() -> None:
    subject, count = training_step(steps.half_the_loss), list[str]()
    for text in ("one", "another"):
        found = remembered(subject.prepared(subject.traits, subject.calls), [FIRST, SECOND], asked(count, text))
        assert found == Explanation("one")
    assert count == ["one"]


def test_other_examples_and_other_subjects_are_explained_anew() -> None:
    subject, other, count = training_step(steps.half_the_loss), training_step(steps.steps_twice), list[str]()
    remembered(subject, [FIRST], asked(count, "one"))
    assert remembered(subject, [SECOND], asked(count, "two")) == Explanation("two")
    assert remembered(other, [FIRST], asked(count, "three")) == Explanation("three")
    assert count == ["one", "two", "three"]
