"""Steps that raise on drawn networks of an unusual form alone: such networks are left out, and a note says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step


def by_hand(model: Any, loss_fn: Any) -> Any:
    """The plainest step of all: of a parameter without a gradient, ``0.1 * None`` raises."""

    def step(inputs: Any, targets: Any) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.1 * p.grad)

    return step


def differentiates_everything(model: Any, loss_fn: Any) -> Any:
    """torch.autograd.grad raises where a parameter is frozen, or not reached by the loss."""
    parameters = list(model.parameters())

    def step(inputs: Any, targets: Any) -> None:
        found = torch.autograd.grad(loss_fn(model(inputs), targets), parameters)
        with torch.no_grad():
            for p, g in zip(parameters, found, strict=True):
                p.sub_(0.1 * g)

    return step


def hooks_everything(model: Any, loss_fn: Any) -> Any:
    """A hook cannot be registered on a frozen parameter."""
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Any, targets: Any) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


ALL = ("step.simultaneous", "step.moves-all", "step.frozen-untouched")


def outcome_of(build: Any, clauses: tuple[str, ...] = ALL, **declared: Any) -> Any:
    subject = training_step(build, name="mine", **declared)
    return check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=8))


@pytest.mark.parametrize(
    ("build", "declared", "unreached"),
    [
        (by_hand, {"lr": 0.1}, "TypeError at "),
        (differentiates_everything, {"lr": 0.1}, "RuntimeError at "),
        (hooks_everything, {}, ""),
    ],
)
def test_a_step_that_refuses_unusual_networks_is_right_on_all_others(
    build: Any, declared: dict[str, Any], unreached: str
) -> None:
    outcome = outcome_of(build, **declared)
    found = {v.clause: v for v in outcome.verdicts}
    assert found["step.simultaneous"].status is Status.HELD
    assert found["step.moves-all"].status is Status.HELD
    assert found["step.frozen-untouched"].reason == "the step raises where a parameter is frozen: a note says how"
    told = [note.text for note in outcome.notes]
    assert any(
        t.startswith("of a network with a frozen parameter, ") and "such networks are left out" in t for t in told
    )
    reached = [t for t in told if t.startswith("of a network with a parameter that the loss does not reach, ")]
    assert [unreached in t for t in reached] == ([True] if unreached else [])


def misspells(model: Any, loss_fn: Any) -> Any:
    """A NameError has nothing to do with the network."""

    def step(inputs: Any, targets: Any) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.1 * (nothing if p.grad is None else p.grad))  # type: ignore[name-defined] # noqa: F821 # the fault

    return step


def test_a_bug_of_the_step_is_no_refusal() -> None:
    found = {v.clause: v for v in outcome_of(misspells, ALL[2:], lr=0.1).verdicts}
    assert found["step.frozen-untouched"].status is Status.VIOLATED
    assert "raised NameError" in found["step.frozen-untouched"].reason


def decays_the_frozen(model: Any, loss_fn: Any) -> Any:
    """Raises nothing, and moves what is frozen: that is the fault, and it stays one."""

    def step(inputs: Any, targets: Any) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.1 * (0.5 * p if p.grad is None else p.grad))

    return step


def misspells_its_log(model: Any, loss_fn: Any) -> Any:
    def step(inputs: Any, targets: Any) -> None:
        loss_fn(model(inputs), targets).backward()
        raise NameError("name 'losses' is not defined")

    return step


def test_a_bug_on_every_batch_is_found_and_is_no_wrong_usage() -> None:
    outcome = check_subject(
        training_step(misspells_its_log, name="mine", lr=0.1),
        clauses="step.simultaneous",
        settings=Settings(seed=0, examples=5),
    )
    (found,) = (v for v in outcome.verdicts if v.clause == "step.simultaneous")
    assert found.status is Status.VIOLATED
    assert "step(inputs, targets) raised NameError: name 'losses' is not defined, at " in found.reason


def test_a_step_that_moves_what_is_frozen_is_wrong() -> None:
    found = {v.clause: v for v in outcome_of(decays_the_frozen, ALL[2:], lr=0.1).verdicts}
    assert found["step.frozen-untouched"].status is Status.VIOLATED
