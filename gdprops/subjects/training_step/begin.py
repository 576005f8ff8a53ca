"""How a run begins: a fresh model at the case's weights, the user's step built on it, and a model of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.architecture import ArchitectureCase
from gdprops.model.case import OwnCase, TrainCase
from gdprops.model.wording import type_of
from gdprops.subjects.training_step.counterpart import Counterparts
from gdprops.subjects.training_step.own.models import OwnModels, OwnTask
from gdprops.subjects.training_step.refusals import NOTHING_LEFT, is_for_want_of_parameters
from gdprops.subjects.training_step.run import Training
from gdprops.subjects.training_step.tasks import DrawnTask
from gdprops.subjects.user_code.isolation import seed_random_numbers

if TYPE_CHECKING:
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.tasks import Task

TrainedCase = TrainCase | ArchitectureCase | OwnCase


def task_of(declared: Declaration, case: TrainedCase) -> Task:
    """Return the model, the loss and the batches that a case gives to the step."""
    if isinstance(case, OwnCase):
        return OwnTask(own_models_of(declared), case, declared.calls)
    return DrawnTask(case)


def own_models_of(declared: Declaration) -> OwnModels:
    """Return the user's own models. Raises `UsageError` where a case needs them and none are declared."""
    if declared.own is None:
        raise UsageError(f"the case needs the user's own models, but {declared.name} declares none: models=")
    return declared.own


def begin(declared: Declaration, case: TrainedCase) -> Training:
    """Build a fresh model, and the user's training step for it."""
    seed_random_numbers(case.plan.seed)
    task = task_of(declared, case)
    model = task.model()
    counterparts = Counterparts(declared, task, model)
    frozen = frozenset(name for name, p in model.named_parameters() if not p.requires_grad)
    built = _built(declared, model, task.criterion())
    step, optimizer = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if not callable(step) or not isinstance(optimizer, torch.optim.Optimizer | None):
        raise UsageError(
            f"{declared.name} returned {_describe(built)}; expected step(inputs, targets), or (step, optimizer) with "
            "one torch.optim.Optimizer; declare with rule= what several optimizers do together"
        )
    ours = counterparts.counterpart(returned=optimizer is not None)
    return Training(declared, task, model, ours, step, optimizer, frozen)


def _built(declared: Declaration, model: nn.Module, criterion: Any) -> Any:
    trainable = [p.requires_grad for p in model.parameters()]
    try:
        with declared.calls.to(f"{declared.name}(model, loss_fn)"):
            return declared.build(model, criterion)
    except SubjectCrash as crash:
        if not any(p.requires_grad for p in model.parameters()):  # such a build may raise: nothing is left to train
            raise Unsupported("every parameter is frozen") from crash
        if declared.own is None and is_for_want_of_parameters(crash, trainable):
            raise Unsupported(NOTHING_LEFT) from crash
        raise


def _describe(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in built)}"
    return type_of(built)
