"""The demo's network in torch: one backward(), one torch.optim.SGD.step()."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch

from gdprops.demo.question_network import batch
from gdprops.model.arrays import Array


@final
class InTorch:
    """torch with autograd and torch.optim.SGD."""

    name = "torch"

    def evaluate(self, weights: Sequence[Array]) -> tuple[float, list[Array]]:
        """Return the loss and every gradient after one forward and one backward pass."""
        parameters, loss = _backward(weights)
        return loss, [_gradient(p) for p in parameters]

    def rate_in_force(self, rate: float) -> float:
        """Return the learning rate unchanged: torch keeps it in float64."""
        return rate

    def step(self, weights: Sequence[Array], rate: float) -> list[Array]:
        """Return the weights after loss.backward() and optimizer.step()."""
        parameters, _ = _backward(weights)
        torch.optim.SGD(parameters, lr=rate).step()
        return [p.detach().numpy().copy() for p in parameters]


def _backward(weights: Sequence[Array]) -> tuple[list[torch.nn.Parameter], float]:
    parameters = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in weights]
    w1, b1, w2, b2 = parameters
    inputs, labels = map(torch.from_numpy, batch())
    logits = torch.relu(inputs @ w1 + b1) @ w2 + b2
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    loss.backward()  # type: ignore[no-untyped-call] # torch's
    return parameters, float(loss.detach())


def _gradient(parameter: torch.nn.Parameter) -> Array:
    gradient = parameter.grad
    assert gradient is not None, "backward() left a trainable tensor without a gradient"
    return gradient.numpy().copy()
