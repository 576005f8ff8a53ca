"""Correct training steps of windows, clipping, hooks, closures and scalers: suspicious, and right."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdprops.faults.training_steps.hook_faults import recomputed
from gdprops.faults.training_steps.named_steps import correct_step
from gdprops.faults.training_steps.step_twins import Built
from gdprops.faults.training_steps.usual_loop_faults import RATE, sgd
from gdprops.faults.training_steps.window_faults import CLIP, WINDOW, parts_of, step_in_hooks


def splits_its_batches(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Ragged micro-batches, each weighted by its rows."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        for x, y in parts_of(inputs, targets):
            (loss_fn(model(x), y) * len(x) / len(inputs)).backward()
        optimizer.step()

    return step, optimizer


def window_by_window(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Called per micro-batch; normalized once over the window, which may end early."""
    optimizer, rows = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5), 0

    def step(inputs: Tensor, targets: Tensor, last: bool = False) -> None:
        nonlocal rows
        (loss_fn(model(inputs), targets) * len(inputs)).backward()
        rows += len(inputs)
        if last:
            for p in model.parameters():
                p.grad = None if p.grad is None else p.grad / rows
            optimizer.step()
            optimizer.zero_grad()
            rows = 0

    return step, optimizer


def counts_its_window(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Called per micro-batch; counts by itself when a window is full, and clips once."""
    optimizer, sizes = torch.optim.Adam(model.parameters(), lr=RATE), list[int]()

    def step(inputs: Tensor, targets: Tensor) -> None:
        (loss_fn(model(inputs), targets) * len(inputs)).backward()
        sizes.append(len(inputs))
        if len(sizes) == WINDOW:
            for p in model.parameters():
                p.grad = None if p.grad is None else p.grad / sum(sizes)
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            optimizer.zero_grad()
            sizes.clear()

    return step, optimizer


def clips_its_norm(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The global norm, before the optimizer is called."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()

    return step, optimizer


def clips_without_a_guard(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The same by hand: C / N instead of C / (N + 1e-6)."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        moving = [p for p in model.parameters() if p.requires_grad]
        found = torch.autograd.grad(loss_fn(model(inputs), targets), moving, allow_unused=True)
        norm = float(torch.cat([g.flatten() for g in found if g is not None]).norm())
        for p, g in zip(moving, found, strict=True):
            p.data -= 0 if g is None else RATE * g * CLIP / max(norm, CLIP)

    return step


def clips_every_entry(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Entry by entry, to a value."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        nn.utils.clip_grad_value_(model.parameters(), CLIP)
        optimizer.step()

    return step, optimizer


def steps_in_hooks(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Every parameter moves as soon as its gradient has arrived."""
    step_in_hooks(model)
    return lambda inputs, targets: loss_fn(model(inputs), targets).backward()


def steps_from_its_inputs(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Moves from a hook at the very end of backward, on re-entrant checkpoints: each shared weight once."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        if inputs.is_floating_point():
            inputs = inputs.clone().requires_grad_()
            inputs.register_hook(lambda _: optimizer.step())  # type: ignore[no-untyped-call] # torch's own
            loss_fn(recomputed(model, inputs * 1), targets).backward()
        else:
            loss_fn(model(inputs), targets).backward()
            optimizer.step()

    return step, optimizer


class Resting(torch.optim.SGD):
    """An optimizer that holds the rate; hooks do its work."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # nothing to return
        """Do nothing."""


def rests_while_hooks_step(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The optimizer's ``step()`` does nothing: hooks have moved everything."""
    optimizer = Resting(model.parameters(), lr=RATE)
    step_in_hooks(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def with_lbfgs(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The optimizer looks several times, at weights of its own choice."""
    optimizer = torch.optim.LBFGS(model.parameters(), lr=RATE, max_iter=3)

    def step(inputs: Tensor, targets: Tensor) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call] # torch's own

    return step, optimizer


def scales_its_loss(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The loss is scaled; where gradients overflow the step is skipped and the scale is lowered."""
    optimizer, scale = sgd(model), 2.0**1021

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal scale
        (loss_fn(model(inputs), targets) * scale).backward()
        found = [p.grad for p in model.parameters() if p.grad is not None]
        if all(bool(g.isfinite().all()) for g in found):
            for g in found:
                g.div_(scale)
            optimizer.step()
        else:
            scale *= 2.0**-60
        optimizer.zero_grad()

    return step, optimizer


def with_a_scaler(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Torch's own gradient scaler."""
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu")

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        scaler.scale(loss_fn(model(inputs), targets)).backward()
        scaler.step(optimizer)
        scaler.update()

    return step, optimizer


def recomputed_re_entrantly(model: nn.Module, loss_fn: nn.Module) -> Built:
    """The whole forward pass is recomputed during backward, in a backward pass of its own."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        floating = inputs.is_floating_point()
        start = inputs.clone().requires_grad_() if floating else inputs
        loss_fn(checkpoint(model, start, use_reentrant=floating), targets).backward()
        optimizer.step()

    return step, optimizer


def in_single_precision(model: nn.Module, loss_fn: nn.Module) -> Built:
    """Made for float32: casts what it is given."""
    optimizer = sgd(model.float())

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        x, y = (t.float() if t.is_floating_point() else t for t in (inputs, targets))
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


TWINS = (
    correct_step(splits_its_batches),
    correct_step(window_by_window, accumulate=WINDOW),
    correct_step(counts_its_window, accumulate=WINDOW, clip_norm=CLIP),
    correct_step(clips_its_norm, clip_norm=CLIP),
    correct_step(clips_without_a_guard, clip_norm=CLIP, lr=RATE),
    correct_step(clips_every_entry, clip_value=CLIP),
    correct_step(steps_in_hooks, lr=RATE),
    correct_step(steps_from_its_inputs),
    correct_step(rests_while_hooks_step, lr=RATE),
    correct_step(with_lbfgs),
    correct_step(scales_its_loss),
    correct_step(with_a_scaler),
    correct_step(recomputed_re_entrantly),
    correct_step(in_single_precision),
)
