"""Wrong updates during backward, and updates that count themselves wrongly."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdprops.faults.training_steps.named_steps import faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step, sgd
from gdprops.faults.training_steps.window_faults import step_in_hooks


def recomputed(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the model's outputs with every module a re-entrant checkpointed segment of its own."""
    h = inputs if not inputs.is_floating_point() else inputs.clone().requires_grad_()
    for module in model.children():
        h = checkpoint(module, h, use_reentrant=True)
    return h


def hooks_fire_per_use(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Optimizers in hooks, on re-entrant checkpoints: a shared weight is stepped once per use."""
    step_in_hooks(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss_fn(recomputed(model, inputs), targets).backward()

    return step


def hooks_share_the_last_part(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Every hook captures the loop's variable, and steps what it names last."""
    for p in (p for p in model.parameters() if p.requires_grad):
        optimizer = torch.optim.SGD([p], lr=RATE)

        def hook(_: Tensor) -> None:
            optimizer.step()  # noqa: B023 # the fault
            optimizer.zero_grad()  # noqa: B023 # the fault

        p.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call] # torch's own
    return lambda inputs, targets: loss_fn(model(inputs), targets).backward()


def steps_when_its_counter_is_full(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """A counter that every layer advances fires the update in the middle of the backward sweep."""
    optimizer, moving, seen = sgd(model), [p for p in model.parameters() if p.requires_grad], list[int]()

    def hook(_: Tensor) -> None:
        seen.append(1)
        if len(seen) == (len(moving) + 1) // 2:
            optimizer.step()

    for p in moving:
        p.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call] # torch's own

    def step(inputs: Tensor, targets: Tensor) -> None:
        seen.clear()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def listed_twice(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Every parameter stands in the optimizer twice."""
    optimizer = torch.optim.SGD([*model.parameters(), *model.parameters()], lr=RATE, foreach=False)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step


def ticks_once_per_tensor(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """Every tensor's clock advances by the number of tensors."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        for state in optimizer.state.values():
            state["step"] += len(optimizer.state) - 1

    return step, optimizer


FAULTS = (
    faulty_step(
        hooks_fire_per_use,
        "Optimizers in hooks, on re-entrant checkpoints: a shared weight is stepped once per use.",
        source="pytorch/pytorch#81296",
        lr=RATE,
    ),
    faulty_step(
        hooks_share_the_last_part,
        "Every hook captures the loop's variable, and steps what it names last.",
        source="pytorch/torchtitan#777",
        lr=RATE,
    ),
    faulty_step(
        steps_when_its_counter_is_full,
        "A counter that every layer advances fires the update in the middle of the backward sweep.",
        source="Netflix/vectorflow#13",
    ),
    faulty_step(
        listed_twice,
        "Every parameter stands in the optimizer twice.",
        source="pytorch/pytorch#40967",
        lr=RATE,
    ),
    faulty_step(
        ticks_once_per_tensor,
        "Every tensor's clock advances by the number of tensors.",
        source="deepspeedai/DeepSpeed#8471, DiffSharp/DiffSharp#292",
    ),
)
