"""Watched scripts that do the right thing with the wrong object or too late: an old loss, an old optimizer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from gdprops.faults.fault import Fault
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd


class WritesThroughData(torch.optim.SGD):
    """SGD as it was written before ``no_grad``: torch does not notice that the weights change."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # returns no loss
        """Move through ``.data``."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.data.add_(parameter.grad, alpha=-group["lr"])


def steps_between_forward_and_backward() -> None:
    """Step on one loss, then go back for another one through weights that have moved since its forward pass."""
    model = plain()
    optimizer = WritesThroughData(model.parameters(), lr=0.1)
    for inputs, targets in batches():
        outputs = model(inputs)
        error, size = mse(outputs, targets), outputs.square().mean()
        optimizer.zero_grad()
        error.backward(retain_graph=True)
        optimizer.step()
        optimizer.zero_grad()
        size.backward()
        optimizer.step()


def adds_up_losses_that_were_differentiated() -> None:
    """Call backward on a running sum of losses: the first loss of a window counts as often as the window is long."""
    model = plain()
    optimizer = sgd(model, lr=0.01)
    total: Tensor | float = 0.0
    for index, (inputs, targets) in enumerate(batches()):
        total = total + mse(model(inputs), targets)
        total.backward(retain_graph=True)
        if index % 2:
            optimizer.step()
            optimizer.zero_grad()
            total = 0.0


def schedules_the_optimizer_before() -> None:
    """Replace the optimizer when the scheduler already has the old one."""
    model = plain()
    old = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(old, 2, 0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


def clips_another_model() -> None:
    """Clip the copy that is kept for averaging."""
    model = plain()
    optimizer, average = sgd(model), copy.deepcopy(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        clip_grad_norm_(average.parameters(), 0.01)
        optimizer.step()


def rate_is_always_zero() -> None:
    """Multiply the rate by an integer quotient that is 0 for the first hundred steps."""
    model = plain()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda index: index // 100)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


def shares_momentum() -> None:
    """Give two tensors of one shape the same momentum buffer, as a careless resume does."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))
    optimizer = sgd(model, momentum=0.9)
    for index, (inputs, targets) in enumerate(batches(outputs=3)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index == 0:
            first, second = (model[k].get_parameter("weight") for k in (0, 2))
            optimizer.state[second]["momentum_buffer"] = optimizer.state[first]["momentum_buffer"]


FAULTS = (
    Fault("script-shares-momentum", "Two tensors have one momentum buffer.", script=shares_momentum),
    Fault(
        "script-steps-between-forward-and-backward",
        "Steps through .data between a forward pass and its backward pass.",
        "rail-berkeley/rlkit#109",
        script=steps_between_forward_and_backward,
    ),
    Fault(
        "script-adds-up-losses-that-were-differentiated",
        "Calls backward on a running sum of losses.",
        script=adds_up_losses_that_were_differentiated,
    ),
    Fault(
        "script-schedules-the-optimizer-before",
        "A scheduler of an optimizer that was replaced.",
        script=schedules_the_optimizer_before,
    ),
    Fault("script-clips-another-model", "Clips a copy of the model.", script=clips_another_model),
    Fault("script-rate-is-always-zero", "A rate that stays 0.", script=rate_is_always_zero),
)
