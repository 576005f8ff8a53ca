"""Training steps with `trains=` and `frozen=`: parameters left out, trained although frozen, or trained too early.

Each wrong step stands beside a right one that looks like it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

RATE = 0.125
CLAUSE = "step.complete-as-declared"
Built = Any  # a step, or a step and its optimizer


class Net(nn.Module):
    """A body, a head, and a parameter that the loss does not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 2)
        self.spare = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x)))  # type: ignore[no-any-return]


def body_frozen() -> nn.Module:
    model = Net()
    model.body.requires_grad_(False)
    return model


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(6, 3, generator=generator), torch.randn(6, 2, generator=generator)


def subject(build: Callable[..., Any], models: Any = Net, **declared: Any) -> Any:
    return training_step(build, name="mine", models=models, batches=batches, loss=nn.MSELoss(), **declared)


def examined(build: Callable[..., Any], models: Any = Net, clauses: Any = CLAUSE, **declared: Any) -> Outcome:
    return check_subject(subject(build, models, **declared), clauses=clauses, settings=Settings(seed=0, examples=12))


def verdict(build: Callable[..., Any], models: Any = Net, **declared: Any) -> Verdict:
    (found,) = (v for v in examined(build, models, **declared).verdicts if v.clause == CLAUSE)
    return found


def ordinary(optimizer: torch.optim.Optimizer, model: nn.Module, loss_fn: Any) -> Built:
    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def sgd(model: nn.Module, loss_fn: Any) -> Built:
    return ordinary(torch.optim.SGD(model.parameters(), lr=RATE), model, loss_fn)


def head_alone(model: Any, loss_fn: Any) -> Built:
    return ordinary(torch.optim.SGD(model.head.parameters(), lr=RATE), model, loss_fn)


def freezes_in_build(model: Any, loss_fn: Any) -> Built:
    model.body.requires_grad_(False)
    return sgd(model, loss_fn)


def unfreezes_in_build(model: nn.Module, loss_fn: Any) -> Built:
    return sgd(model.requires_grad_(True), loss_fn)


def by_hand(model: nn.Module, loss_fn: Any) -> Built:
    def step(x: Tensor, y: Tensor) -> None:
        moving = [p for name, p in model.named_parameters() if name.startswith("head")]
        for p, g in zip(moving, torch.autograd.grad(loss_fn(model(x), y), moving), strict=True):
            p.data -= RATE * g

    return step


def switching(switch: Callable[[Any, int], None], momentum: float = 0.0) -> Callable[..., Built]:
    """Return a build whose step first switches parameters on and off, told its number from 1 on."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        step, optimizer = ordinary(torch.optim.SGD(model.parameters(), lr=RATE, momentum=momentum), model, loss_fn)
        taken = 0

        def switched(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            taken += 1
            switch(model, taken)
            step(x, y)

        return switched, optimizer

    return build


def body_from(first: int) -> Callable[[Any, int], None]:
    return lambda model, n: model.body.requires_grad_(n >= first)


def blocks_by_turns(model: Any, n: int) -> None:
    model.body.requires_grad_(n % 2 == 1)
    model.head.requires_grad_(n % 2 == 0)


def at_a_rate_of_zero(model: Any, loss_fn: Any) -> Built:
    """The body rests for three steps because its group's rate is zero."""
    groups = [{"params": model.body.parameters(), "lr": 0.0}, {"params": model.head.parameters()}]
    optimizer, taken = torch.optim.SGD(groups, lr=RATE), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        optimizer.param_groups[0]["lr"] = RATE if taken > 3 else 0.0
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()

    return step, optimizer


def gradients_dropped(model: Any, loss_fn: Any) -> Built:
    """The body rests for three steps because its gradients are thrown away."""
    optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        for p in model.body.parameters():
            p.grad = p.grad if taken > 3 else None
        optimizer.step()

    return step, optimizer


def gradients_zeroed(model: Any, loss_fn: Any) -> Built:
    """The gradients of the body are zeros from step 2 on, and its momentum moves it on."""
    optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        for p in model.body.parameters():
            p.grad.mul_(float(taken < 2))
        optimizer.step()

    return step, optimizer


def joining(*, clears: bool = True) -> Callable[..., Built]:
    """Return a build whose body joins the optimizer at step 4, as a group of its own."""

    def build(model: Any, loss_fn: Any) -> Built:
        model.body.requires_grad_(False)
        optimizer, taken = torch.optim.SGD(model.head.parameters(), lr=RATE, momentum=0.5), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            taken += 1
            if taken == 4:
                model.body.requires_grad_(True)
                optimizer.add_param_group({"params": list(model.body.parameters()), "lr": RATE / 4})
            if clears:
                optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

        return step, optimizer

    return build


