"""Correct optimizers, written to be read. A fault is one of them with one method overridden."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Closure = Callable[[], Any]
Group = dict[str, Any]


class PlainDescent(torch.optim.Optimizer):
    """Plain gradient descent: look once, then move every tensor by -eta g."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, **more: Any) -> None:
        given = {"lr": lr, **more}
        for name, value in given.items():
            if value < 0:
                raise ValueError(f"{name}={value!r}; expected a number that is not negative")
        super().__init__(params, given)

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """Take one step; a closure is called once, before anything moves."""
        loss = self.look(closure)
        self.move_all()
        return loss

    def look(self, closure: Closure | None) -> Any:
        """Evaluate the loss and its gradients, where there is a closure."""
        if closure is None:
            return None
        with torch.enable_grad():
            return closure()

    def move_all(self) -> None:
        """Move every tensor that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, group)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        """Move one tensor along its gradient."""
        p.sub_(group["lr"] * self.direction(p, g))

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        """Return the step per unit of the learning rate."""
        return g

    def memory(self, p: Tensor) -> dict[str, Any]:
        """Return what is remembered of one tensor; it is saved with the state."""
        memory: dict[str, Any] = self.state[p]
        return memory


class Momentum(PlainDescent):
    """Heavy ball: v <- v / 2 + g, w <- w - eta v (Polyak, 1964)."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        """Return the velocity."""
        memory = self.memory(p)
        memory["velocity"] = 0.5 * memory["velocity"] + g if "velocity" in memory else g.clone()
        velocity: Tensor = memory["velocity"]
        return velocity


class Adam(PlainDescent):
    """Adam with a clock for every tensor (Kingma and Ba, 2015); beta = (0.75, 0.875), epsilon = 2^-10."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        """Return the bias-corrected mean over the root of the bias-corrected mean square."""
        if p.is_complex():
            raise TypeError("complex parameters are not supported")
        memory, t = self.memory(p), self.tick(p)
        memory["m"] = 0.75 * memory.get("m", torch.zeros_like(p)) + 0.25 * g
        memory["v"] = 0.875 * memory.get("v", torch.zeros_like(p)) + 0.125 * g * g
        mean, square = memory["m"] / (1 - 0.75**t), memory["v"] / (1 - 0.875**t)
        direction: Tensor = mean / (square.sqrt() + 2.0**-10)
        return direction

    def tick(self, p: Tensor) -> int:
        """Advance the tensor's clock by one and return it."""
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return int(memory["step"])


class Maximizing(PlainDescent):
    """Plain descent of J, or of -J, with weight decay: the decay is no part of J."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.5, weight_decay: float = 0.0, maximize: bool = False
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, maximize=maximize)

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        """Turn the gradient round, then decay."""
        super().move(p, (-g if group["maximize"] else g) + group["weight_decay"] * p, group)


class AMSGrad(PlainDescent):
    """The largest mean square so far under the root (Reddi, Kale, Kumar, 2018), as a loop and as "foreach"."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5, foreach: bool = False) -> None:
        super().__init__(params, lr, foreach=foreach)

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        """Return the gradient over the root of the largest mean square."""
        memory = self.memory(p)
        memory["v"] = 0.5 * memory.get("v", torch.zeros_like(p)) + 0.5 * g * g
        memory["largest"] = torch.maximum(memory["v"], memory.get("largest", memory["v"])).clone()
        direction: Tensor = g / (memory["largest"].sqrt() + 2.0**-10)
        return direction
