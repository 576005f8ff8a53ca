"""The chapter clock: rates that follow their declared schedule, and rates that do not.

Each wrong step stands beside a right one that looks like it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from gdprops.errors import UsageError
from gdprops.kinds.training_step import TRAINING_STEP
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

RATE = 0.125


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def verdicts(build: Callable[..., Any], schedule: Any, **declared: Any) -> dict[str, Verdict]:
    own: dict[str, Any] = {"models": lambda: nn.Linear(3, 2), "batches": batches, "loss": nn.MSELoss()}
    subject = training_step(build, name="mine", schedule=schedule, **own, **declared)
    outcome = check_subject(
        subject, clauses=("clock.schedule", "clock.first-rate", "clock.order"), settings=Settings(seed=0, examples=3)
    )
    return {v.clause: v for v in outcome.verdicts}


def following(
    factory: Callable[[Any], Any],
    *,
    times: Callable[[int], int] = lambda n: 1,
    before: bool = False,
    ahead: int = 0,
    optimizer: Callable[[Any], Any] = lambda params: torch.optim.SGD(params, lr=RATE, momentum=0.5),
) -> Callable[..., Any]:
    """Return a build whose scheduler advances so many times at its n-th update, before or after it."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        steps, taken = optimizer(model.parameters()), 0
        scheduler = factory(steps)
        steps.step()  # or torch warns of advances before
        for _ in range(ahead):
            scheduler.step()

        def step(x: Tensor, y: Tensor) -> float:
            nonlocal taken
            taken += 1
            steps.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            for _ in range(times(taken) * before):
                scheduler.step()
            steps.step()
            for _ in range(times(taken) * (not before)):
                metric = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
                scheduler.step(float(loss)) if metric else scheduler.step()
            return float(loss)

        return step, steps

    return build


def setting(rate: Callable[[int], float]) -> Callable[..., Any]:
    """Return a build whose step sets its rates by hand, before its n-th update, n from 0 on."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            optimizer.param_groups[0]["lr"] = rate(taken)
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            taken += 1

        return step, optimizer

    return build


def shrinking(optimizer: Any) -> Any:
    return lr_scheduler.StepLR(optimizer, 1, 0.5)


def one_cycle(optimizer: Any) -> Any:
    return lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=12)


def warming(optimizer: Any) -> Any:
    return lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4)


def chained(optimizer: Any) -> Any:
    parts = [warming(optimizer), lr_scheduler.CosineAnnealingLR(optimizer, 8)]
    return lr_scheduler.SequentialLR(optimizer, parts, [4])


def plateau(optimizer: Any) -> Any:
    return lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)


def advanced(optimizer: Any) -> Any:
    """Return the schedule of a run that is resumed after three updates."""
    found = shrinking(optimizer)
    for _ in range(3):
        optimizer.step()
        found.step()
    return found


def single(params: Any) -> Any:
    return torch.optim.SGD(params, lr=torch.tensor(RATE, dtype=torch.float32))


def two_groups(params: Any) -> Any:
    weight, bias = params
    groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [bias], "lr": RATE / 2}]
    return torch.optim.Adam(groups, lr=RATE)


def one_group_alone(which: int) -> Callable[..., Any]:
    """Return a build whose step halves the rate of one of its two groups, and leaves the other's as it is."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, taken = two_groups(model.parameters()), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            optimizer.param_groups[which]["lr"] = halves(taken)[which]
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            taken += 1

        return step, optimizer

    return build


def halves(t: int) -> list[float]:
    return [RATE * 0.5**t, RATE * 0.5 ** (t + 1)]


