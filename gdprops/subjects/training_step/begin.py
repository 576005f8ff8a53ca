"""How a run begins: a fresh model at the case's weights, the user's step built for it, and two models of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.architecture import ArchitectureCase
from gdprops.model.case import OwnCase, TrainCase
from gdprops.model.wording import type_of
from gdprops.subjects.training_step.own.models import OwnModels, OwnTask
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
    siblings = task.siblings(model)
    built = _built(declared, model, task.criterion())
    _require_its_parameters(model, siblings[1])
    step, optimizer = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if not callable(step) or not isinstance(optimizer, torch.optim.Optimizer | None):
        raise UsageError(
            f"{declared.name} returned {_describe(built)}; expected step(inputs, targets), or (step, optimizer) with "
            "one torch.optim.Optimizer; declare with rule= what several optimizers do together"
        )
    return Training(declared, task, model, siblings, step, optimizer)


def _built(declared: Declaration, model: nn.Module, criterion: Any) -> Any:
    try:
        with declared.calls.to(f"{declared.name}(model, loss_fn)"):
            return declared.build(model, criterion)
    except SubjectCrash as crash:
        if not any(p.requires_grad for p in model.parameters()):  # such a build may raise: nothing is left to train
            raise Unsupported("every parameter is frozen") from crash
        raise


def _require_its_parameters(model: nn.Module, sibling: nn.Module) -> None:
    """Raise `Unsupported` where ``build`` has given the model other parameters, as ``weight_norm`` does."""
    now, then = ({name: p.shape for name, p in one.named_parameters()} for one in (model, sibling))
    if now != then:
        other = next(name for name in (*now, *then) if now.get(name) != then.get(name))
        raise Unsupported(
            f"build replaces parameters of the model ({other} is one), but gdprops computes the expected update on the "
            "model that build is given; let models= return the model with its final parameters"
        )


def _describe(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in built)}"
    return type_of(built)
