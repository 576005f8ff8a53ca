"""Wrong momentum and Adam: state that is shared, counted or kept in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Adam, Momentum, PlainDescent
from gdprops.faults.optimizers.declared_as import claims_nothing


class MomentumSharedByShape(Momentum):
    """One velocity for all tensors of a shape: a scratch buffer that was meant to be temporary."""

    def memory(self, p: Tensor) -> dict[str, Any]:
        key: Any = f"of shape {tuple(p.shape)}"
        memory: dict[str, Any] = self.state[key]
        return memory


class MomentumKeptOnSelf(Momentum):
    """The velocities are an attribute, which no ``state_dict`` knows."""

    def memory(self, p: Tensor) -> dict[str, Any]:
        kept: dict[Tensor, dict[str, Any]] = vars(self).setdefault("velocities", {})
        return kept.setdefault(p, {})


class GeneratorKeptOnSelf(PlainDescent):
    """Adds noise from a generator of its own, which no ``state_dict`` knows."""

    def __init__(self, params: Iterable[Any], lr: float = 0.5) -> None:
        self.generator = torch.Generator().manual_seed(0)
        super().__init__(params, lr)

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g + torch.randn(g.shape, generator=self.generator, dtype=g.dtype)


class AdamWithOneCounter(Adam):
    """One counter of steps, advanced once per tensor."""

    def tick(self, p: Tensor) -> int:
        first = self.param_groups[0]
        first["step"] = first.get("step", 0) + 1
        return int(first["step"])


class ClockKeptOnSelf(Adam):
    """The clocks are an attribute, which no ``state_dict`` knows: they start again after loading."""

    def tick(self, p: Tensor) -> int:
        clocks: dict[Tensor, int] = vars(self).setdefault("clocks", {})
        clocks[p] = clocks.get(p, 0) + 1
        return clocks[p]


class ClockAdvancedByGroup(Adam):
    """One counter of steps, advanced once per parameter group."""

    def move_all(self) -> None:
        for group in self.param_groups:
            vars(self)["clock"] = vars(self).get("clock", 0) + 1
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, group)

    def tick(self, p: Tensor) -> int:
        return int(vars(self)["clock"])


class ClimbsAfterItsFirstStep(Adam):
    """The bias correction's sign is lost from the second step on."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        forward = super().direction(p, g)
        return forward if self.memory(p)["step"] < 2 else -forward


class AdamWithStaleGradients(Adam):
    """From the second step on, every step uses the gradient of the step before."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        memory = self.memory(p)
        last = memory.get("last", g)
        memory["last"] = g.clone()
        return super().direction(p, last)


class DividesByARootOfZero(Adam):
    """Epsilon is added after the reciprocal root: where no gradient has ever been, infinity times zero."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        super().direction(p, g)
        memory = self.memory(p)
        direction: Tensor = memory["m"] * (memory["v"].rsqrt() + 2.0**-10)
        return direction


class LoadingTakesAStep(Adam):
    """Loading allocates the state by a step with gradients of zeros, which advances the clocks."""

    def load_state_dict(self, state_dict: Any) -> None:
        """Load, and advance every clock by one."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            for p in group["params"]:
                self.direction(p, torch.zeros_like(p))


FAULTS = (
    claims_nothing(
        "momentum-shared-by-shape",
        "All tensors of one shape share one velocity.",
        MomentumSharedByShape,
    ),
    claims_nothing(
        "momentum-kept-on-self",
        "The velocities are not part of the saved state.",
        MomentumKeptOnSelf,
    ),
    claims_nothing(
        "generator-kept-on-self",
        "The random generator's state is not part of the saved state.",
        GeneratorKeptOnSelf,
    ),
    claims_nothing(
        "adam-with-one-counter",
        "One counter of steps for all tensors, advanced once per tensor.",
        AdamWithOneCounter,
        source="deepspeedai/DeepSpeed#8471, flashlight/flashlight#143, NVIDIA/DeepLearningExamples#391",
    ),
    claims_nothing(
        "clock-kept-on-self",
        "The clocks are not part of the saved state: they start again after loading.",
        ClockKeptOnSelf,
    ),
    claims_nothing(
        "clock-advanced-by-group",
        "One counter of steps for all tensors, advanced once per group.",
        ClockAdvancedByGroup,
    ),
    claims_nothing(
        "adam-climbs-after-a-while",
        "From the second step on, every step goes uphill.",
        ClimbsAfterItsFirstStep,
    ),
    claims_nothing(
        "adam-with-stale-gradients",
        "Every step uses the gradient of the step before.",
        AdamWithStaleGradients,
    ),
    claims_nothing(
        "divides-by-a-root-of-zero",
        "A weight whose gradient is zero becomes NaN.",
        DividesByARootOfZero,
        source="kozistr/pytorch_optimizer#480",
    ),
    claims_nothing(
        "loading-takes-a-step",
        "Loading allocates the state by a step with zero gradients, which advances the clocks.",
        LoadingTakesAStep,
        source="NVIDIA/Megatron-LM#5976",
    ),
)
