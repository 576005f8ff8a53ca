"""The training step of somebody's project as a subject.

gdprops gives it a model, watches, and computes what one simultaneous update would have been.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import nn

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.architecture import NOT_ADDITIVE, ArchitectureCase
from gdprops.model.case import OwnCase, TrainCase
from gdprops.model.domain import Domain
from gdprops.model.subject import Calling
from gdprops.model.traits import Measured, Traits
from gdprops.model.wording import type_of
from gdprops.subjects import script_lines
from gdprops.subjects.training_step.own.models import OwnModels, OwnTask, own_models
from gdprops.subjects.training_step.own.saved_case import filled, written_out
from gdprops.subjects.training_step.own.trial import own_trials, with_sharing
from gdprops.subjects.training_step.run import Training
from gdprops.subjects.training_step.script.own_model import own_script, whereabouts
from gdprops.subjects.training_step.script.steps import script_network, script_steps
from gdprops.subjects.training_step.tasks import DrawnTask, Objective, Task
from gdprops.subjects.training_step.trial import Habits, tried
from gdprops.subjects.training_step.trial_cases import trial_cases
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.importing import spec_of
from gdprops.subjects.user_code.isolation import seed_random_numbers

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Evidence

Step = Callable[..., Any]
TrainedCase = TrainCase | ArchitectureCase | OwnCase
Build = Callable[[nn.Module, nn.Module], Any]
Factory = Callable[..., torch.optim.Optimizer]


@final
@dataclass(frozen=True, slots=True)
class TrainingStep:
    """``build(model, loss_fn)`` returns ``step``, or ``(step, optimizer)``; ``step(inputs, targets)`` trains once."""

    build: Callable[[nn.Module, nn.Module], Any]
    name: str
    rule_factory: Factory | None = None
    lr: float | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1
    own: OwnModels | None = None
    habits: Habits = field(default_factory=Habits)
    traits: Traits = field(default_factory=Traits)
    calls: Calling = field(default_factory=Calls)
    declared: Mapping[str, Measured] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "training-step"
    spec: str = ""

    @property
    def rule(self) -> str | None:
        """``"sgd"`` where plain gradient descent at a declared rate is expected."""
        return "sgd" if self.lr is not None and self.rule_factory is None else None

    def prepared(self, traits: Traits, calls: Calling) -> TrainingStep:
        """Return the same subject with what was measured of it, and a budget of time."""
        return replace(self, traits=traits, calls=calls)

    def script(self, case: TrainCase | ArchitectureCase) -> str:
        """Return a plain script that builds the model of a case of ours and trains it."""
        lines = [*script_lines.import_lines(self.spec), *script_network(case)]
        lines.append(f"built = {self._called()}(model, loss_fn)")
        lines.append("step = built[0] if isinstance(built, tuple) else built")
        lines += script_steps(self.task(case), told_last=self.habits.told_last)
        return "\n".join(["import torch", *lines]) + "\n"

    def _called(self) -> str:
        """Return what builds the step in a script: a decorated name is bound to the subject, not to ``build``."""
        attribute = self.spec.rpartition(":")[2]
        found = getattr(sys.modules.get(self.build.__module__), attribute, None)
        return f"{attribute}.build" if isinstance(found, TrainingStep) else attribute

    @property
    def named(self) -> str:
        """The subject string under which it is found."""
        return whereabouts(self)

    def own_script(self, case: OwnCase, arrays: str | None, evidence: Evidence) -> str:
        """Return a script that loads a case's arrays and trains the user's own model with them."""
        return own_script(self, case, arrays, evidence)

    def written_out(self, case: OwnCase) -> tuple[OwnCase, dict[str, Array]]:
        """Return a case of the user's own model with keys in the place of its tensors, and the arrays."""
        own = self._own()
        seed_random_numbers(case.plan.seed)
        return written_out(OwnTask(own, case, self.calls), case, strategy=not callable(own.models))

    def filled(self, case: OwnCase, arrays: Mapping[str, Array]) -> OwnCase:
        """Return a saved case with its arrays in their places. Raises `UsageError` where they do not fit."""
        return filled(case, arrays)

    def _own(self) -> OwnModels:
        if self.own is None:
            raise UsageError(f"the case is about models of {self.name}'s own, which are not declared: models=")
        return self.own

    @property
    def domain(self) -> Domain:
        """What the cases must be: where a step splits its batches the loss is a mean, as real losses are."""
        means, clip = self.accumulate > 1 or self.habits.splits, self.clip_norm or self.clip_value
        return Domain(
            precisions=(self.habits.precision,),
            means=means,
            window=self.accumulate,
            tells_last=self.habits.told_last,
            clip=clip,
            kinds=tuple(k for k in self.habits.kinds if not (means and k in NOT_ADDITIVE)),
            own=None if self.own is None else self.own.source,
        )

    def trials(self, precision: int) -> list[Any]:
        """Return the cases on which the step is tried when it is made."""
        if self.own is not None:
            return own_trials(self.own, precision, self.accumulate, self.calls)
        return list(trial_cases(precision, self.accumulate))

    def task(self, case: TrainedCase) -> Task:
        """Return what a case asks the step to do."""
        if isinstance(case, OwnCase):
            return OwnTask(self._own(), case, self.calls)
        return DrawnTask(case)

    def begin(self, case: TrainedCase) -> Training:
        """Build a fresh model and the user's step on it."""
        seed_random_numbers(case.plan.seed)
        task = self.task(case)
        model = task.model()
        siblings = task.siblings(model)
        built = self._built(model, task.criterion())
        _require_its_parameters(model, siblings[1])
        step, optimizer = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
        if not callable(step) or not isinstance(optimizer, torch.optim.Optimizer | None):
            raise UsageError(
                f"{self.name} returned {_describe(built)}; expected step(inputs, targets), or (step, optimizer) with "
                "one torch.optim.Optimizer; what several of them do is declared with rule="
            )
        return Training(self, task, model, siblings, step, optimizer)

    def _built(self, model: nn.Module, criterion: Any) -> Any:
        try:
            with self.calls.to(f"{self.name}(model, loss_fn)"):
                return self.build(model, criterion)
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