RIGHT: dict[str, Any] = {
    "a scheduler": (following(shrinking), shrinking, {}),
    "its momentum cycles": (following(one_cycle), one_cycle, {}),
    "its betas cycle": (following(one_cycle, optimizer=two_groups), one_cycle, {}),
    "a warm-up": (following(warming), warming, {}),
    "one schedule after another": (following(chained, optimizer=two_groups), chained, {}),
    "on a plateau": (following(plateau), plateau, {"metric": True}),
    "a fast-forward": (following(shrinking, ahead=3), advanced, {}),
    "rates in float32": (following(shrinking, optimizer=single), lambda t: RATE * 0.5**t, {}),
    "a function": (following(shrinking), lambda t: RATE * 0.5**t, {}),
    "rates of groups": (
        following(shrinking, optimizer=two_groups),
        halves,
        {},
    ),
    "set before the step": (setting(lambda n: RATE * 0.5**n), lambda t: RATE * 0.5**t, {}),
    "a first rate of zero": (setting(lambda n: RATE * min(1, n / 4)), lambda t: RATE * min(1, t / 4), {}),
    "a clock that begins at 1": (setting(lambda n: RATE / (n + 1)), lambda t: RATE / (t + 1), {}),
    "every third update": (following(shrinking, times=lambda n: n % 3 == 0), shrinking, {"per": 3}),
    "an epoch of four": (following(shrinking, times=lambda n: n % 4 == 0), shrinking, {"per": "epoch"}),
    "a longer run": (following(shrinking, times=lambda n: n % 15 == 0), shrinking, {"per": 15, "updates": 17}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_rates_that_follow_their_schedule_are_held(name: str) -> None:
    build, schedule, declared = RIGHT[name]
    found = verdicts(build, schedule, **declared)
    assert {clause: (v.status, v.reason) for clause, v in found.items() if v.status is not Status.HELD} == {}


FOUR, EVERY = "the schedule advances 4 times per update", "the schedule advances at every 3 updates"
EARLY = "they are the schedule's one update early: the scheduler steps before the optimizer, or its clock begins at 1"
WRONG: dict[str, Any] = {
    "per micro-batch": (
        following(shrinking, times=lambda n: 4),
        shrinking,
        {},
        f"at update 2 the rate is 0.0078125, the schedule's 0.0625: {FOUR}",
    ),
    "too seldom": (
        following(shrinking, times=lambda n: n % 3 == 0),
        shrinking,
        {},
        f"at update 2 the rate is 0.125, the schedule's 0.0625: {EVERY}",
    ),
    "before the optimizer": (
        following(shrinking, before=True),
        shrinking,
        {},
        f"at update 1 the rate is 0.0625, the schedule's 0.125: {EARLY}",
    ),
    "never": (
        following(shrinking, times=lambda n: 0),
        shrinking,
        {},
        "at update 2 the rate is 0.125, the schedule's 0.0625: the rate never changes",
    ),
    "its peak first": (
        setting(lambda n: RATE * n / 4 if n else RATE),
        lambda t: RATE * t / 4,
        {},
        "at update 1 the rate is 0.125, the schedule's 0",
    ),
    "per update, not per epoch": (
        following(shrinking),
        shrinking,
        {"per": "epoch"},
        "at update 2 the rate is 0.0625, the schedule's 0.125: the schedule advances with every update, and not once "
        "an epoch",
    ),
    "resumed without saying so": (
        following(shrinking, ahead=3),
        shrinking,
        {},
        "at update 1 the rate is 0.015625, the schedule's 0.125: they are the schedule's 3 updates early",
    ),
    "the first group's alone": (
        one_group_alone(0),
        halves,
        {},
        "at update 2 the rate of parameter group 2 (of 2) is 0.0625, the schedule's 0.03125: the rate never changes",
    ),
    "the second group's alone": (
        one_group_alone(1),
        halves,
        {},
        "at update 2 the rate of parameter group 1 (of 2) is 0.125, the schedule's 0.0625: the rate never changes",
    ),
    "its momentum stays": (
        following(lambda optimizer: lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=12, cycle_momentum=False)),
        one_cycle,
        {},
        "at update 1 the rate is 0.5, the schedule's 0.95",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_rates_that_do_not_are_violated_and_told(name: str) -> None:
    build, schedule, declared, said = WRONG[name]
    found = verdicts(build, schedule, **declared)
    told = found["clock.schedule"]
    assert (told.status, told.level, told.reason) == (Status.VIOLATED, "required", said)
    assert told.explanation is None
    first = found["clock.first-rate"]
    assert (first.status is Status.VIOLATED) == ("at update 1 " in said)
    order = found["clock.order"]
    assert (order.status is Status.VIOLATED, order.level) == (name == "before the optimizer", "recommended")


def test_a_rate_that_does_not_change_within_the_run_decides_nothing() -> None:
    found = verdicts(following(shrinking, times=lambda n: 0), lambda optimizer: lr_scheduler.StepLR(optimizer, 30))
    assert found["clock.schedule"].status is Status.VACUOUS
    assert found["clock.schedule"].reason.endswith(
        "the schedule changes no rate within 12 updates; declare a shorter schedule, or a run of more updates="
    )


def test_no_command_is_printed_that_leaves_the_schedule_out() -> None:
    with_one = training_step(following(shrinking), name="mine", schedule=shrinking)
    assert TRAINING_STEP.given(with_one) is None
    plain = training_step(setting(lambda n: RATE), name="mine", lr=RATE)
    assert TRAINING_STEP.given(plain) == {"lr": RATE}


def test_without_a_schedule_nothing_is_asked() -> None:
    found = verdicts(following(shrinking), None)
    assert {(v.status, v.reason) for v in found.values()} == {(Status.NOT_APPLICABLE, "no schedule= is declared")}


def of_nothing(t: Any) -> Any:
    return None


NEITHER = "is neither a factory optimizer -> object with step() (it returned None) nor a function t -> rate ("


@pytest.mark.parametrize(
    ("schedule", "declared", "said"),
    [
        (0.1, {}, "schedule=0.1; expected a factory optimizer -> object with step(), or a function t -> rate"),
        (of_nothing, {}, f"schedule={of_nothing!r} {NEITHER}at t = 0 it returned None)"),
        (lambda t: [0.1, 0.2], {}, "schedule= gives 2 rates, and the optimizer has 1 parameter groups"),
        (shrinking, {"per": 0}, "per=0; expected 'update', 'epoch' or the number of updates that one advance lasts"),
        (shrinking, {"updates": 1}, "updates=1; expected the number of updates of a run, at least 2"),
        (None, {"per": 2}, "per=2, metric=False without schedule=, which they describe"),
    ],
    ids=["a number", "returns nothing", "too many rates", "no period", "one update", "no schedule"],
)
def test_a_schedule_that_is_none_is_refused_in_one_line(schedule: Any, declared: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        verdicts(following(shrinking), schedule, **declared)
    assert str(refused.value) == said


def test_a_metric_that_the_step_does_not_return_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        verdicts(setting(lambda n: RATE), plateau, metric=True)
    assert str(refused.value) == "metric=True, but step() returned None; expected the loss, which advances it"


def test_rates_are_looked_at_in_the_optimizer_that_is_returned() -> None:
    with pytest.raises(UsageError) as refused:
        verdicts(lambda model, loss_fn: following(shrinking)(model, loss_fn)[0], shrinking, lr=RATE)
    assert str(refused.value) == "mine: schedule= needs build to return the optimizer, whose rates are looked at"


def skipping(model: nn.Module, loss_fn: Any) -> Any:
    """The third update overflows: the optimizer is not called, and the scheduler advances all the same."""
    optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE), 0
    scheduler = shrinking(optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        if taken != 3:
            optimizer.step()
        scheduler.step()

    return step, optimizer


def skipping_both(model: nn.Module, loss_fn: Any) -> Any:
    """The third update overflows: neither the optimizer nor the scheduler is called."""
    step, optimizer = following(shrinking)(model, loss_fn)
    taken = 0

    def guarded(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        if taken == 3:
            loss_fn(model(x), y).backward()
        else:
            step(x, y)

    return guarded, optimizer


@pytest.mark.parametrize("build", [skipping, skipping_both])
def test_what_is_skipped_may_advance_the_schedule_or_not(build: Any) -> None:
    assert verdicts(build, shrinking)["clock.schedule"].status is Status.HELD
