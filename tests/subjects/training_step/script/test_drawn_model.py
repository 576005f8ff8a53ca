"""The model of a counterexample, as plain torch code, is the model that the step was given."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import HealthCheck, given, settings

from gdprops.model.case import TrainCase
from gdprops.model.domain import Domain
from gdprops.model.network import Layer, Network
from gdprops.strategies.loop import Loop
from gdprops.strategies.training_loops import loops
from gdprops.subjects.training_step.network_modules import criterion, module_of
from gdprops.subjects.training_step.script.drawn_model import script_model

CASES = loops(Domain(), Loop(frozen=True))


def built(lines: list[str]) -> dict[str, Any]:
    """Return what the lines define."""
    names: dict[str, Any] = {"torch": torch}
    exec("\n".join(lines), names)
    return names


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(CASES)
def test_loss_gradients_and_order_are_the_same(case: TrainCase) -> None:
    ours, loss_fn = module_of(case.network, case.tensors), criterion(case.network.loss)
    found = built(script_model(case.network, case.tensors))
    theirs = found["model"]
    x, y = torch.from_numpy(case.batches[0].inputs), torch.from_numpy(case.batches[0].targets)
    first, second = loss_fn(ours(x), y), found["loss_fn"](theirs(x), y)
    assert torch.equal(first, second)
    for loss in (first, second):
        if loss.requires_grad:
            loss.backward()
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(torch.equal(p, q) and p.requires_grad == q.requires_grad and p.dtype == q.dtype for p, q in pairs)
    assert all((p.grad is None) == (q.grad is None) and _same(p.grad, q.grad) for p, q in pairs)


def _same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    return a is None or b is None or torch.equal(a, b)


def test_a_tied_recomputed_network_reads_like_torch() -> None:
    layer = Layer(0, None, "relu", residual=True)
    network = Network(((layer, layer),), ("W1", "s"), (True, True), "mse", scale=1, recomputed="re-entrant")
    import numpy as np

    line = "x + torch.relu(checkpoint(lambda h: torch.nn.functional.linear(h, self.W1), x, use_reentrant=True))"
    lines = script_model(network, (np.array([[1.0]]), np.array(2.0)))
    assert "\n".join(lines) == (
        "from torch.utils.checkpoint import checkpoint\n"
        "class Model(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.W1 = torch.nn.Parameter(torch.tensor([[1.0]], dtype=torch.float64))\n"
        "        self.s = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))\n"
        "    def forward(self, x):\n"
        "        x = x if x.requires_grad else x.detach().requires_grad_()\n"
        f"        x = {line}\n"
        "        x = x if x.requires_grad else x.detach().requires_grad_()\n"
        f"        x = {line}\n"
        "        return x * self.s\n"
        "model = Model()\n"
        "loss_fn = torch.nn.MSELoss()"
    )
    built(lines)
