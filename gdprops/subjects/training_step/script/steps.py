"""A training step's case as plain Python: the model, the loss, and every call of the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model.architecture import ArchitectureCase
from gdprops.subjects import script_lines
from gdprops.subjects.training_step.architecture_modules import script_architecture
from gdprops.subjects.training_step.script.drawn_model import loss_line, script_model

if TYPE_CHECKING:
    from torch import Tensor

    from gdprops.model.case import TrainCase
    from gdprops.subjects.training_step.tasks import Task


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
