"""Training steps with several optimizers of one loss: one that looks again between them, and right ones beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.named_steps import correct_step, faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step

Optimizers = dict[str, torch.optim.Optimizer]


def one_each(model: nn.Module) -> Optimizers:
    """Return an optimizer for matrices and one for all other parameters, as there are: Adam and momentum."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    found: Optimizers = {"matrices": torch.optim.Adam(matrices, lr=RATE)} if matrices else {}
    return found | ({"others": torch.optim.SGD(others, lr=RATE, momentum=0.5)} if others else {})


def looks_again_between_optimizers(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, Optimizers]:
    """Each optimizer has a look of its own: the second one looks where the first has moved."""
    optimizers = one_each(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        for optimizer in optimizers.values():
            model.zero_grad()
            loss_fn(model(inputs), targets).backward()
            optimizer.step()

    return step, optimizers


def steps_optimizers_after_one_look(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """All optimizers step by the gradients of one look, in any order."""
    optimizers = one_each(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for optimizer in reversed(list(optimizers.values())):
            optimizer.step()

    return {"step": step, "optimizer": optimizers}


def is_an_object(model: nn.Module, loss_fn: nn.Module) -> SimpleNamespace:
    """The parts of the loop are attributes of one object."""
    made = steps_optimizers_after_one_look(model, loss_fn)
    return SimpleNamespace(step=made["step"], optimizer=list(made["optimizer"].values()), scheduler=None, scaler=None)


FAULTS = (
    faulty_step(
        looks_again_between_optimizers,
        "The second optimizer looks where the first one has moved.",
        source="keras-team/keras#10769",
    ),
)
TWINS = (correct_step(steps_optimizers_after_one_look), correct_step(is_an_object))
