"""A training step that a trainer drives, as a subject: the clauses of training steps hold for it unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.model.identity import Origin
from gdprops.model.nearest_name import nearest
from gdprops.subjects.training_step.declaration import Build, Driver
from gdprops.subjects.training_step.schedule import UPDATE
from gdprops.subjects.training_step.subject import TrainingStep, training_step
from gdprops.subjects.user_code.signatures import parameters_of

EPOCH_UPDATES = 4
"""How many updates an epoch has: a schedule that advances per epoch advances within a run."""
EPOCHS = 16
"""How many epochs a trainer is given where the user says nothing."""
DECLARED = ("trains", "frozen", "updates")
"""What a training step can declare, and a trainer does not know."""


@final
@dataclass(frozen=True, slots=True)
class Defaults:
    """What a trainer does to the step, read from the trainer itself: it belongs to the expected update.

    ``accumulate``: micro-batches in a window; ``counts``: what each counts, where not all count alike. ``schedule``: of
    the rates, with ``per`` updates for an advance. ``told``: all this in sentences.
    """

    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    counts: Callable[[Any, Any], Any] | None = None
    schedule: Callable[[Any], Any] | None = None
    per: int | str = UPDATE
    told: tuple[str, ...] = field(default=())


@final
@dataclass(frozen=True, slots=True)
class Arguments:
    """What ``-p`` states of a trainer's subject.

    ``of_module``: the arguments of the module's class or factory; ``of_trainer``: the trainer's own; ``of_step``: what
    is declared of the step; ``others``: the names that the trainer's file asks for itself.
    """

    of_module: Mapping[str, Any]
    of_trainer: Mapping[str, Any]
    of_step: Mapping[str, Any]
    others: Mapping[str, Any]


def sorted_arguments(
    given: Mapping[str, Any],
    *,
    trainer: Mapping[str, Any],
    module: Mapping[str, Any] | None,
    others: tuple[str, ...],
    set_by_gdprops: tuple[str, ...],
    called: str,
) -> Arguments:
    """Return arguments by whom they are for. Raises `UsageError` in one line for one that nobody takes.

    ``module`` and ``trainer`` are the parameters that these take; ``module`` is None where any keyword is taken. One
    that both take is the module's.
    """
    found: dict[str, dict[str, Any]] = {"module": {}, "trainer": {}, "step": {}, "others": {}}
    for name, value in given.items():
        if name in others:
            found["others"][name] = value
        elif name in DECLARED:
            found["step"][name] = value
        elif module is not None and name in module:
            found["module"][name] = value
        elif name in set_by_gdprops:
            raise UsageError(f"{called}: {name}={value!r} cannot be given, gdprops sets it itself")
        elif name in trainer:
            found["trainer"][name] = value
        elif module is None:
            found["module"][name] = value
        else:
            known = [*module, *others, *DECLARED, *(k for k in trainer if k not in set_by_gdprops)]
            raise UsageError(
                f"{called}: neither the module nor the trainer takes {name!r}{nearest(name, known)}"
                f" (the module takes {', '.join(module) or 'no argument'})"
            )
    return Arguments(found["module"], found["trainer"], found["step"], found["others"])


def own_parameters(found: Any) -> dict[str, Any] | None:
    """Return the arguments that a class or a factory takes by name, None where it takes any."""
    taken = parameters_of(found)
    if taken is None or any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        return None
    return {name: p for name, p in taken.items() if p.kind is not p.VAR_POSITIONAL}


def trained(
    kind: str,
    build: Build,
    *,
    models: Callable[[], Any],
    batches: Callable[[int], Any],
    objective: Callable[..., Any],
    defaults: Defaults,
    made_from: Mapping[str, Any],
    declared: Mapping[str, Any],
    given: Mapping[str, Any],
    name: str,
    spec: str,
) -> TrainingStep:
    """Return a step that a trainer drives as a subject of its kind. Raises `UsageError` where it cannot be used.

    ``made_from``: what the user has named; ``declared``: what is declared of the step; ``given``: what ``-p`` states.
    """
    made: TrainingStep = training_step(
        build,
        models=models,
        batches=batches,
        objective=objective,
        clip_norm=defaults.clip_norm,
        clip_value=defaults.clip_value,
        accumulate=defaults.accumulate,
        counts=defaults.counts if defaults.accumulate > 1 else None,
        schedule=defaults.schedule,
        per=defaults.per,
        name=name,
        **declared,
    )
    stated = replace(made.declaration, driver=Driver(made_from, defaults.told), spec=spec)
    return replace(made, kind=kind, declaration=stated, hyperparameters=given, origin=Origin(""))


def equal_counts(_inputs: Any, _targets: Any) -> float:
    """Return 1: every micro-batch of a window counts alike, however many rows it has."""
    return 1.0
