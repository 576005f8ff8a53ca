"""Training steps that do not go on as they were when they are saved and loaded, and right ones beside them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR

from gdprops.faults.training_steps.named_steps import correct_step, faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE


class Loop:
    """A loop with momentum whose rate shrinks with a count of its own."""

    def __init__(self, model: nn.Module, loss_fn: nn.Module) -> None:
        self.model, self.loss_fn, self.taken = model, loss_fn, 0
        self.optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """Train once."""
        self.optimizer.param_groups[0]["lr"] = RATE * 0.75**self.taken
        self.optimizer.zero_grad()
        self.loss_fn(self.model(inputs), targets).backward()
        self.optimizer.step()
        self.taken += 1


class Kept(Loop):
    """The loop, with everything that it keeps."""

    def save(self) -> dict[str, Any]:
        """Return the state of all parts."""
        parts = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        return {**parts, "taken": self.taken}

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from there."""
        self.model.load_state_dict(saved["model"])
        if "optimizer" in saved:
            self.optimizer.load_state_dict(saved["optimizer"])
        self.taken = saved.get("taken", 0)


def saves_no_optimizer(model: nn.Module, loss_fn: nn.Module) -> Any:
    """Momentum begins anew."""
    loop: Any = Kept(model, loss_fn)
    loop.save = lambda: {"model": model.state_dict(), "taken": loop.taken}
    return loop


def saves_no_count(model: nn.Module, loss_fn: nn.Module) -> Any:
    """The count on which the rate depends begins anew."""
    loop: Any = Kept(model, loss_fn)
    loop.save = lambda: {"model": model.state_dict(), "optimizer": loop.optimizer.state_dict()}
    return loop


def saves_everything(model: nn.Module, loss_fn: nn.Module) -> Any:
    """Model, optimizer and count."""
    return Kept(model, loss_fn)


def counts_outside_its_states(model: nn.Module, loss_fn: nn.Module) -> Any:
    """The count is in no state_dict."""
    loop = Loop(model, loss_fn)
    parts = {"step": loop.step, "optimizer": loop.optimizer}
    return parts


def keeps_all_in_its_states(model: nn.Module, loss_fn: nn.Module) -> dict[str, Any]:
    """A scheduler counts, and has a state."""
    loop = Loop(model, loss_fn)
    scheduler = StepLR(loop.optimizer, 1, 0.75)

    def step(inputs: Tensor, targets: Tensor) -> None:
        loop.optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        loop.optimizer.step()
        scheduler.step()

    return {"step": step, "optimizer": loop.optimizer, "scheduler": scheduler}


FAULTS = (
    faulty_step(saves_no_optimizer, "The optimizer's state is not saved.", source="KempnerInstitute/KempnerForge#114"),
    faulty_step(saves_no_count, "A count on which the rate depends is not saved.", source="pytorch/pytorch#35047"),
    faulty_step(counts_outside_its_states, "A count on which the rate depends is in no state_dict."),
)
TWINS = (correct_step(saves_everything), correct_step(keeps_all_in_its_states))
