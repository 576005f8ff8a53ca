"""A loop that runs on Lightning Fabric: ``gdprops check train.py:train --as fabric -p models=… -p objective=…``.

The subject is a function ``(fabric, model, loader)`` with the user's own loop. It sets its model and optimizer up with
the Fabric and goes through the loader; gdprops hands it one batch after the other. The optimizers are those that the
Fabric has set up. Fabric itself neither clips nor accumulates: ``-p clip_norm=`` and ``-p accumulate=`` say what the
loop is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.driven_fit import DrivenFit
from gdprops.subjects.trainers.step import Defaults, equal_counts, trained
from gdprops.subjects.trainers.user_loop import UserLoop, user_loop
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.signatures import can_take, parameters_of

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "fabric"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
FEED_UPDATES = 64
"""How many updates a pass through the loader has: a function may go through it only once."""
SET_HERE = ("accelerator", "devices", "num_nodes", "strategy")


def fabric_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return a function of a Fabric, a model and a loader as a training step.

    ``given``: ``models``, ``objective`` and ``batches``, which name functions; the bounds of clipping and the length of
    a window; arguments of the Fabric. Raises `UsageError` in one line for anything that cannot be used.
    """
    require_installed("lightning", NAME)
    if not callable(found) or not can_take(found, None, None, None):
        what = "a function that takes other arguments" if callable(found) else type_of(found)
        raise UsageError(f"{spec} is {what}; expected a function (fabric, model, loader) that trains the model")
    from lightning.fabric import Fabric

    loop = user_loop(
        given,
        trainer=parameters_of(Fabric) or {},
        set_by_gdprops=SET_HERE,
        by_hand=True,
        called=f"--as {NAME} {spec}",
        name=name,
    )
    build = _Build(found, loop)
    with isolated():
        loop.tried(build.started, name)
    expected = Defaults(loop.accumulate, loop.clip_norm, loop.clip_value, equal_counts, loop.schedule)
    told = ["fabric: the function's own loop drives, with a Fabric on the CPU"]
    if loop.accumulate > 1:
        told.append(f"accumulate={loop.accumulate}: every micro-batch counts alike in its window")
    return trained(
        NAME,
        build,
        models=loop.models,
        batches=loop.batches,
        objective=loop.of_batch,
        defaults=replace(expected, told=tuple(told)),
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

    def started(self, model: Any) -> tuple[list[Any], DrivenFit]:
        """Return the optimizers that the function has set up by its first batch, and the function as it waits there."""
        fabric, optimizers = _watched_fabric(self._loop.of_trainer)
        name = getattr(self._found, "__name__", "the function")
        length = FEED_UPDATES * self._loop.accumulate
        fit = DrivenFit(lambda feed: self._found(fabric, model, feed), length, name)
        return optimizers, fit

    def __call__(self, model: Any, _objective: Any) -> Driven:
        optimizers, fit = self.started(model)
        if not optimizers:
            raise UsageError("the function sets no optimizer up: model, optimizer = fabric.setup(model, optimizer)")
        return Driven(
            lambda inputs, targets: fit.hand(self._loop.batches.joined(inputs, targets)),
            optimizers if len(optimizers) > 1 else optimizers[0],
        )


def _watched_fabric(arguments: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """Return a Fabric on the CPU, and the list into which it puts each optimizer that it sets up.

    Its ``setup_dataloaders`` returns the feed as it is, which has no sampler and moves nowhere.
    """
    from lightning.fabric import Fabric

    found = list[Any]()

    class Watched(Fabric):  # type: ignore[misc] # lightning is no part of the environment that types are checked in
        def setup(self, module: Any, *optimizers: Any, **more: Any) -> Any:
            found.extend(optimizers)
            return super().setup(module, *optimizers, **more)

        def setup_optimizers(self, *optimizers: Any) -> Any:
            found.extend(optimizers)
            return super().setup_optimizers(*optimizers)

        def setup_dataloaders(self, *loaders: Any, **_more: Any) -> Any:
            return loaders[0] if len(loaders) == 1 else list(loaders)

    return Watched(accelerator="cpu", devices=1, **arguments), found
