"""Wrong accumulation and wrong clipping: the gradient of something else than the whole window, or another length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.named_steps import faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step, sgd

CLIP = 0.5
WINDOW = 3


def parts_of(inputs: Tensor, targets: Tensor, rows: int = 2) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield micro-batches of so many rows; the last one may be shorter."""
    yield from zip(torch.split(inputs, rows), torch.split(targets, rows), strict=True)


def means_of_micro_batches(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Every micro-batch's mean counts alike, whatever its rows."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        parts = list(parts_of(inputs, targets))
        for x, y in parts:
            (loss_fn(model(x), y) / len(parts)).backward()
        optimizer.step()

    return step, optimizer


def steps_on_the_sum(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The micro-batches' gradients are added and never divided."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        for x, y in parts_of(inputs, targets):
            loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def steps_on_every_micro_batch(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The optimizer steps inside the loop over the micro-batches."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        for x, y in parts_of(inputs, targets):
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

    return step, optimizer


def divides_by_the_full_count(model: nn.Module, loss_fn: nn.Module) -> tuple[Any, torch.optim.Optimizer]:
    """Called per micro-batch; a short last window is divided by the count of a full one."""
    optimizer, seen = sgd(model), list[int]()

    def step(inputs: Tensor, targets: Tensor, last: bool = False) -> None:
        (loss_fn(model(inputs), targets) * len(inputs)).backward()
        seen.append(len(inputs))
        if last:
            for p in model.parameters():
                p.grad = None if p.grad is None else p.grad / sum(seen) * len(seen) / WINDOW
            optimizer.step()
            optimizer.zero_grad()
            seen.clear()

    return step, optimizer


def hooks_step_on_every_micro_batch(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Optimizers in hooks step in the backward pass of every micro-batch."""
    step_in_hooks(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        parts = list(parts_of(inputs, targets))
        for x, y in parts:
            (loss_fn(model(x), y) / len(parts)).backward()

    return step


def step_in_hooks(model: nn.Module) -> None:
    """Let every parameter be stepped by an optimizer of its own as soon as its gradient has arrived."""
    optimizers = {p: torch.optim.SGD([p], lr=RATE) for p in model.parameters() if p.requires_grad}

    def hook(p: Tensor) -> None:
        optimizers[p].step()  # type: ignore[index] # the hook is handed the parameter itself
        optimizers[p].zero_grad()  # type: ignore[index] # likewise

    for p in optimizers:
        p.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call] # torch's own


def clips_each_tensor(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Every tensor is clipped to the norm by itself."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            nn.utils.clip_grad_norm_([p], CLIP)
        optimizer.step()

    return step, optimizer


def hooks_step_before_clipping(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Optimizers in hooks have stepped before anything is clipped."""
    step_in_hooks(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss_fn(model(inputs), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)

    return step


def clips_every_micro_batch(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The accumulated gradient is clipped after every micro-batch."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        for x, y in parts_of(inputs, targets, rows=1):
            (loss_fn(model(x), y) * len(x) / len(inputs)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()

    return step, optimizer


def clips_after_the_step(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The optimizer has stepped before the gradients are clipped."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)

    return step, optimizer


FAULTS = (
    faulty_step(
        means_of_micro_batches,
        "Every micro-batch's mean counts alike, whatever its rows.",
        source="huggingface/transformers#34191, unslothai/unsloth#1146",
    ),
    faulty_step(
        steps_on_the_sum,
        "The micro-batches' gradients are added and never divided.",
        source="paiml/aprender#2123",
    ),
    faulty_step(
        steps_on_every_micro_batch,
        "The optimizer steps inside the loop over the micro-batches.",
    ),
    faulty_step(
        divides_by_the_full_count,
        "A short last window is divided by the count of a full one.",
        source="modelscope/ms-swift#10084",
        accumulate=WINDOW,
    ),
    faulty_step(
        hooks_step_on_every_micro_batch,
        "Optimizers in hooks step in the backward pass of every micro-batch.",
        source="jiaweizzhao/GaLore#78, VITA-Group/Q-GaLore#13",
        lr=RATE,
    ),
    faulty_step(
        clips_each_tensor,
        "Every tensor is clipped to the norm by itself.",
        source="huggingface/transformers#581",
        clip_norm=CLIP,
    ),
    faulty_step(
        hooks_step_before_clipping,
        "Optimizers in hooks have stepped before anything is clipped.",
        source="pytorch/torchtitan#990, meta-pytorch/torchtune#1934",
        clip_norm=CLIP,
        lr=RATE,
    ),
    faulty_step(
        clips_every_micro_batch,
        "The accumulated gradient is clipped after every micro-batch.",
        source="huggingface/transformers#1563, facebookresearch/lingua#59",
        clip_norm=CLIP,
    ),
    faulty_step(
        clips_after_the_step,
        "The optimizer has stepped before the gradients are clipped.",
        clip_norm=CLIP,
    ),
)
