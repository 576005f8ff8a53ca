"""Steps that accelerate and Lightning Fabric wrap; ranks import them only where these libraries are installed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def by_accelerate(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    wrapped, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.125))

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        accelerator.backward(loss_fn(wrapped(inputs), targets))
        optimizer.step()

    return step, optimizer


def accumulated_by_accelerate(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    wrapped, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.125))

    def step(inputs: Tensor, targets: Tensor) -> None:
        with accelerator.accumulate(wrapped):
            accelerator.backward(loss_fn(wrapped(inputs), targets))
            optimizer.step()
            optimizer.zero_grad()

    return step, optimizer


def by_fabric(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    from lightning.fabric import Fabric
    from lightning.fabric.strategies import DDPStrategy

    strategy = DDPStrategy(start_method="popen", process_group_backend="gloo")
    fabric = Fabric(accelerator="cpu", devices=world, strategy=strategy) if world > 1 else Fabric(accelerator="cpu")
    fabric.launch()
    wrapped, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.125))

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        fabric.backward(loss_fn(wrapped(inputs), targets))
        optimizer.step()

    return step, optimizer
