"""The training step of a user's project as a subject.

gdprops gives the step a model to train, watches the step, and computes what one simultaneous update would have been.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import UsageError
from gdprops.model.architecture import NOT_ADDITIVE
from gdprops.model.declared_parameters import declared_parameters
from gdprops.model.domain import Domain
from gdprops.model.identity import NO_ORIGIN, Identity, Origin
from gdprops.model.subject import Calling
from gdprops.model.traits import Measured, Traits
from gdprops.numerics.decisions import CLOCK_UPDATES, LONGEST_STAGES
from gdprops.subjects.training_step import NAME
from gdprops.subjects.training_step.average import declared_average
from gdprops.subjects.training_step.begin import TrainedCase, begin, begin_phases, own_models_of
from gdprops.subjects.training_step.declaration import EQUAL, Build, Declaration, Factory, Habits
from gdprops.subjects.training_step.looks import declared_looks
from gdprops.subjects.training_step.own.models import OwnModels, OwnTask, own_models
from gdprops.subjects.training_step.own.saved_case import filled, written_out
from gdprops.subjects.training_step.own.trial import with_sharing
from gdprops.subjects.training_step.phase_declaration import Objectives, declared_phases, require_alone
from gdprops.subjects.training_step.schedule import UPDATE, declared_schedule
from gdprops.subjects.training_step.trial import tried
from gdprops.subjects.user_code.identities import identity_of, origin
from gdprops.subjects.user_code.importing import spec_of
from gdprops.subjects.user_code.isolation import seed_random_numbers
from gdprops.subjects.user_code.signatures import with_known_keywords

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import OwnCase
    from gdprops.subjects.training_step.phases.run import PhasedRun
    from gdprops.subjects.training_step.run import Training
    from gdprops.subjects.training_step.tasks import Objective


@final
@dataclass(frozen=True, slots=True)
class TrainingStep:
    """``build(model, loss_fn)`` returns ``step``, or ``(step, optimizer)``; ``step(inputs, targets)`` trains once."""

    declaration: Declaration
    traits: Traits = field(default_factory=Traits)
    declared: Mapping[str, Measured] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = NAME
    origin: Origin = NO_ORIGIN

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the subject is made of, by name."""
        return self.declaration.parts

    @property
    def identity(self) -> Identity:
        """What tells the subject from all others, whichever way it is named."""
        return identity_of(self)

    @property
    def name(self) -> str:
        """The subject's name in reports."""
        return self.declaration.name

    @property
    def spec(self) -> str:
        """The subject string that names the training step, empty where there is none."""
        return self.declaration.spec

    @property
    def rule(self) -> str | None:
        """``"sgd"`` where plain gradient descent at a declared rate is expected."""
        return "sgd" if self.declaration.lr is not None and self.declaration.rule_factory is None else None

    @property
    def build(self) -> Build:
        """The function that the user decorated or handed over; printed scripts call it."""
        return self.declaration.build

    @property
    def own(self) -> OwnModels | None:
        """The user's own models and batches; printed scripts look them up here."""
        return self.declaration.own

    @property
    def habits(self) -> Habits:
        """What one trial saw the step do."""
        return self.declaration.habits

    @property
    def calls(self) -> Calling:
        """What runs the subject's code, within a budget of time."""
        return self.declaration.calls

    def prepared(self, traits: Traits, calls: Calling) -> TrainingStep:
        """Return this subject with its traits, and with a budget of time for its code."""
        return replace(self, traits=traits, declaration=replace(self.declaration, calls=calls))

    @property
    def domain(self) -> Domain:
        """What the cases may contain; where a step splits its batches the loss is a mean, as real losses are."""
        stated, habits = self.declaration, self.habits
        means = stated.accumulate > 1 or habits.splits
        return Domain(
            precisions=(habits.precision,),
            missing=not habits.refused.unreached,
            frozen=not habits.refused.frozen,
            means=means,
            window=stated.accumulate,
            tells_last=habits.told_last and stated.accumulate > 1,
            equal=stated.micro == EQUAL,
            clip=stated.clip_norm or stated.clip_value,
            kinds=tuple(k for k in habits.kinds if not (means and k in NOT_ADDITIVE)),
            shown_after=max(stated.parameters.shown_after(LONGEST_STAGES), habits.all_called_after),
            updates=stated.updates,
            own=None if stated.own is None else stated.own.source,
        )

    def begin(self, case: TrainedCase) -> Training:
        """Build a fresh model, and the user's training step for it."""
        return begin(self.declaration, case)

    def begin_phases(self, case: TrainedCase) -> PhasedRun:
        """Build a fresh model, and the user's training step with its phases for it."""
        return begin_phases(self.declaration, case)

    def written_out(self, case: OwnCase) -> tuple[OwnCase, dict[str, Array]]:
        """Return a case of the user's own model with keys in the place of its tensors, and the arrays by key."""
        own = own_models_of(self.declaration)
        seed_random_numbers(case.plan.seed)
        return written_out(OwnTask(own, case, self.calls), case, strategy=not callable(own.models))

    def filled(self, case: OwnCase, arrays: Mapping[str, Array]) -> OwnCase:
        """Return a saved case with its arrays in their places. Raises `UsageError` where they do not fit."""
        return filled(case, arrays)


