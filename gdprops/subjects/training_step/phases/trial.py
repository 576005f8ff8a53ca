"""One trial of a step with phases: whether it can be used, and how many calls it takes until every optimizer steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from gdprops.errors import UsageError
from gdprops.model.wording import type_of
from gdprops.numerics.decisions import LONGEST_STAGES
from gdprops.subjects.torch_optimizer.state import held_by
from gdprops.subjects.training_step.declaration import Habits

if TYPE_CHECKING:
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.phase_declaration import Phases
    from gdprops.subjects.training_step.phases.run import PhasedRun
    from gdprops.subjects.training_step.tasks import Task


def phase_habits(declared: Declaration, run: PhasedRun, precision: int) -> Habits:
    """Return the habits of a step with phases. Raises `UsageError` in one line where it cannot be used."""
    _require_held(declared, run)
    declared.parameters.require_matches(run.all_names)
    for name, target in run.phases.targets.items():
        run.pairs(name, target)
    called, calls, steps = set[str](), 0, run.steps
    while calls < LONGEST_STAGES and not called >= set(run.phases.optimizers):
        called |= {call.optimizer for call in run.step(calls % steps).calls}
        calls += 1
    copies = [target.every or 1 for target in run.phases.targets.values()]
    return Habits(
        precision=precision,
        copies=run.is_copied,
        returns_optimizer=True,
        step_at=run.step_at,
        saves=run.saves,
        all_called_after=min(max(calls, *copies, 1), LONGEST_STAGES),
    )


def _require_held(declared: Declaration, run: PhasedRun) -> None:
    for name, optimizer in run.optimizers.items():
        own = set(map(id, run.parameters))
        strange = sum(id(p) not in own for p in held_by(optimizer))
        if strange:
            what = "a parameter that is" if strange == 1 else f"{strange} parameters that are"
            raise UsageError(
                f"{declared.name}: the optimizer {name!r} holds {what} not in the model, such as a temperature made in "
                "build; put it into models="
            )


def require_objectives(phases: Phases, task: Task, calls: Any) -> None:
    """Require that each objective is one number that can be differentiated. Raises `UsageError`."""
    model, data = task.model(ours=True), task.whole(0)
    for phase in phases.phases:
        with calls.to(f"the objective of {phase.optimizer}"):
            found = phase.loss(model, data.inputs, data.targets)
        what = f"the objective of {phase.optimizer!r} returned"
        if not isinstance(found, Tensor) or found.numel() != 1:
            form = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type_of(found)
            raise UsageError(f"{what} {form}; expected a tensor with one number")
        if not found.requires_grad:
            raise UsageError(f"{what} a number that depends on no parameter that requires gradients")
