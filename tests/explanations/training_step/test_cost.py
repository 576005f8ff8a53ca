"""Explanations cost nothing while all is well, and no verdict when they cannot be had."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
import torch
from torch import nn

from gdprops.clauses import catalogue
from gdprops.errors import SubjectCrash, SubjectTimeout
from gdprops.explanations.training_step import explain
from gdprops.faults.training_steps.late_read_faults import layer_by_layer
from gdprops.faults.training_steps.step_twins import textbook
from gdprops.model.evidence import agreement
from gdprops.model.item import Item
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner import session
from gdprops.runner.items import cases_of
from gdprops.runner.pooled_examples import examples_of
from gdprops.runner.search import search
from gdprops.runner.settings import Settings
from gdprops.strategies.distinguishing_networks import distinguishing_cases
from gdprops.subjects.training_step.subject import training_step
from gdprops.subjects.user_code.isolation import isolated
from tests.samples.training_steps import half_the_loss

CLAUSE = "step.simultaneous"


def verdict_on(subject: Any) -> Verdict:
    found = session.check_subject(subject, clauses=CLAUSE, settings=Settings(seed=0, examples=8))
    (verdict,) = found.of(About.SUBJECT)
    return verdict


def refuse(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def explained(*_: Any) -> NoReturn:
        raise error

    monkeypatch.setattr(explain, "explained", explained)


def test_a_right_step_is_never_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, AssertionError("it is explained"))
    assert verdict_on(training_step(textbook)).status is Status.HELD


def test_a_wrong_step_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, AssertionError("it is explained"))
    found = verdict_on(training_step(layer_by_layer, lr=0.125))
    assert (found.explanation or "").startswith("not explained: a bug of gdprops (AssertionError at test_cost.py:")


def test_where_time_is_up_the_verdict_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, SubjectTimeout("the subject used more than its 60 s"))
    found = verdict_on(training_step(layer_by_layer, lr=0.125))
    assert (found.status, found.blame) == (Status.VIOLATED, ("layer2.weight",))
    assert found.explanation == "not explained: the subject used more than its 60 s"


def test_where_the_subject_raises_there_is_no_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, SubjectCrash("step(inputs, targets)", ValueError("no")))
    found = verdict_on(training_step(layer_by_layer, lr=0.125))
    assert (found.status, found.explanation) == (Status.VIOLATED, None)


class Own(nn.Module):
    """A network with names of its own, on a dictionary of numbers of words."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 6)
        self.mixed = nn.Linear(6, 6)
        self.level = nn.LayerNorm(6)
        self.told = nn.Linear(6, 3)

    def forward(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = self.told(self.level(torch.tanh(self.mixed(self.words(given["ids"]).mean(1)))))
        return found


def batch(index: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(index)
    ids = torch.randint(0, 11, (10, 4), generator=generator)
    return {"ids": ids}, torch.randint(0, 3, (10,), generator=generator)


def in_three_parts(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def step(given: dict[str, torch.Tensor], targets: torch.Tensor) -> None:
        optimizer.zero_grad()
        for part in (slice(0, 4), slice(4, 8), slice(8, 10)):
            (loss_fn(model({"ids": given["ids"][part]}), targets[part]) / 3).backward()
        optimizer.step()

    return step, optimizer


def own(build: Any, **declared: Any) -> Any:
    return training_step(build, models=Own, batches=batch, loss=nn.CrossEntropyLoss(), **declared)


def test_layers_are_those_of_the_users_own_model() -> None:
    found = verdict_on(own(layer_by_layer, lr=0.125))
    assert found.explanation is not None
    assert found.explanation.startswith("layer by layer, first layer first")


def test_rows_are_known_in_the_users_own_batches() -> None:
    assert verdict_on(own(in_three_parts)).explanation == (
        "the gradients of 3 micro-batches (rows 0-3; 4-7; 8-9) are added up, their losses each divided by their number"
    )


def test_networks_of_ours_stand_in_for_nobodys_own() -> None:
    subject = own(in_three_parts)
    item = Item(catalogue()[CLAUSE], About.SUBJECT)
    drawn: list[Any] = []
    cases = cases_of(item, subject, subject.domain)
    search(lambda case: drawn.append(case) or agreement(), cases, examples=1, seed=0, shrink=False)  # type: ignore[func-returns-value] # None, then the agreement
    found = examples_of(subject, subject.domain, drawn[0], [])
    assert next(found) is drawn[0]
    ours = training_step(textbook)
    assert next(examples_of(ours, ours.domain, distinguishing_cases()[1], [])).batches[0].inputs.shape == (13, 3)


def test_an_explanation_says_where_else_it_is_true() -> None:
    subject, others = training_step(layer_by_layer, lr=0.125), (training_step(textbook), training_step(half_the_loss))
    first, second, *_ = distinguishing_cases()
    with isolated():
        told = explain.explained(subject, [first])
        assert told is not None
        assert told.holds_in is not None
        assert told.text.startswith("layer by layer, first layer first")
        assert told.holds_in(subject, [second])
        assert not any(told.holds_in(other, [second]) for other in others)