FIRST_THREE = {"body.*": range(1, 4)}
TURNS = {"body.*": range(2, 100, 2), "head.*": range(1, 100, 2)}


@pytest.mark.parametrize(
    ("build", "models", "declared", "reason", "blame"),
    [
        (
            head_alone,
            Net,
            {"trains": ["body.*", "head.*"]},
            "body.weight, body.bias: declared to train (trains=), and in no group of the optimizer",
            ("body.weight", "body.bias"),
        ),
        (
            freezes_in_build,
            Net,
            {"trains": "*"},
            "body.weight, body.bias: declared to train (trains=), and frozen (requires_grad=False)",
            ("body.weight", "body.bias"),
        ),
        (
            by_hand,
            Net,
            {"trains": "body.bias", "lr": RATE},
            "body.bias: declared to train (trains=), and at rest at step 1",
            ("body.bias",),
        ),
        (sgd, Net, {"frozen": "body.weight"}, "declared frozen, and moved", ("body.weight",)),
        (unfreezes_in_build, body_frozen, {"trains": "head.*"}, "declared frozen, and moved", None),
        (switching(body_from(3)), Net, {"frozen": FIRST_THREE}, "declared frozen, and moved", None),
        (
            switching(body_from(100)),
            Net,
            {"frozen": FIRST_THREE},
            "body.weight, body.bias: declared to train (frozen=), and at rest at step 4",
            ("body.weight", "body.bias"),
        ),
        (gradients_zeroed, Net, {"frozen": {"body.*": range(2, 4)}}, "declared frozen, and moved", None),
    ],
)
def test_what_trains_otherwise_than_declared_is_violated(
    build: Any, models: Any, declared: dict[str, Any], reason: str, blame: tuple[str, ...] | None
) -> None:
    found = verdict(build, models, **declared)
    assert (found.status, found.level, found.reason) == (Status.VIOLATED, "required", reason)
    assert found.blame == (blame or ("body.weight", "body.bias"))
    assert found.explanation is None


def test_the_step_at_which_it_trains_too_early_is_told() -> None:
    assert verdict(switching(body_from(3)), frozen=FIRST_THREE).first_wrong_step == 3


@pytest.mark.parametrize(
    ("build", "models", "declared"),
    [
        (sgd, Net, {"trains": "*"}),  # the optimizer holds what the loss does not reach, too
        (head_alone, Net, {"trains": "head.*", "frozen": "body.*"}),
        (freezes_in_build, Net, {"trains": "head.*", "frozen": "body.*"}),
        (head_alone, body_frozen, {"trains": "head.*"}),
        (unfreezes_in_build, body_frozen, {"trains": "*"}),
        (by_hand, Net, {"trains": "head.*", "frozen": "body.*", "lr": RATE}),
        (switching(body_from(4)), Net, {"frozen": FIRST_THREE}),
        (switching(body_from(4), momentum=0.5), body_frozen, {"frozen": FIRST_THREE, "trains": "*"}),
        (switching(blocks_by_turns, momentum=0.5), Net, {"frozen": TURNS}),
        (at_a_rate_of_zero, Net, {"frozen": FIRST_THREE, "clip_norm": 0.5}),
        (gradients_dropped, Net, {"frozen": FIRST_THREE}),
        (joining(), Net, {"frozen": FIRST_THREE}),
    ],
)
def test_what_trains_as_declared_is_held(build: Any, models: Any, declared: dict[str, Any]) -> None:
    clauses = [CLAUSE, "step.simultaneous", "step.moves-all", "step.frozen-untouched", "step.stays-frozen"]
    found = {v.clause: v for v in examined(build, models, clauses, **declared).verdicts}
    assert found[CLAUSE].status is Status.HELD
    assert [v.clause for v in found.values() if v.status is Status.VIOLATED] == []


def test_a_wrong_update_of_a_group_that_joins_is_violated() -> None:
    (found,) = examined(joining(clears=False), clauses="step.simultaneous", frozen=FIRST_THREE).verdicts
    assert found.status is Status.VIOLATED


def test_without_a_declaration_nothing_is_asked() -> None:
    found = verdict(sgd)
    assert (found.status, found.reason) == (Status.NOT_APPLICABLE, "neither trains= nor frozen= is declared")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"trains": "haed.*"}, "trains='haed.*' matches the name of no parameter of the model; did you mean 'head.*'"),
        ({"frozen": 1}, "frozen=1; expected patterns of parameter names"),
        ({"trains": "*", "frozen": "body.*"}, "trains='*' and frozen='body.*' both name body.weight"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused_in_one_line(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        subject(sgd, **declared)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_drawn_networks_have_no_names_to_declare() -> None:
    with pytest.raises(UsageError) as refused:
        training_step(sgd, frozen="body.*")
    assert str(refused.value) == (
        "frozen= without models=; the networks that gdprops draws have parameters of other names"
    )
