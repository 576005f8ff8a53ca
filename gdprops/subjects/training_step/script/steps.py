"""A training step's case as plain Python: the model, the loss, every call of the step, and what must hold after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gdprops.model.architecture import ArchitectureCase
from gdprops.subjects import script_lines
from gdprops.subjects.script_lines import Written
from gdprops.subjects.training_step.architecture_modules import script_architecture
from gdprops.subjects.training_step.script.drawn_model import loss_line, script_model
from gdprops.subjects.training_step.script.ending import bodies, built_line
from gdprops.subjects.training_step.script.own_model import declaration_of
from gdprops.subjects.training_step.tasks import DrawnTask

if TYPE_CHECKING:
    from torch import Tensor

    from gdprops.model.case import TrainCase
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.tasks import Task


def drawn_scripts(declared: Declaration, case: TrainCase | ArchitectureCase, evidence: Evidence) -> Iterator[Written]:
    """Yield scripts that build the model of a drawn case, train it, and end at the violation."""
    task = DrawnTask(case)
    head = ["import torch", *script_lines.import_lines(declared.spec)]
    before = [
        *script_network(case),
        *[f"torch.manual_seed({case.plan.seed})"] * (evidence.location is not None and "dropout" in str(case.network)),
        f"built = {_called(declared)}(model, loss_fn)",
        built_line(declared.habits.step_at),
    ]
    dtypes = ", ".join(dict.fromkeys(str(w.dtype) for w in case.tensors))
    bound = script_lines.bound_names(declared.spec, _bound_to(declared))
    calls = script_steps(task, told_last=declared.habits.told_last)
    losses = [
        f"loss_fn(model({_tensor(d.inputs)}), {_tensor(d.targets)}).item()" for d in map(task.whole, range(len(calls)))
    ]
    names = [name for name, _ in task.model().named_parameters()]
    for body, crashes in bodies(before, calls, evidence, names, losses):
        yield Written(head, body, dtypes, crashes, bound)


def _called(declared: Declaration) -> str:
    """Return the name of ``build`` in a script: a decorated name is bound to the subject, not to ``build``."""
    attribute = script_lines.called(declared.spec)
    return attribute if declaration_of(_bound_to(declared)) is None else f"{attribute}.build"


def _bound_to(declared: Declaration) -> Any:
    """Return what the subject string names: ``build``, or the subject that a decorator has made of it."""
    attribute = declared.spec.rpartition(":")[2]
    return getattr(sys.modules.get(declared.build.__module__), attribute, None) or declared.build


def script_network(case: TrainCase | ArchitectureCase) -> list[str]:
    """Return the lines that build ``model`` and ``loss_fn``."""
    if isinstance(case, ArchitectureCase):
        return [*script_architecture(case.network, case.tensors), loss_line(case.network.loss)]
    return script_model(case.network, case.tensors)


def script_steps(task: Task, *, told_last: bool) -> list[list[str]]:
    """Return the calls of ``step`` for each logical step."""
    found = []
    for t in range(task.steps):
        calls = [f"{_tensor(inputs)}, {_tensor(targets)}" for inputs, targets in task.calls(t)]
        told = [f", last={number == len(calls)}" if told_last else "" for number in range(1, len(calls) + 1)]
        found.append([f"step({given}{last})" for given, last in zip(calls, told, strict=True)])
    return found


def _tensor(value: Tensor) -> str:
    return f"torch.tensor({script_lines.literal(value.numpy())}, dtype={value.dtype})"
