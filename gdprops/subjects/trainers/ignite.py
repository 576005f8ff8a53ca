"""A trainer of PyTorch-Ignite: ``gdprops check train.py:trainer --as ignite -p models=… -p objective=… -p batches=…``.

The subject is a function ``model -> (engine, optimizer)``: it makes the optimizer and the engine that trains the model,
with whatever handlers it attaches. ``Engine.run`` drives it, and gdprops hands it one batch after the other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.driven_fit import DrivenFit
from gdprops.subjects.trainers.step import EPOCH_UPDATES, EPOCHS, Defaults, equal_counts, trained
from gdprops.subjects.trainers.user_loop import UserLoop, user_loop
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.signatures import can_take

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "ignite"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
EXPECTED = "a function model -> (engine, optimizer), with an ignite.engine.Engine that trains the model"


def ignite_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return what an engine of ignite does with a batch as a training step.

    ``given``: ``models``, ``objective`` and ``batches``, which name functions; the bounds of clipping and the length of
    a window, which an engine does not show. Raises `UsageError` in one line for anything that cannot be used.
    """
    require_installed("ignite", NAME)
    if not callable(found) or not can_take(found, None):
        what = "a function that takes other arguments" if callable(found) else type_of(found)
        raise UsageError(f"{spec} is {what}; expected {EXPECTED}")
    loop = user_loop(given, trainer={}, set_by_gdprops=(), by_hand=True, called=f"--as {NAME} {spec}", name=name)
    build = _Build(found, loop, spec)
    with isolated():
        loop.tried(build.started, name)
    expected = Defaults(loop.accumulate, loop.clip_norm, loop.clip_value, equal_counts, loop.schedule)
    told = [f"ignite: Engine.run drives on the CPU, in epochs of {EPOCH_UPDATES} updates"]
    if loop.accumulate > 1:
        told.append(
            f"accumulate={loop.accumulate}: every micro-batch counts alike in its window, as with "
            "create_supervised_trainer(gradient_accumulation_steps=…)"
        )
    return trained(
        NAME,
        build,
        models=loop.models,
        batches=loop.batches,
        objective=loop.of_batch,
        defaults=replace(expected, told=tuple(told)),
        made_from={"trainer": found, "arguments": dict(given)},
        declared=loop.of_step,
        given=given,
        name=name,
        spec=spec,
    )


@final
class _Build:
    """``build(model, objective)``: makes an engine, which waits for its first batch."""

    def __init__(self, found: Callable[..., Any], loop: UserLoop, spec: str) -> None:
        self._found, self._loop, self._spec = found, loop, spec

    def started(self, model: Any) -> tuple[Any, DrivenFit]:
        """Return the optimizer, and the run of the engine as it waits for a batch. Raises `UsageError`."""
        from ignite.engine import Engine

        made = self._found(model)
        if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[0], Engine):
            raise UsageError(f"{self._spec} returned {type_of(made)}; expected {EXPECTED}")
        engine, optimizer = made
        length = EPOCH_UPDATES * self._loop.accumulate

        def run(feed: Any) -> None:
            engine.run(feed, max_epochs=EPOCHS, epoch_length=length)

        engine.logger = logging.Logger(NAME, logging.CRITICAL + 1)  # it would tell of every run that is not ended
        return optimizer, DrivenFit(run, length, "Engine.run")

    def __call__(self, model: Any, _objective: Any) -> Driven:
        optimizer, fit = self.started(model)

        return Driven(lambda inputs, targets: fit.hand(self._loop.batches.joined(inputs, targets)), optimizer)
