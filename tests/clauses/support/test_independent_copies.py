"""Rules of whole tensors may take several of one shape at once: that rounds otherwise, and is no coupling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer


class Normalizes(torch.optim.Optimizer):
    """Moves every tensor by its gradient over the gradient's length; tensors of one shape in one batch."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for batch in self._batches(group["params"]):
                for p, length in zip(batch, self.lengths(batch), strict=True):
                    if length > 0:
                        p.sub_(p.grad / length, alpha=group["lr"])
        return loss

    def _batches(self, parameters: list[Tensor]) -> Iterator[list[Tensor]]:
        held = [p for p in parameters if p.grad is not None]
        for shape in dict.fromkeys(p.shape for p in held):
            yield [p for p in held if p.shape == shape]

    def lengths(self, batch: list[Tensor]) -> Any:
        """Add up the squares the other way round where there are several, as a kernel for batches may."""
        squares = torch.stack([p.grad.flatten().square() for p in batch])  # type: ignore[union-attr] # chosen so
        ordered = squares.flip(1) if len(batch) > 1 else squares
        return ordered.cumsum(1)[:, -1:].sum(1).sqrt()


class Leaks(Normalizes):
    """A millionth of the whole batch's length gets into each."""

    def lengths(self, batch: list[Tensor]) -> Any:
        own = super().lengths(batch)
        return own + 1e-6 * (own.sum() - own)


def simultaneous(kind: type[torch.optim.Optimizer]) -> Verdict:
    subject = optimizer(kind, traits={"separability": "tensor"}, lr=0.1)
    (verdict,) = check_subject(subject, clauses="step.simultaneous", settings=Settings(seed=0, examples=60)).verdicts
    return verdict


def test_a_batch_that_rounds_otherwise_is_no_coupling() -> None:
    verdict = simultaneous(Normalizes)
    assert verdict.status is Status.HELD, verdict.location
    assert verdict.worst_ratio is not None
    assert 0 < verdict.worst_ratio < 1


def test_a_coupling_by_a_millionth_is_one() -> None:
    assert simultaneous(Leaks).status is Status.VIOLATED


class NeedsSecondMoments(Normalizes):
    """Moves far, and raises where a sum of squares overflows, as torch.linalg.eigh does on its matrix."""

    def lengths(self, batch: list[Tensor]) -> Any:
        if not all(p.grad.square().sum().isfinite() for p in batch):  # type: ignore[union-attr] # chosen so
            raise FloatingPointError("the statistics overflow")
        return torch.full((len(batch),), 2.0**-10)


def test_a_training_that_diverged_to_squares_beyond_its_dtype_accuses_nobody() -> None:
    verdict = simultaneous(NeedsSecondMoments)
    assert verdict.status is Status.HELD, verdict.reason
