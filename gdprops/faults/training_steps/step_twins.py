"""Correct training steps: what looks suspicious here is right, and must hold everywhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdprops.faults.training_steps.handed_over_faults import OWN, regression, with_a_frozen_body
from gdprops.faults.training_steps.late_read_faults import DECAY
from gdprops.faults.training_steps.named_steps import correct_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step, sgd

Built = Step | tuple[Step, torch.optim.Optimizer]


def textbook(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Zero, look, step."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> float:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step, optimizer


def with_adam(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The same with Adam, which remembers, and zeroes afterwards."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, optimizer


def by_hand(model: nn.Module, loss_fn: nn.Module) -> Built:
    """No optimizer: all gradients at once, then one assignment per parameter, through ``.data``."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        moving = [p for p in model.parameters() if p.requires_grad]
        grads = torch.autograd.grad(loss_fn(model(inputs), targets), moving, allow_unused=True)
        for p, g in zip(moving, grads, strict=True):
            p.data -= 0 if g is None else RATE * g

    return step


def one_optimizer_each(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Many ``step()`` calls: an optimizer for every parameter, after one look."""
    optimizers = [torch.optim.SGD([p], lr=RATE) for p in model.parameters()]

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for optimizer in optimizers[::-1]:
            optimizer.step()

    return step


def with_closure(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The optimizer is handed a closure that looks."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)

    def step(inputs: Tensor, targets: Tensor) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)

    return step, optimizer


def from_hooks(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Hooks take each gradient out of ``.grad`` during backward; the updates wait until all have arrived."""
    waiting: list[tuple[Tensor, Tensor]] = []

    def keep(p: Tensor) -> None:
        if p.grad is not None:
            waiting.append((p, p.grad))
            p.grad = None

    for p in model.parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(keep)  # type: ignore[no-untyped-call] # torch's own

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss_fn(model(inputs), targets).backward()
        while waiting:
            p, g = waiting.pop()
            p.data.sub_(RATE * g)

    return step


def scheduled(model: nn.Module, loss_fn: nn.Module) -> Built:
    """A scheduler moves the rate before the optimizer is called: what counts is the rate in force."""
    optimizer = sgd(model)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        warmup.step()
        optimizer.step()

    return step, optimizer


def recomputed(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The whole forward pass is recomputed during backward."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(checkpoint(model, inputs, use_reentrant=False), targets).backward()
        optimizer.step()

    return step, optimizer


def looks_twice(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Logs the loss before and after: forward passes without gradients are nobody's business."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> tuple[float, float]:
        with torch.no_grad():
            before = loss_fn(model(inputs), targets)
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        with torch.no_grad():
            return float(before), float(loss_fn(model(inputs), targets))

    return step, optimizer


def momentum_by_hand(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The returned optimizer says what the update is and is never called: the step keeps the momentum itself."""
    kept: dict[Tensor, Tensor] = {}

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            if p.grad is not None:
                kept[p] = p.grad.clone() if p not in kept else 0.5 * kept[p] + p.grad
                p.data -= RATE * kept[p]

    return step, torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)


def restarts(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Momentum is thrown away at every third step, as a warm restart does."""
    optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5), 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal taken
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        taken += 1
        if taken % 3 == 0:
            optimizer.state.clear()

    return step, optimizer


def trains_the_head(model: nn.Module, loss_fn: nn.Module) -> Built:
    """All but the last parameter are frozen, and the optimizer holds that one only."""
    *body, head = model.parameters()
    for p in body:
        p.requires_grad = False
    head.requires_grad_()
    optimizer = torch.optim.SGD([head], lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs), targets)
        if loss.requires_grad:  # not where the last parameter takes no part
            loss.backward()
            optimizer.step()

    return step, optimizer


def evaluates_and_returns(model: nn.Module, loss_fn: nn.Module) -> Built:
    """A metric in evaluation mode after every step, and back to the mode that the model was in."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> float:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        was = model.training
        model.eval()
        with torch.no_grad():
            metric = float(loss_fn(model(inputs), targets))
        model.train(was)
        return metric

    return step, optimizer


def always_evaluates(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Fine-tuning in evaluation mode from the first step on: dropout and batch norm are off on purpose."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        model.eval()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def sgd_with_decay(params: Any) -> torch.optim.Optimizer:
    """Return plain descent with decay: what a penalty on all parameters comes to."""
    return torch.optim.SGD(params, lr=RATE, weight_decay=DECAY)


def penalizes_by_hand(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The decay is a penalty in the loss: it reaches the parameters too that take no part in the network."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        penalty = sum((p**2).sum() for p in model.parameters() if p.requires_grad)
        (loss_fn(model(inputs), targets) + DECAY / 2 * penalty).backward()
        optimizer.step()

    return step


def keeps_the_body_frozen(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Fine-tuning: the body comes frozen, and only the head is handed to the optimizer."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def unfreezes_in_time(model: nn.Sequential, loss_fn: nn.Module) -> Built:
    """The body rests in the first three steps, and trains from then on."""
    optimizer, taken = torch.optim.SGD(model.parameters(), lr=RATE), 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal taken
        taken += 1
        model[0].requires_grad_(taken > 3)
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


TWINS = (
    correct_step(textbook),
    correct_step(with_adam),
    correct_step(by_hand, lr=RATE),
    correct_step(one_optimizer_each, lr=RATE),
    correct_step(with_closure),
    correct_step(from_hooks, lr=RATE),
    correct_step(scheduled),
    correct_step(recomputed),
    correct_step(looks_twice),
    correct_step(momentum_by_hand),
    correct_step(restarts),
    correct_step(trains_the_head),
    correct_step(evaluates_and_returns),
    correct_step(always_evaluates),
    correct_step(penalizes_by_hand, rule=sgd_with_decay),
    correct_step(keeps_the_body_frozen, models=with_a_frozen_body, batches=regression, loss=nn.MSELoss()),
    correct_step(unfreezes_in_time, frozen={"0.*": range(1, 4)}, trains="2.*", **OWN),
)
