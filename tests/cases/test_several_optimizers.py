"""Several optimizers of one loss are one simultaneous step, in whatever form `build` returns them."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

RATE = 0.125
Form = Callable[[Any, list[Any]], Any]
Loop = namedtuple("Loop", ["step", "optimizer"])


class Net(nn.Module):
    """A body and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x)))  # type: ignore[no-any-return]


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def two(model: Any) -> list[Any]:
    """Return Adam for the body and momentum for the head."""
    head = torch.optim.SGD(model.head.parameters(), lr=RATE, momentum=0.5)
    return [torch.optim.Adam(model.body.parameters(), lr=RATE), head]


def as_list(step: Any, optimizers: list[Any]) -> Any:
    return step, optimizers


def looping(form: Form = as_list, *, again: bool = False, every: int = 1, late: bool = False) -> Callable[..., Any]:
    """Return a build whose step calls both optimizers, looking again between them or not."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizers, taken = two(model), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            taken += 1
            for k, optimizer in enumerate(optimizers):
                if again or k == 0:
                    model.zero_grad()
                    loss_fn(model(x), y).backward()
                if k == 0 or taken % every == 0:
                    optimizer.step()
            if late:
                for optimizer in optimizers:
                    optimizer.param_groups[0]["lr"] *= 0.5

        return form(step, optimizers)

    return build


def verdicts(build: Any, clauses: Any = ("step.*",), **declared: Any) -> dict[str, Verdict]:
    subject = training_step(build, name="mine", models=Net, batches=batches, loss=nn.MSELoss(), **declared)
    outcome = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=6))
    return {v.clause: v for v in outcome.verdicts if v.about is About.SUBJECT}


FORMS: dict[str, Form] = {
    "a list": as_list,
    "a dict of optimizers": lambda step, found: (step, dict(zip(("body", "head"), found, strict=True))),
    "a dict": lambda step, found: {"step": step, "optimizer": found, "scheduler": None, "scaler": None},
    "an object": lambda step, found: SimpleNamespace(step=step, optimizer=tuple(found)),
    "a named tuple": Loop,
}


@pytest.mark.parametrize("form", FORMS)
def test_optimizers_that_step_after_one_look_are_held(form: str) -> None:
    found = verdicts(looping(FORMS[form]), ["step.simultaneous"])
    assert found["step.simultaneous"].status is Status.HELD


def test_all_of_a_step_with_two_optimizers_and_changing_rates_is_held() -> None:
    found = verdicts(looping(late=True))
    assert [v.clause for v in found.values() if v.status is Status.VIOLATED] == []
    for clause in ("step.simultaneous", "step.moves-all", "step.once", "step.complete"):
        assert found[clause].status is Status.HELD


def test_looking_again_after_the_first_has_moved_is_the_sweep() -> None:
    found = verdicts(looping(again=True), ["step.simultaneous"])["step.simultaneous"]
    assert (found.status, found.blame) == (Status.VIOLATED, ("head.weight", "head.bias"))


def test_a_step_that_calls_one_of_them_only_now_and_then_is_not_decided() -> None:
    found = verdicts(looping(every=2), ["step.simultaneous"])["step.simultaneous"]
    assert found.status is Status.VACUOUS
    assert found.reason.endswith(
        "1 optimizer of those that build returns is not called in a step that calls another one: they share one loss "
        "here, so that a step in which only some of them move is not decided"
    )


def test_the_rates_of_all_of_them_follow_a_schedule() -> None:
    found = verdicts(looping(late=True), ["clock.schedule"], schedule=lambda t: RATE * 0.5**t)
    assert found["clock.schedule"].status is Status.HELD


def one_twice(step: Any, optimizers: list[Any]) -> Any:
    optimizers[1].add_param_group({"params": optimizers[0].param_groups[0]["params"]})
    return step, optimizers


def with_lbfgs(step: Any, optimizers: list[Any]) -> Any:
    return step, [optimizers[0], torch.optim.LBFGS(optimizers[1].param_groups[0]["params"])]


EXPECTED = (
    "expected step(inputs, targets), (step, optimizer), or a dict or object with step and, as there are, optimizer, "
    "scheduler, scaler, average, save and load; several optimizers stand in a list or a dict"
)

ALONE = "return the step alone, and say with rule= what they do together"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (lambda step, o: {"optimizer": o}, f"mine returned a dict; {EXPECTED}"),
        (
            lambda step, o: {"step": step, "optimiser": o},
            f"mine returned a dict with 'optimiser'; did you mean 'optimizer'?; {EXPECTED}",
        ),
        (lambda step, o: (step, [3]), f"mine returned a tuple of function, list; {EXPECTED}"),
        (lambda step, o: (step, []), f"mine returned a tuple of function, list; {EXPECTED}"),
        (lambda step, o: (step, *o), f"mine returned a tuple of function, Adam, SGD; {EXPECTED}"),
        (lambda step, o: SimpleNamespace(optimizer=o), f"mine returned a SimpleNamespace; {EXPECTED}"),
        (one_twice, f"mine returned optimizers that hold one parameter twice; {ALONE}"),
        (with_lbfgs, f"mine returned several optimizers, one of which needs a closure; {ALONE}"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(form: Form, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        verdicts(looping(form), "step.once")
    assert str(refused.value) == said
