"""A training step that several processes take together, as a subject.

Each rank is a process of its own: it builds the user's step on an equal model, and is given its own rows. gdprops
compares what all of them end at with one process on the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.model.domain import Domain
from gdprops.model.identity import NO_ORIGIN, Identity, Origin
from gdprops.model.subject import Calling
from gdprops.model.traits import Measured, Traits
from gdprops.numerics.decisions import DOUBLE
from gdprops.subjects.distributed_step import NAME
from gdprops.subjects.distributed_step.declaration import EQUAL, RAGGED, WORLDS, Distributed, Habits
from gdprops.subjects.distributed_step.layouts import declared_mesh
from gdprops.subjects.distributed_step.own_models import declared_models, places_of
from gdprops.subjects.distributed_step.user_objects import where_of
from gdprops.subjects.training_step.declaration import Declaration, Factory
from gdprops.subjects.user_code.identities import identity_of, origin
from gdprops.subjects.user_code.importing import spec_of
from gdprops.subjects.user_code.signatures import can_take, with_known_keywords

LARGEST = 16


@final
@dataclass(frozen=True, slots=True)
class DistributedStep:
    """``build(model, loss_fn, rank, world)`` returns ``step``, or ``(step, optimizer)``, of one rank."""

    declaration: Distributed
    traits: Traits = field(default_factory=Traits)
    declared: Mapping[str, Measured] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = NAME
    origin: Origin = NO_ORIGIN

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the subject is made of, by name."""
        return self.declaration.stated

    @property
    def identity(self) -> Identity:
        """What tells the subject from all others, whichever way it is named."""
        return identity_of(self)

    @property
    def name(self) -> str:
        """The subject's name in reports."""
        return self.declaration.training.name

    @property
    def spec(self) -> str:
        """The subject string that names the step, empty where there is none."""
        return self.declaration.training.spec

    @property
    def rule(self) -> str | None:
        """``"sgd"`` where plain gradient descent at a declared rate is expected."""
        training = self.declaration.training
        return "sgd" if training.lr is not None and training.rule_factory is None else None

    @property
    def build(self) -> Callable[..., Any]:
        """The function that the user decorated or handed over; printed scripts call it."""
        return self.declaration.training.build

    @property
    def calls(self) -> Calling:
        """What runs the subject's code, within a budget of time."""
        return self.declaration.training.calls

    def prepared(self, traits: Traits, calls: Calling) -> DistributedStep:
        """Return this subject with its traits, and with a budget of time for its code."""
        training = replace(self.declaration.training, calls=calls)
        return replace(self, traits=traits, declaration=replace(self.declaration, training=training))

    def tried(self, habits: Habits) -> DistributedStep:
        """Return this subject with what a trial has seen."""
        return replace(self, declaration=replace(self.declaration, habits=habits))

    @property
    def domain(self) -> Domain:
        """What the cases may contain."""
        stated = self.declaration
        return Domain(
            precisions=(DOUBLE,),
            dimensions=None if stated.habits.takes_scalars else frozenset({1, 2}),
            means=True,
            window=stated.training.accumulate,
            equal=True,
            clip=stated.training.clip_norm or stated.training.clip_value,
            worlds=stated.worlds,
            ragged=stated.parts == RAGGED,
            sets_rate=stated.habits.sets_rate,
            loads_on=stated.habits.loads_on,
            own_rows=stated.habits.own_rows,
            mesh=stated.mesh,
        )


