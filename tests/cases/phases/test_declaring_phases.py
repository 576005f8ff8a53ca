"""What is declared of phases, what is refused in one line, and what the other clauses say of such a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gdprops
from gdprops.errors import UsageError
from gdprops.model.verdict import About, Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.cases.phases.checking import moves, notes_if_held, only_reason
from tests.cases.phases.test_odd_but_right import BOTH, halves, loss, rows, sgd


def by_turns(m: Any, _: Any) -> Any:
    o = halves(m)

    def step(x: Tensor, y: Tensor) -> None:
        for optimizer in o.values():
            moves(optimizer, loss(m, x, y))
            optimizer.param_groups[0]["lr"] *= 0.5

    return step, o


def returning(form: Any) -> Any:
    return lambda m, _: ((lambda x, y: None), form(m))


PHASES = '(optimizer, objective) or (optimizer, objective, steps), such as ("critic", critic_loss, 5)'


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"phases": []}, f"phases=[]; expected a list of phases: expected {PHASES}"),
        ({"phases": ["body"]}, f"phases= contains 'body'; expected {PHASES}"),
        ({"phases": [("body", 3)]}, f"phases= contains ('body', 3); expected {PHASES}"),
        ({"phases": [("body", loss, 0)]}, f"phases= contains ('body', {loss!r}, 0); expected {PHASES}"),
        ({"phases": None, "after": {}}, "after= without phases=, which they describe"),
        ({"after": {"neck": id}}, "after= names 'neck'; expected optimizers of phases=: body, head"),
        (
            {"targets": {"head": ("follow", "body", 1)}},
            "targets={'head': ('follow', 'body', 1)}; expected "
            '("polyak", source, tau), ("polyak", source, tau, every) or ("copy", source, every)',
        ),
        (
            {"targets": {"head": ("polyak", "body", 0.5)}},
            "targets={'head': ('polyak', 'body', 0.5)}: the parameters head.* are not those of body.*",
        ),
        (
            {"lr": 0.1},
            "phases= and lr= cannot be declared together: the update of each phase is that of the optimizer which "
            "build returns under its name (gdprops check --rule says whether that optimizer follows a rule)",
        ),
        (
            {"accumulate": 2},
            "phases= and accumulate= cannot be declared together: what one phase reads of the others may move between "
            "the calls of a window, so that the window has no one gradient; hand the whole window over in one call, "
            "and let each objective be the mean over it",
        ),
        (
            {"loss": loss},
            "phases= and loss= cannot be declared together: each phase has an objective of its own",
        ),
        (
            {"frozen": {"body.*": [1]}},
            "phases= and frozen={'body.*': [1]}, with steps: which parameters train when is what phases= says; "
            "expected patterns alone",
        ),
        ({"trains": "tail.*"}, "trains='tail.*' matches the name of no parameter of the model; did you mean 'head.*'?"),
        (
            {"models": None},
            "phases= without models= and batches=, a model that holds what the optimizers hold, and its data",
        ),
        (
            {"phases": [("body", loss, 2)], "together": True},
            "together=True with an optimizer that steps more than once in a call; expected one step each",
        ),
        ({"clip_norm": {"neck": 1.0}}, "clip_norm= names 'neck'; expected optimizers of phases=: body, head"),
    ],
    ids=lambda value: value.replace(repr(loss), "loss") if isinstance(value, str) else None,
)
def test_what_cannot_be_declared_is_refused_in_one_line(declared: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        training_step(by_turns, name="mine", **{**BOTH, **declared})
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (
            lambda m: {"body": sgd(m.body), "neck": sgd(m.head)},
            "mine: phases= names the optimizers body, head, and build returns a dict with 'body', 'neck'; expected "
            "(step, {name: optimizer})",
        ),
        (
            lambda m: [sgd(m.body), sgd(m.head)],
            "mine: phases= names the optimizers body, head, and build returns no dict of optimizers; expected "
            "(step, {name: optimizer})",
        ),
        (
            lambda m: {**halves(m), "all": sgd(m)},
            "mine: build returns the optimizer 'all', which stands in none of phases=",
        ),
        (lambda m: {**halves(m), "head": 3}, "mine: build returns an int as the optimizer 'head'"),
    ],
)
def test_optimizers_that_are_not_those_of_the_phases_are_refused(form: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        training_step(returning(form), name="mine", **BOTH)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        (
            lambda m, x, y: m(x),
            "the objective of 'body' returned a tensor of shape (6, 1); expected a tensor with one number",
        ),
        (lambda m, x, y: 3.0, "the objective of 'body' returned a float; expected a tensor with one number"),
        (
            lambda m, x, y: m(x).mean().detach(),
            "the objective of 'body' returned a number that depends on no parameter that requires gradients",
        ),
    ],
)
def test_objectives_are_one_number_with_a_gradient(objective: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        training_step(by_turns, name="mine", **{**BOTH, "phases": [("body", objective), ("head", loss)]})
    assert str(refused.value).startswith(said)


def test_other_clauses_leave_a_step_with_phases_to_those_about_phases() -> None:
    clauses = ("step.simultaneous", "step.trains", "step.phases", "step.targets")
    subject = training_step(by_turns, name="mine", **BOTH)
    outcome = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=2))
    found = {v.clause: v for v in outcome.verdicts if v.about is About.SUBJECT}
    assert [clause for clause, v in found.items() if v.status is not Status.NOT_APPLICABLE] == ["step.phases"]
    assert found["step.simultaneous"].reason == "phases= are declared: step.phases judges each of them as a step"
    assert found["step.targets"].reason == "no targets= are declared"


def test_the_rates_of_all_phases_follow_a_schedule() -> None:
    subject = training_step(by_turns, name="mine", **BOTH, schedule=lambda t: 0.1 * 0.5**t, updates=4)
    outcome = check_subject(subject, clauses=("clock.*",), settings=Settings(seed=0, examples=2))
    found = {v.clause: v.status for v in outcome.verdicts if v.about is About.SUBJECT}
    assert found["clock.schedule"] is Status.HELD


def test_the_objectives_are_given_to_build_in_the_order_of_the_phases() -> None:
    given = list[Any]()

    def build(m: Any, objectives: Any) -> Any:
        given.append([objective(m, *rows(0)).item() for objective in objectives])
        return by_turns(m, objectives)

    twice = [("body", loss), ("head", lambda m, x, y: 2 * loss(m, x, y))]
    training_step(build, name="mine", **{**BOTH, "phases": twice})
    assert given
    assert all(second == 2 * first for first, second in given)


def test_a_violation_is_printed_with_the_script_that_shows_it() -> None:
    def build(m: Any, _: Any) -> Any:
        o = halves(m)

        def step(x: Tensor, y: Tensor) -> None:
            for optimizer in o.values():
                loss(m, x, y).backward()
                optimizer.step()

        return step, o

    report = gdprops.check(training_step(build, name="mine", **BOTH), clauses="step.phases", examples=2, seed=0)
    assert not report.ok
    assert "they are cleared" not in str(report)
    assert "applies, beside its own gradient, what body's backward (" in " ".join(str(report).split())


def held_by_the_first(first: Callable[[Any], Any]) -> Any:
    """Return a build with two phases; ``first``: the parameters of the first optimizer."""

    def build(m: Any, _: Any) -> Any:
        o = {"body": torch.optim.SGD(first(m), lr=0.1), "head": torch.optim.SGD(m.head.parameters(), lr=0.1)}

        def step(x: Tensor, y: Tensor) -> None:
            for optimizer in o.values():
                moves(optimizer, loss(m, x, y))

        return step, o

    return build


def test_what_is_declared_to_train_or_to_rest_in_phases() -> None:
    everything, weight = held_by_the_first(lambda m: m.body.parameters()), held_by_the_first(lambda m: [m.body.weight])
    assert notes_if_held(everything, **BOTH, trains=["body.*", "head.*"])
    assert notes_if_held(weight, **BOTH, trains="body.weight", frozen="body.bias")
    assert only_reason(weight, **BOTH, trains="body.*") == (
        "body.bias: declared to train (trains=), and held by no optimizer"
    )
    assert only_reason(everything, **BOTH, frozen="*.bias") == (
        "body.bias, head.bias: declared frozen, and moved in call 1"
    )
