"""The user's own models, batches and loss for a distributed step: functions that every rank imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import UsageError
from gdprops.model.case import OwnCase, Plan, RanksCase
from gdprops.numerics.decisions import DOUBLE, PROBE_TOLERANCE
from gdprops.subjects.distributed_step.user_objects import Where, where_of
from gdprops.subjects.training_step.derivatives import derivatives
from gdprops.subjects.training_step.own.models import OwnModels, OwnTask, own_models
from gdprops.subjects.training_step.own.trial import SPREAD, require_objective, with_sharing
from gdprops.subjects.user_code.isolation import isolated, seed_random_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.declaration import Declaration

STEPS = 3
MIXES = (
    "the mean of the gradients of two halves of a batch is not that of the whole batch: the model or the loss mixes "
    "rows, as a batch normalization does"
)
DRAWS = "the model draws random numbers in its forward pass, so that no single process can be put beside the ranks"


def declared_models(models: Any, batches: Any, loss: Any, objective: Any) -> OwnModels | None:
    """Return the declaration of own models, None where there are none. Raises `UsageError` for what is no function."""
    own = own_models(models, batches, loss, objective)
    for key, value in (("models", models), ("batches", batches)):
        if own is not None and not callable(value):
            raise UsageError(f"{key}={value!r}; expected a function: ranks are processes of their own, and call it")
    return own


def places_of(own: OwnModels | None) -> dict[str, Where]:
    """Return how ranks find the user's functions. Raises `UsageError` where they cannot."""
    keys = () if own is None else ("models", "batches", "loss", "objective")
    return {key: where_of(getattr(own, key), key) for key in keys if getattr(own, key) is not None}


def from_places(given: Mapping[str, Any]) -> OwnModels | None:
    """Return the own models of a rank, of what it has found by name; None where they are drawn."""
    if "models" not in given:
        return None
    return OwnModels(given["models"], given["batches"], given.get("loss"), given.get("objective"))


def trial_case_of(declared: Declaration, parts: tuple[int, ...]) -> RanksCase:
    """Return a case of three batches of the user's own model, so many rows of which each rank has."""
    train = OwnCase(SPREAD, tuple((t,) for t in range(STEPS)), Plan(()), DOUBLE)
    return RanksCase(train, parts, declared.accumulate)


def examined(declared: Declaration, name: str) -> tuple[OwnModels | None, int, str]:
    """Return the own models, completed; how many rows a batch has; and why no single process can be put beside ranks.

    Raises `UsageError`, in one line, for what cannot be used.
    """
    own = with_sharing(declared.own, name, declared.calls)
    if own is None:
        return None, 0, ""
    with isolated():
        task = OwnTask(own, trial_case_of(declared, (1,)).train, declared.calls)
        require_objective(own, task)
        rows = task.rows(0)
        whole, again = _gradients(task, [slice(None)], 0), _gradients(task, [slice(None)], 1)
        if not _agree(whole, again):
            return own, rows, DRAWS
        half = rows // 2
        parts = _gradients(task, [slice(half), slice(half, 2 * half)], 0)
        return own, rows, "" if not half or _agree(_gradients(task, [slice(2 * half)], 0), parts) else MIXES


def _gradients(task: OwnTask, several: list[slice], seed: int) -> list[Array]:
    """Return the mean of the gradients of several groups of rows, from equal random numbers."""
    found = list[list["Array"]]()
    for rows in several:
        seed_random_numbers(0)
        model = task.model(ours=True)
        seed_random_numbers(seed)
        wanted = [p for p in model.parameters() if p.requires_grad]
        grads = derivatives(task.objective(model, task.whole(0, rows)), wanted)
        found.append(
            [np.zeros(p.shape) if g is None else g.detach().numpy() for p, g in zip(wanted, grads, strict=True)]
        )
    return [sum(each[1:], each[0]) / len(several) for each in zip(*found, strict=True)]


def _agree(one: list[Array], other: list[Array]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(bool((np.abs(a - b) <= PROBE_TOLERANCE * (1 + np.abs(a))).all()) for a, b in pairs)
