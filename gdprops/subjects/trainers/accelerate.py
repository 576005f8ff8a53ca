"""A loop that runs on an Accelerator: ``gdprops check train.py:train --as accelerate -p models=… -p objective=…``.

The subject is a function ``(accelerator, model, loader)`` with the user's own loop. It makes and prepares its optimizer
and goes through the loader; gdprops hands it one batch after the other. The optimizer and the scheduler are those that
the Accelerator has prepared. A window is what ``-p gradient_accumulation_steps=`` says to the Accelerator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.driven_fit import DrivenFit
from gdprops.subjects.trainers.schedulers import follower
from gdprops.subjects.trainers.step import Defaults, equal_counts, trained
from gdprops.subjects.trainers.user_loop import UserLoop, user_loop
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.signatures import can_take, parameters_of

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "accelerate"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
FEED_UPDATES = 64
"""How many updates a pass through the loader has: a function may go through it only once."""
SET_HERE = ("cpu", "device_placement")


def accelerate_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return a function of an Accelerator, a model and a loader as a training step.

    ``given``: ``models``, ``objective`` and ``batches``, which name functions; the bounds of clipping; arguments of the
    Accelerator. Raises `UsageError` in one line for anything that cannot be used.
    """
    require_installed("accelerate", NAME)
    if not callable(found) or not can_take(found, None, None, None):
        what = "a function that takes other arguments" if callable(found) else type_of(found)
        raise UsageError(f"{spec} is {what}; expected a function (accelerator, model, loader) that trains the model")
    import accelerate

    loop = user_loop(
        given,
        trainer=parameters_of(accelerate.Accelerator) or {},
        set_by_gdprops=SET_HERE,
        by_hand=False,
        called=f"--as {NAME} {spec}",
        name=name,
    )
    build = _Build(found, loop)
    with isolated():
        defaults = _read(build, loop, name)
    return trained(
        NAME,
        build,
        models=loop.models,
        batches=loop.batches,
        objective=loop.of_batch,
        defaults=defaults,
        made_from={"train": found, "arguments": dict(given)},
        declared=loop.of_step,
        given=given,
        name=name,
        spec=spec,
    )


@final
class _Build:
    """``build(model, objective)``: calls the function, which waits for its first batch."""

    def __init__(self, found: Callable[..., Any], loop: UserLoop) -> None:
        self._found, self._loop = found, loop

    def started(self, model: Any) -> tuple[Any, DrivenFit]:
        """Return an Accelerator, and the function that trains a model with it."""
        import accelerate

        accelerator = accelerate.Accelerator(cpu=True, **self._loop.of_trainer)
        length = FEED_UPDATES * accelerator.gradient_accumulation_steps
        name = getattr(self._found, "__name__", "the function")
        return accelerator, DrivenFit(lambda feed: self._found(accelerator, model, feed), length, name)

    def __call__(self, model: Any, _objective: Any) -> Driven:
        accelerator, fit = self.started(model)
        optimizers = [one.optimizer for one in accelerator._optimizers]
        if not optimizers:
            raise UsageError("the function prepares no optimizer: accelerator.prepare(model, optimizer, loader)")
        return Driven(
            lambda inputs, targets: fit.hand(self._loop.batches.joined(inputs, targets)),
            optimizers if len(optimizers) > 1 else optimizers[0],
        )


def _read(build: _Build, loop: UserLoop, name: str) -> Defaults:
    """Return what the Accelerator does to the step, and what is declared of clipping."""
    accelerator, _fit = loop.tried(build.started, name)
    window = accelerator.gradient_accumulation_steps
    told = ["accelerate: the function's own loop drives, with an Accelerator on the CPU"]
    if window > 1:
        told.append(
            f"gradient_accumulation_steps={window}: accelerator.backward divides every loss by {window}, so that all "
            "micro-batches count alike, however many rows they have"
        )
    schedulers = [one.scheduler for one in accelerator._schedulers]
    if schedulers:
        told.append(f"{type(schedulers[0]).__name__}, which is prepared, advances once per update")
    return Defaults(
        window,
        loop.clip_norm,
        loop.clip_value,
        equal_counts if window > 1 else None,
        follower(schedulers[0]) if schedulers else None,
        told=tuple(told),
    )