def training_step(
    build: Build | None = None,
    /,
    *,
    rule: Factory | None = None,
    lr: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    loss: Any = None,
    objective: Objective | None = None,
    models: Any = None,
    batches: Any = None,
    name: str | None = None,
) -> Any:
    """Return a training step as a subject; without ``build``, a decorator that does.

    Args:
        build: ``build(model, loss_fn)``, called with a fresh random model and its criterion for every example, returns
            ``step`` or ``(step, optimizer)``. ``step(inputs, targets)`` performs one logical step. With an optimizer
            returned, the expected update is that optimizer's own, on gdprops' gradients at the frozen weights.
        rule: ``(params) -> optimizer``: the expected update where no optimizer is returned, or another is declared.
        lr: the rate of plain gradient descent, where neither is given.
        clip_norm: the global norm that gradients are clipped to, as ``torch.nn.utils.clip_grad_norm_`` does.
        clip_value: the bound that every entry of the gradients is clipped to.
        accumulate: how many calls make one logical step: the step is called per micro-batch and moves at the last one,
            by the gradient of the loss over the whole window. Micro-batches are ragged, and ``loss_fn`` is a mean: the
            window is normalized once. A step that takes a keyword ``last`` is told which call is a window's last;
            the last window may then be short.
        loss: with ``models=``: the criterion ``(outputs, targets) -> scalar``, a mean over rows where steps accumulate.
            A dict of inputs is given to the model by keywords, a tuple by position, where its ``forward`` takes them.
        objective: with ``models=``, instead of ``loss=``: ``(model, inputs, targets) -> scalar`` where the model owns
            its loss. ``build`` gets it in the place of ``loss_fn``.
        models: ``() -> nn.Module``, called for every example; its weights are re-drawn, about their means and as wide
            as they were. Or a Hypothesis strategy for modules, which keep the weights that it draws.
        batches: ``(index) -> (inputs, targets)``, any structure of tensors, the same at every call with one index; or
            a strategy for such pairs.
        name: what reports call it.

    Raises:
        UsageError: in one line, for something that cannot be called or used, or an update that is not declared in any
            way.
    """
    declared: dict[str, Any] = {"rule": rule, "lr": lr, "clip_norm": clip_norm, "clip_value": clip_value}
    declared |= {"accumulate": accumulate, "loss": loss, "objective": objective, "models": models, "batches": batches}
    declared["name"] = name
    if build is None:
        return partial(training_step, **declared)
    if not callable(build):
        raise UsageError(f"training_step: {build!r} is not callable; expected build(model, loss_fn) -> step")
    for key, value in (("lr", lr), ("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not (isinstance(value, int | float) and np.isfinite(value) and value >= 0):
            raise UsageError(f"{key}={value!r}; expected a finite number of at least 0")
    if not (isinstance(accumulate, int) and accumulate >= 1):
        raise UsageError(f"accumulate={accumulate!r}; expected a number of micro-batches")
    subject = TrainingStep(
        build, name or spec_of(build), rule, lr, clip_norm, clip_value, accumulate, spec=spec_of(build)
    )
    subject = replace(subject, own=with_sharing(own_models(models, batches, loss, objective), subject))
    return replace(subject, habits=tried(subject))
