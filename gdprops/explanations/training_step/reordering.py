"""The step on other terms: parameters listed in reverse order, the optimizer at half the rate, calls by themselves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from types import MethodType
from typing import TYPE_CHECKING, Any

from gdprops.subjects.training_step.returned import returned

if TYPE_CHECKING:
    from torch import nn

    from gdprops.subjects.training_step.subject import TrainingStep


def listing_backwards(subject: TrainingStep) -> TrainingStep:
    """Return a training step that hands the user's step models which list their parameters in reverse order."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        return subject.build(_backwards(model), loss_fn)

    return replace(subject, declaration=replace(subject.declaration, build=build))


def at_half_the_rate(subject: TrainingStep) -> TrainingStep:
    """Return the training step with the rates of the optimizer that build returns halved, before the first step."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        built = subject.build(model, loss_fn)
        for group in getattr(returned(built, subject.name).optimizer, "param_groups", ()):
            group["lr"] = group["lr"] / 2
        return built

    return replace(subject, declaration=replace(subject.declaration, build=build))


def call_by_call(subject: TrainingStep) -> TrainingStep:
    """Return the training step with no window declared: each of its calls is one logical step."""
    return replace(subject, declaration=replace(subject.declaration, accumulate=1, micro=None, counts=None))


def _backwards(model: nn.Module) -> nn.Module:
    """Return a copy of the model that shares its modules and parameters but lists the parameters in reverse order."""
    other = copy.copy(model)

    def named_parameters(self: nn.Module, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        return iter(list(type(self).named_parameters(self, *args, **kwargs))[::-1])  # a deep copy lists its own

    other.named_parameters = MethodType(named_parameters, other)  # type: ignore[method-assign] # this one model's
    return other
