"""A loop of two steps that ends early where its loss, chosen by the second batch, counts as diverging."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import gdprops
from gdprops.clauses.support.watched_step import watch
from gdprops.model.case import Plan, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.numerics.decisions import DOUBLE


def steps_taken(x: float, y: float) -> int:
    """Return how many steps are watched where w = 1 is halved by (1, 0) and then meets (x, y); J = ½ (w x - y)²."""
    network = Network(((Layer(0, None, "identity"),),), ("W1",), (True,), "half-sse")
    batches = tuple(Batch(np.array([[a]]), np.array([[b]])) for a, b in ((1.0, 0.0), (x, y)))
    case = TrainCase(network, (np.array([[1.0]]),), batches, Plan(()), DOUBLE)
    return len(watch(gdprops.training_step(_plain_descent, lr=0.5, name="plain"), case))


def _plain_descent(model: nn.Module, loss_fn: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(0.5 * p.grad)  # type: ignore[operator] # backward has filled it

    return step
