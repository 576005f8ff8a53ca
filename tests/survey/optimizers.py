"""A small package of optimizers, as a survey finds them: right, wrong, hanging, dying, greedy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Right(torch.optim.Optimizer):
    """Plain gradient descent."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        if lr < 0:
            raise ValueError(f"lr={lr!r}; expected a number that is not negative")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override] # torch's types are overloads
        """Move by minus the rate times the gradient."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        self.begin()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-group["lr"])
        return loss

    def begin(self) -> None:
        """Do what a faulty optimizer does before it steps."""


class Wrong(Right):
    """Its first tensor moves the others."""

    def begin(self) -> None:
        """Add a trifle of the first tensor to the others."""
        first, *others = self.param_groups[0]["params"]
        for p in others:
            p.add_(first.sum() * 0.25)


class Hangs(Right):
    """Never comes back."""

    def begin(self) -> None:
        """Wait."""
        time.sleep(3600)


class Dies(Right):
    """Takes its process with it."""

    def begin(self) -> None:
        """End the process as a crash of native code does."""
        os.abort()


class Gathers(Right):
    """Is one of several processes."""

    def begin(self) -> None:
        """Wait for the others."""
        torch.distributed.barrier()


class Greedy(Right):
    """Wants all memory."""

    def begin(self) -> None:
        """Ask for a terabyte."""
        torch.ones(2**37, dtype=torch.float64)


class Needs(Right):
    """Cannot be built from its parameters alone."""

    def __init__(self, params: Iterable[Tensor], lr: float, base: Any) -> None:
        super().__init__(params, lr)


Same = Right


class Poisons(Right):
    """Switches gradients off for whoever comes after it."""

    def begin(self) -> None:
        """Forget to switch them on again."""
        torch.set_grad_enabled(False)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override] # as above
        """Move, and leave them off."""
        loss = super().step(closure)
        self.begin()
        return loss


def registry() -> list[str]:
    """Return names, as some packages do."""
    return ["right", "wrong"]


def mapping() -> dict[str, Callable[..., Any]]:
    """Return factories by name."""
    return {"plain": Right}


def twice() -> dict[str, Callable[..., Any]]:
    """Return a class by two names."""
    return {"Same": Right, "Right": Right, "wrong": Wrong}


def numbers() -> list[int]:
    """Return what no registry holds."""
    return [1]
