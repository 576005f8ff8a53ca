"""What a loop of the user's own needs beside the function with the loop: a model, its loss, and its batches.

``-p models=FILE:name objective=FILE:name batches=FILE:name`` name three functions, the same for every trainer whose
loop the user writes (accelerate, Fabric, ignite).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from gdprops.errors import UsageError, text_of
from gdprops.subjects.trainers.batches import Batches, function_of, named
from gdprops.subjects.trainers.step import sorted_arguments
from gdprops.subjects.training_step.tasks import Data

NEEDED = {"models": "() -> model", "objective": "(model, batch) -> loss", "batches": "(index) -> batch"}

BY_HAND = ("accumulate", "schedule")
Started = TypeVar("Started")


class UserLoop(NamedTuple):
    """The user's model, loss and batches; ``of_trainer``: the trainer's arguments; ``of_step``: what is declared."""

    models: Any
    objective: Any
    batches: Batches
    of_trainer: Mapping[str, Any]
    of_step: Mapping[str, Any]
    clip_norm: Any
    clip_value: Any
    accumulate: int = 1
    schedule: Any = None

    def of_batch(self, model: Any, inputs: Any, targets: Any) -> Any:
        """Return the loss of a model on a batch."""
        return self.objective(model, self.batches.joined(*Data(inputs, targets)))

    def tried(self, start: Callable[[Any], Started], name: str) -> Started:
        """Start the user's code once with a fresh model; whatever it raises before its first batch is one line."""
        try:
            return start(self.models())
        except UsageError:
            raise
        except Exception as error:
            told = f"{name} raised {type(error).__name__} before its first batch: {text_of(error)}"
            raise UsageError(told) from error


def user_loop(
    given: Mapping[str, Any],
    *,
    trainer: Mapping[str, Any],
    set_by_gdprops: tuple[str, ...],
    by_hand: bool,
    called: str,
    name: str,
) -> UserLoop:
    """Return what ``-p`` states of a loop. Raises `UsageError` in one line for what is missing or taken by nobody.

    ``trainer``: the parameters of the trainer's class; ``by_hand``: the trainer knows neither windows nor
    schedules, so that ``accumulate=`` and ``schedule=`` say what the loop is to do.
    """
    others = (*NEEDED, "clip_norm", "clip_value", *(BY_HAND if by_hand else ()))
    asked = sorted_arguments(
        given, trainer=trainer, module={}, others=others, set_by_gdprops=set_by_gdprops, called=called
    )
    missing = [f"{key}=, a function {form}" for key, form in NEEDED.items() if key not in asked.others]
    if missing:
        raise UsageError(f"{name} needs {'; '.join(missing)} (-p models=FILE:name, …)")
    models, objective = (named(asked.others[key], key) for key in ("models", "objective"))
    return UserLoop(
        models,
        objective,
        Batches(function_of(asked.others["batches"])),
        asked.of_trainer,
        asked.of_step,
        asked.others.get("clip_norm"),
        asked.others.get("clip_value"),
        asked.others.get("accumulate", 1),
        named(asked.others.get("schedule"), "schedule"),
    )
