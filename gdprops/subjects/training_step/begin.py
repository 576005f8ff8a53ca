"""How a run begins: a fresh model at the case's weights, the user's step built on it, and a model of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.architecture import ArchitectureCase
from gdprops.model.case import OwnCase, TrainCase
from gdprops.subjects.training_step.counted_windows import CountedTask
from gdprops.subjects.training_step.counterpart import Counterparts
from gdprops.subjects.training_step.own.models import OwnModels, OwnTask
from gdprops.subjects.training_step.own_batches import SeenTask
from gdprops.subjects.training_step.phases.run import PhasedRun
from gdprops.subjects.training_step.refusals import NOTHING_LEFT, is_for_want_of_parameters
from gdprops.subjects.training_step.returned import returned
from gdprops.subjects.training_step.run import Training
from gdprops.subjects.training_step.tasks import DrawnTask
from gdprops.subjects.user_code.isolation import seed_random_numbers

if TYPE_CHECKING:
    from torch import nn

    from gdprops.subjects.training_step.counterpart import Counterpart
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.returned import Returned
    from gdprops.subjects.training_step.tasks import Task

TrainedCase = TrainCase | ArchitectureCase | OwnCase


def task_of(declared: Declaration, case: TrainedCase) -> Task:
    """Return the model, the loss and the batches that a case gives to the step."""
    task: Task = (
        OwnTask(own_models_of(declared), case, declared.calls) if isinstance(case, OwnCase) else DrawnTask(case)
    )
    if declared.counts is not None:
        return CountedTask(task, declared.counts, declared.calls)
    if not declared.habits.own_batches:
        return task
    return SeenTask(task, to_objective=declared.own is not None and declared.own.objective is not None)


def own_models_of(declared: Declaration) -> OwnModels:
    """Return the user's own models. Raises `UsageError` where a case needs them and none are declared."""
    if declared.own is None:
        raise UsageError(f"the case needs the user's own models, but {declared.name} declares none: models=")
    return declared.own


class Begun(NamedTuple):
    """A fresh model, the user's step built on it, and a model of our own beside it."""

    task: Task
    model: nn.Module
    ours: Counterpart
    parts: Returned
    frozen: frozenset[str]


def begin(declared: Declaration, case: TrainedCase) -> Training:
    """Build a fresh model, and the user's training step for it."""
    task, model, ours, parts, frozen = begun(declared, case)
    return Training(declared, task, model, ours, parts, frozen)


def begin_phases(declared: Declaration, case: TrainedCase) -> PhasedRun:
    """Build a fresh model, and the user's training step with its phases for it."""
    assert declared.phases is not None, "phases are declared"
    task, model, ours, parts, frozen = begun(declared, case)
    return PhasedRun(declared, declared.phases, task, model, ours, parts, frozen)


def begun(declared: Declaration, case: TrainedCase) -> Begun:
    """Build a fresh model, the user's training step for it, and a model of our own."""
    seed_random_numbers(case.plan.seed)
    task = task_of(declared, case)
    model = task.model()
    counterparts = Counterparts(declared, task, model)
    frozen = frozenset(name for name, p in model.named_parameters() if not p.requires_grad)
    parts = returned(_built(declared, model, task.criterion()), declared.name, declared.phases)
    if declared.average is not None and "average" not in parts.beside:
        raise UsageError(
            f"{declared.name}: average= needs build to return the averaged copy, in a dict with step, optimizer and "
            "average"
        )
    ours = counterparts.counterpart(has_optimizer=parts.optimizer is not None)
    return Begun(task, model, ours, parts, frozen)


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
