"""Small optimizers, each odd in one way: what the probe must tell apart and the runs must survive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Closure = Callable[[], Any] | None


class Rule(torch.optim.Optimizer):
    """Plain gradient descent, one tensor after the other; subclasses change one thing."""

    def __init__(self, params: Any, lr: Any = 0.1, **more: Any) -> None:
        super().__init__(params, {"lr": lr, **more})

    def moves(self) -> Iterator[tuple[dict[str, Any], Tensor, Tensor]]:
        """Yield each tensor that has a gradient, with its group."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    yield group, p, p.grad

    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Move every tensor."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for number, (group, p, g) in enumerate(self.moves()):
            self.move(number, group, p, g)
        return loss

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        """Move one tensor."""
        p.sub_(group["lr"] * g)


class Twice(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(2 * group["lr"] * g)


class Climbing(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.add_(group["lr"] * g)


class PlainForTheFirst(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g * (1.0 if number == 0 else g.abs()))


class PlainAtFirst(Rule):
    """A momentum: plain at its first step, bit for bit."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        old = self.state[p].get("old", torch.zeros_like(g))
        self.state[p]["old"] = old * 0.5 + g
        p.sub_(group["lr"] * self.state[p]["old"])


class OffByAMillionth(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * (1 + 1e-6) * g)


class Uneven(Rule):
    """Every tensor after the first answers to the first."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        first = group["params"][0].grad
        p.sub_(group["lr"] * g * (1.0 if number == 0 else first.flatten()[0]))


class NormalizedByTensor(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g / g.norm())


class NormalizedByGroup(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g / torch.stack([q.grad.square().sum() for q in group["params"]]).sum().sqrt())


class NormalizedByAll(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g / torch.stack([h.square().sum() for _, _, h in self.moves()]).sum().sqrt())


class IgnoresTheRate(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(0.125 * g)


class SquaresTheRate(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] ** 2 * g)


class HidesItsRate(Rule):
    def __init__(self, params: Any) -> None:
        torch.optim.Optimizer.__init__(self, params, {})

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(0.125 * g)


class Noisy(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g * (1 + torch.rand_like(g)))


class PrivatelyNoisy(Rule):
    source = torch.Generator().manual_seed(7)

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g * (1 + torch.rand(g.shape, generator=self.source, dtype=g.dtype)))


class RoundsByChance(Rule):
    """Draws where it rounds, which is in float32."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        noise = torch.rand_like(g) * 2.0**-20 if p.dtype == torch.float32 else 0.0
        p.sub_(group["lr"] * g * (1 + noise))


class PrivatelyNoisyAlike(Rule):
    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr)
        self.source = torch.Generator().manual_seed(7)

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g * (1 + torch.rand(g.shape, generator=self.source, dtype=g.dtype)))


class HalvesOnly(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        assert p.dtype == torch.bfloat16, "only bfloat16 is supported"
        p.sub_(group["lr"] * g)


class MatricesOnly(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if g.dim() != 2:
            raise ValueError("only matrices")
        p.sub_(group["lr"] * g)


class OneGroupOnly(Rule):
    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr)
        if len(self.param_groups) > 1:
            raise ValueError("no parameter groups, please")


class NoEmptyTensors(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g * (g.max() - g.max() + 1))


class DoubleOnly(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if g.dtype != torch.float64:
            raise TypeError("float64 only")
        p.sub_(group["lr"] * g)


class SingleOnly(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if g.dtype != torch.float32:
            raise TypeError("float32 only")
        p.sub_(group["lr"] * g)


class NeedsAClosure(Rule):
    def step(self, closure: Closure = None) -> Any:
        if closure is None:
            raise RuntimeError("a closure, please")
        return super().step(closure)


class CrashesWithItsClosure(NeedsAClosure):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        raise IndexError("the second list is shorter")


class CallsItsClosureBlindly(Rule):
    """Needs the loss, and calls the closure with gradients disabled."""

    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Ask for the loss, nothing more."""
        if closure is None:
            raise RuntimeError("the loss, please")
        return closure()


class TakesNoClosure(Rule):
    def step(self) -> None:  # type: ignore[override] # that is its oddity
        super().step()


class CrashesAtTheThird(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        self.state[p]["t"] = self.state[p].get("t", 0) + 1
        if self.state[p]["t"] == 3:
            raise IndexError("the third step")
        p.sub_(group["lr"] * g)


class NeverWorks(Rule):
    def step(self, closure: Closure = None) -> Any:
        raise RuntimeError("broken")


def not_an_optimizer(params: Any, lr: float = 0.1) -> list[Any]:
    """Return something else."""
    return list(params)


def raises(params: Any, lr: float = 0.1) -> torch.optim.Optimizer:
    """Fail with two lines."""
    raise ValueError("the first line\nand the second")


def picky(params: Any, *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Take keywords by name only."""
    return torch.optim.SGD(params, lr=lr, momentum=momentum, weight_decay=weight_decay)


CONSTANT = 3


class Projecting(Rule):
    """Plain descent that pulls weights back into a ball: plain while they are small."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * g)
        p.clamp_(-64, 64)


class SwitchesAtTheHundredth(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        self.state[p]["t"] = t = self.state[p].get("t", 0) + 1
        p.sub_(group["lr"] * (g if t < 100 else g / 2))


class CoupledLate(Rule):
    """Divides by a norm over all parameters from the fiftieth step on, as D-Adaptation's estimate does."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        self.state[p]["t"] = t = self.state[p].get("t", 0) + 1
        norm = torch.stack([q.grad.square().sum() for q in group["params"]]).sum().sqrt()
        p.sub_(group["lr"] * (g if t < 50 else g / norm))


class SwitchesTogether(Rule):
    """The whole group changes over to a tenth of the rate once one tensor's gradients, all equal, have stood still."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        memory = self.state[p]
        settled = "last" in memory and bool((memory["last"] == g).all()) and bool((g == g.flatten()[0]).all())
        memory["last"] = g.clone()
        p.sub_(group["lr"] * g * (0.1 if group.get("switched") else 1.0))
        group["switched"] = group.get("switched", False) or settled


class CountsByGroup(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        group["t"] = group.get("t", 0) + (number == 0 or p is group["params"][0])
        p.sub_(group["lr"] * g / max(group["t"], 1))


class WaitsForTheGroup(Rule):
    """Moves from the tenth step of its group on, whenever a tensor came in."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        group["t"] = group.get("t", 0) + (p is group["params"][0])
        if group["t"] >= 10:
            p.sub_(group["lr"] * g)


class ZerosForNone(Rule):
    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Decay everything, whether or not there is a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(0.9)
        return super().step(closure)


class RaisesOnNone(Rule):
    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Insist on every gradient."""
        if any(p.grad is None for group in self.param_groups for p in group["params"]):
            raise ValueError("a gradient is missing")
        return super().step(closure)


class SkipsNan(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        p.sub_(group["lr"] * torch.nan_to_num(g))


class RaisesOnNan(Rule):
    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if g.isnan().any():
            raise FloatingPointError("NaN in a gradient")
        super().move(number, group, p, g)


class Averages(Rule):
    """Shows the average of its weights in evaluation mode (Defazio and others, 2024)."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        super().move(number, group, p, g)
        self.state[p]["sum"] = self.state[p].get("sum", 0) + p.clone()
        self.state[p]["count"] = self.state[p].get("count", 0) + 1

    def train(self) -> None:
        """Nothing to do before the first step."""

    @torch.no_grad()
    def eval(self) -> None:
        """Show the averages."""
        for p, kept in self.state.items():
            p.copy_(kept["sum"] / kept["count"])


class NeedsAGraph(Rule):
    """Differentiates the gradient once more (AdaHessian)."""

    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Move by the gradient plus its own derivative along itself."""
        for group, p, g in self.moves():
            with torch.enable_grad():
                (second,) = torch.autograd.grad(g.square().sum() / 2, p, retain_graph=True)
            p.sub_(group["lr"] * (g + second))


class ListensToTheLoss(Rule):
    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        """Move less far where the loss is large."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group, p, g in self.moves():
            p.sub_(group["lr"] * g / (1.0 if loss is None else 1.0 + float(loss)))
        return loss


class DecaysMatrices(Rule):
    """Weight decay on matrices only, as is usual for biases and norms."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        if p.ndim > 1:
            p.mul_(1 - group["lr"] * 0.1)
        super().move(number, group, p, g)


class MovesFactors(Rule):
    """Takes A and B of every product AB by turns, and moves each by what the other makes of its gradient."""

    @torch.no_grad()
    def step(self, closure: Closure = None) -> Any:
        for group in self.param_groups:
            for a, b in zip(group["params"][::2], group["params"][1::2], strict=False):
                if a.grad is not None and b.grad is not None:
                    a.sub_(group["lr"] * a.grad @ b @ b.T)
                    b.sub_(group["lr"] * a.T @ a @ b.grad)


class OneBufferForAll(Rule):
    """Adds up the gradients of all tensors in one buffer, which takes the shape of the first."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        self.buffer = getattr(self, "buffer", torch.zeros_like(g))
        p.sub_(group["lr"] * self.buffer.add_(g))


class CountsForAll(Rule):
    """Keeps a number beside the states of its parameters, as wrappers do."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        self.state.setdefault("of all", {"mean": torch.zeros(1)})  # type: ignore[call-overload] # wrappers do
        super().move(number, group, p, g)


class NeedsAKind(Rule):
    """Reads in each group what no default gives: the user says it of every group."""

    def move(self, number: int, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        super().move(number, group, p, g if group["kind"] == "plain" else -g)


def of_one_kind(params: Any, lr: float = 0.1) -> torch.optim.Optimizer:
    """Build it as its documentation says."""
    groups = [entry if isinstance(entry, dict) else {"params": [entry]} for entry in params]
    return NeedsAKind([{"kind": "plain", **group} for group in groups], lr=lr)