@with_known_keywords
def training_step(
    build: Build | None = None,
    /,
    *,
    rule: Factory | None = None,
    lr: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    micro: str | None = None,
    counts: Any = None,
    loss: Any = None,
    objective: Objective | None = None,
    models: Any = None,
    batches: Any = None,
    trains: Any = None,
    frozen: Any = None,
    schedule: Any = None,
    per: int | str = UPDATE,
    metric: bool = False,
    updates: int = CLOCK_UPDATES,
    phases: Any = None,
    together: bool = False,
    after: Any = None,
    targets: Any = None,
    average: Any = None,
    looks: str | None = None,
    name: str | None = None,
) -> Any:
    """Return a training step as a subject; without ``build``, a decorator that does.

    Args:
        build: ``build(model, loss_fn)``, called with a fresh random model and its criterion for every example, returns
            ``step`` or ``(step, optimizer)``, or a dict or an object with ``step`` and ``optimizer``. Several
            optimizers of one loss stand in a list or a dict. ``step(inputs, targets)`` performs one logical step. With
            an optimizer returned, the expected update is its own, on gdprops' gradients at the frozen weights.
        rule: ``(params) -> optimizer``: makes the expected update, also where ``build`` returns another optimizer.
        lr: the learning rate of plain gradient descent, where no optimizer makes the update.
        clip_norm: the global norm that gradients are clipped to, as ``torch.nn.utils.clip_grad_norm_`` does.
        clip_value: the bound that every entry of the gradients is clipped to.
        accumulate: how many calls make one logical step: the step is called per micro-batch and moves at the last one,
            by the gradient of the loss over the whole window. Micro-batches are ragged, and ``loss_fn`` is a mean: the
            window is normalized once. A step that takes a keyword ``last`` is told which call is a window's last;
            the last window may then be short.
        micro: ``"equal"`` where all micro-batches have one size, as a loader with ``drop_last`` gives them: then the
            mean of the micro-batches' means is the mean of the window.
        counts: ``(inputs, targets) -> number``: what a micro-batch counts in its window, such as its tokens that are no
            padding, where the loss is a mean over these. The window's gradient is the mean of its micro-batches'
            gradients, weighted by what they count.
        loss: with ``models=``: the criterion ``(outputs, targets) -> scalar``, a mean over rows where steps accumulate.
            A dict of inputs is given to the model by keywords, a tuple by position, where its ``forward`` takes them.
        objective: with ``models=``, instead of ``loss=``: ``(model, inputs, targets) -> scalar`` where the model owns
            its loss. ``build`` gets it in the place of ``loss_fn``.
        models: ``() -> nn.Module``, called for every example; its weights are drawn anew, with the mean and the
            spread that they had. Or a Hypothesis strategy for modules, which keep the weights that it draws.
        batches: ``(index) -> (inputs, targets)``, any structure of tensors, the same at every call with one index; or
            a strategy for such pairs.
        trains: with ``models=``: patterns of the names, after ``build``, of parameters that the optimizer must hold:
            ``"head.*"``, a list of such, or the steps at which they train by pattern.
        frozen: with ``models=``: patterns of the names of parameters that must rest, or the steps at which they rest,
            counted from 1: ``{"body.*": range(1, 4)}``; they train at all other steps.
        schedule: the learning rates: a factory ``optimizer -> object with step()``, called on a twin of the returned
            optimizer, or a function ``t -> rate`` (t = 0 at the first update; a list of rates for several groups).
        per: how many updates one advance of the schedule lasts: ``"update"``, ``"epoch"`` or a number.
        metric: whether each advance is given the loss that the step returns (ReduceLROnPlateau).
        updates: how many updates a run for the schedule or the average has.
        phases: with ``models=`` and ``batches=``, for optimizers that ``build`` returns in a dict and that take turns:
            ``[("critic", objective_c, 5), ("actor", objective_a)]`` says, in this order, how many steps of an optimizer
            a call makes, each by the gradient of ``objective(model, inputs, targets)`` with respect to what the
            optimizer holds. An objective with a keyword ``k`` is told which step of its phase it is. ``build`` gets the
            objectives in the place of ``loss_fn``. ``clip_norm`` may then be a dict by optimizer.
        together: with ``phases=``: every phase looks where the call began.
        after: with ``phases=``: by optimizer, a function of the model that is applied after each of its steps.
        targets: with ``phases=``: which parameters follow which: ``{"critic_target": ("polyak", "critic", 0.005)}``,
            or ``("copy", "critic", 100)`` for a copy at every 100th call.
        average: how an averaged copy follows the model, which ``build`` returns under the key ``average`` of a dict or
            an object: ``("ema", decay)``, ``("polyak", tau)``, ``("swa",)``, or a function ``t -> decay``, t = 0 at the
            first update of the average.
        looks: ``"extragradient"`` where the step looks again where a first step of a plain optimizer has led, comes
            back, and steps by the gradient seen there. SAM, LBFGS and others that do so themselves need no declaration.
        name: the subject's name in reports.

    Raises:
        UsageError: in one line, for something that cannot be called or used, or an update that is not declared in any
            way.
    """
    given: dict[str, Any] = {"rule": rule, "lr": lr, "clip_norm": clip_norm, "clip_value": clip_value}
    given |= {
        "accumulate": accumulate,
        "micro": micro,
        "counts": counts,
        "loss": loss,
        "objective": objective,
        "models": models,
        "batches": batches,
    }
    given |= {"trains": trains, "frozen": frozen, "name": name, "average": average, "looks": looks}
    given |= {"schedule": schedule, "per": per, "metric": metric, "updates": updates}
    given |= {"phases": phases, "together": together, "after": after, "targets": targets}
    if build is None:
        return partial(training_step, **given)
    if not callable(build):
        raise UsageError(f"training_step: {build!r} is not callable; expected build(model, loss_fn) -> step")
    if rule is not None and not callable(rule):
        raise UsageError(
            f"rule={rule!r}; expected a function that makes an optimizer, such as "
            "rule=lambda params: torch.optim.Adam(params, lr=0.01)"
        )
    taking_turns = declared_phases(phases, together, after, targets, clip_norm)
    if taking_turns is not None:
        require_alone(taking_turns, given)
    norm = None if isinstance(clip_norm, Mapping) else clip_norm
    if not isinstance(updates, int) or updates < 2:
        raise UsageError(f"updates={updates!r}; expected the number of updates of a run, at least 2")
    _require_numbers(lr, norm, clip_value, accumulate, micro, counts)
    made_by = origin(name)
    declaration = Declaration(
        build, name or spec_of(build), rule, lr, norm, clip_value, accumulate, spec=spec_of(build), micro=micro
    )
    clock = declared_schedule(schedule, per, metric)
    parameters = declared_parameters(trains, frozen)
    if parameters and models is None:
        key = "trains" if trains is not None else "frozen"
        raise UsageError(f"{key}= without models=; the networks that gdprops draws have parameters of other names")
    goal = objective if taking_turns is None else Objectives(taking_turns.phases)
    own = with_sharing(own_models(models, batches, loss, goal), declaration.name, declaration.calls)
    declaration = replace(declaration, own=own, parameters=parameters, schedule=clock, counts=counts)
    declaration = replace(
        declaration,
        phases=taking_turns,
        average=declared_average(average),
        updates=updates,
        looks=declared_looks(looks),
    )
    return TrainingStep(replace(declaration, habits=tried(declaration)), origin=made_by)


def _require_numbers(lr: Any, clip_norm: Any, clip_value: Any, accumulate: Any, micro: Any, counts: Any) -> None:
    """Require what can be a rate, a bound and a window. Raises `UsageError`."""
    for key, value in (("lr", lr), ("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not (isinstance(value, int | float) and np.isfinite(value) and value >= 0):
            raise UsageError(f"{key}={value!r}; expected a finite number of at least 0")
    if not (isinstance(accumulate, int) and accumulate >= 1):
        raise UsageError(f"accumulate={accumulate!r}; expected a number of micro-batches")
    if micro not in (None, EQUAL):
        raise UsageError(f"micro={micro!r}; expected {EQUAL!r}, or nothing where micro-batches may be ragged")
    if micro is not None and accumulate == 1:
        raise UsageError(f"micro={micro!r} without accumulate=, the number of micro-batches in a window")
    if counts is not None and not callable(counts):
        raise UsageError(f"counts={counts!r}; expected a function (inputs, targets) -> a number of at least 0")
    if counts is not None and accumulate == 1:
        raise UsageError("counts= without accumulate=, the number of micro-batches in a window")
