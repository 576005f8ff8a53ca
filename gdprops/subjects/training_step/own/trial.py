"""A trial of the user's own models, batches and loss: whatever cannot be used is reported in one line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gdprops.errors import SubjectCrash, UsageError, text_of
from gdprops.model.case import OwnCase, Plan
from gdprops.model.wording import type_of
from gdprops.numerics.decisions import DOUBLE, PROBE_TOLERANCE, SINGLE_TOLERANCE
from gdprops.subjects.training_step.own.models import OBJECTIVE, OwnModels, is_large, require_float, share_storage
from gdprops.subjects.training_step.own.redraw import drawn
from gdprops.subjects.training_step.structures import rows_in
from gdprops.subjects.user_code.isolation import RandomState, isolated

if TYPE_CHECKING:
    from gdprops.model.subject import Calling
    from gdprops.subjects.training_step.tasks import Task

TRIALS = 3
SPREAD = bytes((37 * k + 11) % 256 for k in range(64))
"""The cards of a trial: different bytes, so that the weights differ."""


def with_sharing(own: OwnModels | None, name: str, calls: Calling) -> OwnModels | None:
    """Return the declaration, completed by whether its models share storage. Raises `UsageError`."""
    if own is None or not callable(own.models):
        return own
    plain = OwnCase(SPREAD, (), Plan(()), DOUBLE)
    try:
        with isolated():
            first, second = (own.models() for _ in range(2))
            if isinstance(first, nn.Module) and isinstance(second, nn.Module):
                return replace(own, shared=share_storage(first, second))
            own.model(plain, calls)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{name}: models() raised {type(error).__name__}: {text_of(error)}") from error
    return own


def own_trials(own: OwnModels, precision: int, window: int, calls: Calling) -> list[OwnCase]:
    """Return cases of the user's own model on which a step is tried; none in float64 for a large model."""
    given = None if callable(own.models) else drawn(own.models, "models")
    if given is not None and not isinstance(given, nn.Module):
        raise UsageError(f"models= drew {type_of(given)}; expected a torch.nn.Module")
    case = OwnCase(SPREAD, (), Plan(()), precision, given)
    model = own.model(case, calls)
    if precision == DOUBLE and is_large(model):
        return []
    if precision != DOUBLE:
        require_float(model)
    firsts = range(0, TRIALS * window, window)
    return [replace(case, batches=(tuple(_given(own, first + k) for k in range(window)),)) for first in firsts]


def _given(own: OwnModels, index: int) -> Any:
    return index if callable(own.batches) else drawn(own.batches, "batches")


def require_objective(own: OwnModels, task: Task) -> None:
    """Require a loss that is one number, has a gradient, and is deterministic. Raises `UsageError`.

    A loss that raises is not asked here: ``build`` may give the model the head that fits its targets.
    """
    what = OBJECTIVE if own.objective is not None else "loss(model(inputs), targets)"
    model, random = task.model(ours=True), RandomState()
    try:
        values = [_value(task, model, random, what) for _ in range(2)]
    except SubjectCrash:
        return
    room = SINGLE_TOLERANCE if next(model.parameters()).dtype == torch.float32 else PROBE_TOLERANCE
    if abs(values[0] - values[1]) > room * abs(values[0]):
        raise UsageError(
            f"{what} is not deterministic: {values[0]:.10g} and {values[1]:.10g} from the same weights, batch and "
            "random numbers"
        )


def require_equal_parts(task: Task) -> None:
    """Require micro-batches of one size, as is declared."""
    rows = [rows_in(tuple(data)) for data in task.calls(0)]
    if len(set(rows)) > 1:
        told = ", ".join(map(str, rows))
        raise UsageError(f"micro='equal', but batches= gave micro-batches of {told} rows")


def _value(task: Task, model: nn.Module, random: RandomState, what: str) -> float:
    data = task.whole(0)  # a function that makes batches may seed the random numbers
    random.put()
    buffers = [b.clone() for b in model.buffers()]
    found = task.objective(model, data)
    for b, held in zip(model.buffers(), buffers, strict=True):
        b.data.copy_(held)
    if not isinstance(found, Tensor) or found.numel() != 1:
        form = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type_of(found)
        raise UsageError(f"{what} returned {form}; expected a tensor with one number")
    if not found.requires_grad:
        raise UsageError(f"{what} cannot be differentiated: it does not depend on a parameter that requires gradients")
    return float(found.detach())