@with_known_keywords
def distributed_step(
    build: Callable[..., Any] | None = None,
    /,
    *,
    world: int | tuple[int, ...] = WORLDS,
    parts: str = EQUAL,
    layouts: Mapping[str, int] | str | None = None,
    rule: Factory | None = None,
    lr: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    models: Any = None,
    batches: Any = None,
    loss: Any = None,
    objective: Any = None,
    name: str | None = None,
) -> Any:
    """Return a training step on several processes as a subject; without ``build``, a decorator that does.

    Every rank runs in a process of its own, in a process group of gloo on the loopback address that gdprops makes, with
    an equal model and its own rows. What all of them end at is compared with one process on the whole batch.

    Args:
        build: ``build(model, loss_fn, rank, world)``, called on every rank for every example, returns ``step`` or
            ``(step, optimizer)``, or a dict or an object with these. ``step(inputs, targets)`` trains on this rank's
            rows; ``loss_fn`` is a mean over the rows that it is given. ``save(path)``, called on every rank, and
            ``load(path)``, called after a fresh build, may stand beside them. It must be found by an import: ranks
            are processes of their own.
        world: how many ranks there are, or several such numbers, each of which some examples have.
        parts: ``"equal"`` where all ranks have equally many rows, ``"ragged"`` where they may differ.
        layouts: how ranks share the work on the same rows: ``"tensor"`` or ``"pipeline"``, or the sizes of a mesh by
            name from the outermost dimension to the innermost, such as ``{"data": -1, "tensor": 2}``, -1 for all ranks
            that are left. A rank of a pipeline returns the module of its layers as ``stage``, or deletes the others.
        rule: ``(params) -> optimizer``: makes the expected update; without it an optimizer of the class and with the
            hyperparameters of the returned one does.
        lr: the learning rate of plain gradient descent, where no optimizer makes the update.
        clip_norm: the norm of the whole gradient that is clipped to.
        clip_value: the bound that every entry of the gradient is clipped to.
        accumulate: how many calls make one logical step on every rank; a step that takes a keyword ``last`` is told
            which call is a window's last. The micro-batches of a rank have equally many rows.
        models: ``models() -> model``: a fresh model of the user's own, whose weights gdprops draws anew; like
            ``build`` and the other functions it is called on every rank.
        batches: ``batches(i) -> (inputs, targets)``: all rows of logical step i, which gdprops deals to the ranks.
        loss: ``loss(outputs, targets) -> scalar``, a mean over the rows that it is given.
        objective: ``objective(model, inputs, targets) -> scalar``, in place of ``loss``.
        name: the subject's name in reports.

    Raises:
        UsageError: in one line, for something that cannot be called, found or used.
    """
    given: dict[str, Any] = {
        "world": world,
        "parts": parts,
        "layouts": layouts,
        "rule": rule,
        "lr": lr,
        "clip_norm": clip_norm,
        "clip_value": clip_value,
        "models": models,
        "batches": batches,
        "loss": loss,
        "objective": objective,
    }
    if build is None:
        return partial(distributed_step, **given, accumulate=accumulate, name=name)
    if not callable(build):
        raise UsageError(f"distributed_step: {build!r} is not callable; expected build(model, loss_fn, rank, world)")
    if not can_take(build, None, None, 0, 1):
        raise UsageError(
            f"distributed_step: {spec_of(build)} does not take (model, loss_fn, rank, world); every rank calls it so"
        )
    for key, value in (("lr", lr), ("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not (isinstance(value, int | float) and 0 <= value < float("inf")):
            raise UsageError(f"{key}={value!r}; expected a finite number of at least 0")
    if not (isinstance(accumulate, int) and accumulate >= 1):
        raise UsageError(f"accumulate={accumulate!r}; expected a number of micro-batches")
    if parts not in (EQUAL, RAGGED):
        raise UsageError(f"parts={parts!r}; expected {EQUAL!r} or {RAGGED!r}")
    if rule is not None and not callable(rule):
        raise UsageError(f"rule={rule!r}; expected a function that makes an optimizer")
    made_by = origin(name)
    spec = spec_of(build)
    own = declared_models(models, batches, loss, objective)
    training = Declaration(build, name or spec, rule, lr, clip_norm, clip_value, accumulate, own, spec=spec)
    worlds = worlds_of(world)
    mesh = declared_mesh(layouts, worlds, parts == RAGGED)
    return DistributedStep(Distributed(training, worlds, parts, mesh=mesh), origin=made_by)


def worlds_of(world: Any) -> tuple[int, ...]:
    """Return the declared numbers of ranks. Raises `UsageError` for anything else."""
    several = tuple(world) if isinstance(world, tuple | list) else (world,)
    right = [isinstance(n, int) and not isinstance(n, bool) and 1 < n <= LARGEST for n in several]
    if not several or not all(right):
        raise UsageError(f"world={world!r}; expected a number of ranks from 2 to {LARGEST}, or several of them")
    return tuple(dict.fromkeys(several))


def located(subject: DistributedStep) -> DistributedStep:
    """Return the subject with how ranks find its functions. Raises `UsageError` where they cannot."""
    given = {"build": where_of(subject.build, "build"), **places_of(subject.declaration.training.own)}
    return replace(subject, declaration=replace(subject.declaration, given=given))
