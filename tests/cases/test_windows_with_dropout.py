"""Windows of several micro-batches in which a model draws random numbers, or moves its running statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step


def dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))


def batch_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def batches(index: int) -> tuple[Tensor, Tensor]:
    g, n = torch.Generator().manual_seed(index), 2 + index % 2
    return torch.randn(n, 3, generator=g), torch.randn(n, 2, generator=g)


def windows(weight: Callable[[int], float], *, clears: bool = True) -> Callable[[Any, Any], Any]:
    """Return a build whose windows are means of their micro-batches' means, each of a weight that its rows have."""

    def build(model: Any, loss_fn: Any) -> Any:
        optimizer, total = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), [0.0]

        def step(x: Tensor, y: Tensor, last: bool) -> None:
            (weight(len(x)) * loss_fn(model(x), y)).backward()
            total[0] += weight(len(x))
            if last:
                for p in model.parameters():
                    p.grad /= total[0]
                optimizer.step()
                total[0] = 0.0
                if clears:
                    optimizer.zero_grad()

        return step, optimizer

    return build


def verdict(clause: str, build: Any, models: Any, **declared: Any) -> Verdict:
    given: dict[str, Any] = {"accumulate": 2, "loss": nn.MSELoss()} | declared
    subject = training_step(build, models=models, name="mine", **{"batches": batches, **given})
    outcome = check_subject(subject, clauses=(clause,), settings=Settings(seed=0, examples=6))
    (found,) = (v for v in outcome.verdicts if v.about is About.SUBJECT)
    return found


@pytest.mark.parametrize("models", [dropout, batch_norm], ids=lambda models: models.__name__)
def test_each_micro_batch_is_computed_from_what_its_pass_has_met(models: Any) -> None:
    found = verdict("step.simultaneous", windows(float), models)
    assert found.status is Status.HELD, found.reason


def test_what_micro_batches_count_weighs_their_losses() -> None:
    found = verdict("step.simultaneous", windows(lambda rows: 1.0), dropout, counts=lambda x, y: 1)
    assert found.status is Status.HELD, found.reason


def test_the_mean_of_means_is_named() -> None:
    found = verdict("step.accumulation", windows(lambda rows: 1.0), dropout)
    assert found.status is Status.VIOLATED
    assert "the mean of the micro-batches' means" in found.reason


@pytest.mark.nightly
def test_a_short_window_that_is_lost_is_named() -> None:
    def build(model: Any, loss_fn: Any) -> Any:
        optimizer, calls = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), 0

        def step(x: Tensor, y: Tensor, last: bool) -> None:
            nonlocal calls
            calls += 1
            (loss_fn(model(x), y) / 2).backward()
            if calls % 2 == 0:
                optimizer.step()
                optimizer.zero_grad()

        return step, optimizer

    found = verdict("step.simultaneous", build, dropout, micro="equal", batches=lambda index: batches(2 * index))
    assert found.status is Status.VIOLATED
    assert str(found.explanation).startswith("a short window makes no update: what its micro-batches have added up is ")


def test_gradients_that_are_never_cleared_are_violated() -> None:
    assert verdict("step.simultaneous", windows(float, clears=False), dropout).status is Status.VIOLATED


def test_a_window_of_one_micro_batch_is_never_empty() -> None:
    """A step that asks which call is a window's last may stand where nothing is accumulated."""
    subject = training_step(windows(float), models=dropout, batches=batches, loss=nn.MSELoss(), name="mine")
    assert not subject.domain.tells_last
    assert training_step(
        windows(float), models=dropout, batches=batches, loss=nn.MSELoss(), accumulate=2, name="mine"
    ).domain.tells_last
