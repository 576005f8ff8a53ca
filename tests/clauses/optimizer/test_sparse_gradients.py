"""Sparse gradients: what follows them, what refuses them, and what leaves them out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gdprops
from gdprops.faults.optimizers.correct_optimizers import Adam, PlainDescent
from gdprops.model.verdict import Status, Verdict


def judged(factory: Any, **hyperparameters: Any) -> Verdict:
    subject = gdprops.optimizer(factory, **hyperparameters)
    return gdprops.check(subject, clauses="optimizer.sparse", examples=5, seed=0)["optimizer.sparse"]


class MovesListedRowsOnly(PlainDescent):
    """Momentum of the rows that a sparse gradient lists; the others stay, as in SparseAdam."""

    def move(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        velocity = self.memory(p).setdefault("velocity", torch.zeros_like(p))
        if not g.is_sparse:
            velocity.mul_(0.5).add_(g)
            p.sub_(group["lr"] * velocity)
            return
        g = g.coalesce()
        rows = g.indices()[0]
        velocity[rows] = 0.5 * velocity[rows] + g.values()
        p[rows] -= group["lr"] * velocity[rows]


class DropsWhatIsListedTwice(PlainDescent):
    """Writes the rows of a sparse gradient one over the other where they should be added up."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        dense = torch.zeros_like(p)
        if g.is_sparse:
            dense[g._indices()[0]] = g._values()
        return dense if g.is_sparse else g


class Refuses(PlainDescent):
    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        if g.is_sparse:
            raise RuntimeError("sparse gradients are not supported")
        return g


@pytest.mark.parametrize("factory", [torch.optim.SGD, MovesListedRowsOnly, Adam])
def test_right_code_is_not_accused(factory: Any) -> None:
    assert judged(factory, lr=0.1).status is Status.HELD


def test_rows_that_are_listed_twice_are_added_up() -> None:
    verdict = judged(DropsWhatIsListedTwice, lr=0.1)
    assert verdict.status is Status.VIOLATED
    assert verdict.reason == "sparse gradients that list every row, against dense ones"


def test_an_optimizer_that_refuses_them_is_not_asked() -> None:
    verdict = judged(Refuses, lr=0.1)
    assert (verdict.status, verdict.reason) == (Status.NOT_APPLICABLE, "does not support sparse gradients")
