"""A training step's case as plain Python: the model, the loss, and every call of the step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gdprops.model.architecture import ArchitectureCase
from gdprops.subjects import script_lines
from gdprops.subjects.training_step.architecture_modules import script_architecture
from gdprops.subjects.training_step.script.drawn_model import loss_line, script_model
from gdprops.subjects.training_step.script.own_model import declaration_of
from gdprops.subjects.training_step.tasks import DrawnTask

if TYPE_CHECKING:
    from torch import Tensor

    from gdprops.model.case import TrainCase
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.tasks import Task


def drawn_script(declared: Declaration, case: TrainCase | ArchitectureCase) -> str:
    """Return a plain script that builds the model of a drawn case, and trains it."""
    lines = [*script_lines.import_lines(declared.spec), *script_network(case)]
    lines.append(f"built = {_called(declared)}(model, loss_fn)")
    lines.append("step = built[0] if isinstance(built, tuple) else built")
    lines += script_steps(DrawnTask(case), told_last=declared.habits.told_last)
    return "\n".join(["import torch", *lines]) + "\n"


def _called(declared: Declaration) -> str:
    """Return the name of ``build`` in a script: a decorated name is bound to the subject, not to ``build``."""
    attribute = declared.spec.rpartition(":")[2]
    found = getattr(sys.modules.get(declared.build.__module__), attribute, None)
    return attribute if declaration_of(found) is None else f"{attribute}.build"


def script_network(case: TrainCase | ArchitectureCase) -> list[str]:
    """Return the lines that build ``model`` and ``loss_fn``."""
    if isinstance(case, ArchitectureCase):
        return [*script_architecture(case.network, case.tensors), loss_line(case.network.loss)]
    return script_model(case.network, case.tensors)


def script_steps(task: Task, *, told_last: bool) -> list[str]:
    """Return the calls of ``step``, and after each logical step a line that prints the weights."""
    lines = list[str]()
    for t in range(task.steps):
        calls = [f"{_tensor(inputs)}, {_tensor(targets)}" for inputs, targets in task.calls(t)]
        told = [f", last={number == len(calls)}" if told_last else "" for number in range(1, len(calls) + 1)]
        lines += [f"step({given}{last})" for given, last in zip(calls, told, strict=True)]
        lines.append("print(*(p.data.tolist() for p in model.parameters()))")
    return lines


def _tensor(value: Tensor) -> str:
    return f"torch.tensor({script_lines.literal(value.numpy())}, dtype={value.dtype})"
