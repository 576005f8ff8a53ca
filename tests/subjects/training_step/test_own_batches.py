"""Steps that draw their batches themselves: judged by what their model is given where that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

TOLD = "the step draws its batches itself"
Loss = Callable[..., Any]


def models() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))


def batches(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=g, dtype=torch.float64), torch.randn(4, 2, generator=g, dtype=torch.float64)


def loader() -> Iterator[tuple[Tensor, Tensor]]:
    yield from map(batches, range(1000, 2000))


def squared(model: Any, x: Tensor, y: Tensor) -> Any:
    return functional.mse_loss(model(x), y)


def moves(model: Any, optimizer: Any, loss: Tensor, *, clears: bool = True, share: float = 1.0) -> None:
    if clears:
        optimizer.zero_grad()
    (share * loss).backward()  # type: ignore[no-untyped-call] # torch's own
    optimizer.step()


def draws(**how: Any) -> Callable[[Any, Loss], Any]:
    """Return a build whose step takes every batch from a loader of its own."""

    def build(model: Any, loss_fn: Loss) -> Any:
        own, optimizer = loader(), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Tensor, y: Tensor) -> None:
            xb, yb = next(own)
            moves(model, optimizer, loss_fn(model(xb), yb), **how)

        return step, optimizer

    return build


def inlined(model: Any, loss_fn: Loss) -> Any:
    own, optimizer = loader(), torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        moves(model, optimizer, squared(model, *next(own)))

    return step, optimizer


def by_objective(model: Any, objective: Loss) -> Any:
    own, optimizer = loader(), torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        moves(model, optimizer, objective(model, *next(own)))

    return step, optimizer


def of_noise(model: Any, loss_fn: Loss) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        moves(model, optimizer, loss_fn(model(torch.ones(4, 3, dtype=x.dtype)), y))

    return step, optimizer


def in_numpy(model: Any, loss_fn: Loss) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        shuffled = torch.from_numpy(x.numpy()[[1, 0, 3, 2]].copy())
        moves(model, optimizer, loss_fn(model(shuffled), y))

    return step, optimizer


def the_first_for_ever(model: Any, loss_fn: Loss) -> Any:
    optimizer, first = torch.optim.SGD(model.parameters(), lr=0.1), list[Any]()

    def step(x: Tensor, y: Tensor) -> None:
        if not first:
            first.extend((x.clone(), y.clone()))
        moves(model, optimizer, loss_fn(model(first[0]), first[1]))

    return step, optimizer


def augmented(model: Any, loss_fn: Loss) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        model(torch.zeros(1, 3, dtype=x.dtype))  # a pass that nobody differentiates
        moves(model, optimizer, loss_fn(model(torch.stack(list(x)).reshape(4, 3)), y))

    return step, optimizer


def verdict(build: Any, **declared: Any) -> Verdict:
    given = {"loss": nn.MSELoss()} | declared
    subject = training_step(build, models=models, batches=batches, name="mine", **given)
    outcome = check_subject(subject, clauses=("step.simultaneous",), settings=Settings(seed=0, examples=4))
    (found,) = (v for v in outcome.verdicts if v.about is About.SUBJECT)
    return found


@pytest.mark.parametrize(
    ("build", "declared"),
    [(draws(), {}), (by_objective, {"loss": None, "objective": squared})],
    ids=["loss", "objective"],
)
def test_it_is_judged_by_the_batch_that_it_hands_to_the_loss(build: Any, declared: Any) -> None:
    found = verdict(build, **declared)
    assert found.status is Status.HELD, found.reason
    assert any(note.text.startswith(TOLD) for note in found.notes)


@pytest.mark.parametrize(
    ("how", "instead"), [({"clears": False}, "no zero_grad"), ({"share": 0.5}, "the gradient is halved")], ids=str
)
def test_what_is_wrong_by_its_own_batches_is_violated(how: Any, instead: str) -> None:
    found = verdict(draws(**how))
    assert found.status is Status.VIOLATED
    assert instead in str(found.explanation)
    assert found.counterexample is not None
    assert not found.counterexample.python  # a script would hand it another batch


def test_a_batch_that_nobody_knows_is_not_decided() -> None:
    found = verdict(inlined)
    assert found.status is Status.VACUOUS
    assert "let it train on its arguments, or compute its loss with the loss that build is given" in found.reason


@pytest.mark.parametrize("build", [of_noise, in_numpy, the_first_for_ever], ids=lambda build: build.__name__)
def test_other_inputs_with_the_handed_targets_are_violated(build: Any) -> None:
    assert verdict(build).status is Status.VIOLATED


def test_what_is_made_of_the_handed_batch_is_that_batch() -> None:
    found = verdict(augmented)
    assert found.status is Status.HELD
    assert not any(note.text.startswith(TOLD) for note in found.notes)
