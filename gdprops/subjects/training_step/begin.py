"""How a run begins: a fresh model at the case's weights, the user's step built on it, and two models of our own."""

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
    """Return what a case asks the step to do."""
    if isinstance(case, OwnCase):
        return OwnTask(own_models_of(declared), case, declared.calls)
    return DrawnTask(case)


def own_models_of(declared: Declaration) -> OwnModels:
    """Return the user's own models. Raises `UsageError` where a case is about such and none are declared."""
    if declared.own is None:
        raise UsageError(f"the case is about models of {declared.name}'s own, which are not declared: models=")
    return declared.own


def begin(declared: Declaration, case: TrainedCase) -> Training:
    """Build a fresh model and the user's step on it."""
    seed_random_numbers(case.plan.seed)
    task = task_of(declared, case)
    model = task.model()
    siblings = task.siblings(model)
    frozen = frozenset(name for name, p in model.named_parameters() if not p.requires_grad)
    built = _built(declared, model, task.criterion())
    _require_its_parameters(model, siblings[1])
    step, optimizer = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if not callable(step) or not isinstance(optimizer, torch.optim.Optimizer | None):
        raise UsageError(
            f"{declared.name} returned {_describe(built)}; expected step(inputs, targets), or (step, optimizer) with "
            "one torch.optim.Optimizer; what several of them do is declared with rule="
        )
    return Training(declared, task, model, siblings, step, optimizer, frozen)


def _built(declared: Declaration, model: nn.Module, criterion: Any) -> Any:
    try:
        with declared.calls.to(f"{declared.name}(model, loss_fn)"):
            return declared.build(model, criterion)
    except SubjectCrash as crash:
        if not any(p.requires_grad for p in model.parameters()):  # of one parameter none is left
            raise Unsupported("every parameter is frozen") from crash
        raise


def _require_its_parameters(model: nn.Module, sibling: nn.Module) -> None:
    """Raise `Unsupported` where ``build`` has given the model other parameters, as ``weight_norm`` does."""
    now, then = ({name: p.shape for name, p in one.named_parameters()} for one in (model, sibling))
    if now != then:
        other = next(name for name in (*now, *then) if now.get(name) != then.get(name))
        raise Unsupported(
            f"build gives the model other parameters than it is handed ({other} is one): what is expected is computed "
            "on the model that is handed over; let models= return it with them"
        )


def _describe(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in built)}"
    return type_of(built)
