"""A net of skorch: ``gdprops check train.py:net --as skorch --batches train.py:batch``.

The subject is a function that makes a NeuralNet, or a class of one, whose arguments ``-p`` states. Every example makes
a fresh net around gdprops' model, and ``partial_fit`` drives it, with all of its callbacks; what skorch would do with a
dataset (the split for validation, the loader) is left out, for gdprops hands over the batches. J is what ``get_loss``
computes of what ``infer`` returns. Clipping and schedulers are read from the net's callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError, text_of
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.batches import Batches, function_of
from gdprops.subjects.trainers.driven_fit import DrivenFit
from gdprops.subjects.trainers.schedulers import follower
from gdprops.subjects.trainers.step import (
    EPOCH_UPDATES,
    EPOCHS,
    Defaults,
    equal_counts,
    own_parameters,
    sorted_arguments,
    trained,
)
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.training_step.schedule import UPDATE
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "skorch"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
OF_STEP = ("batches", "accumulate", "clip_norm", "clip_value")


def skorch_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return a NeuralNet, by a function that makes one or by its class, as a training step that ``partial_fit`` drives.

    ``given``: arguments of the net, ``batches``, a function ``(index) -> (X, y)``, and what the net does not show: the
    bounds of clipping and the length of a window. Raises `UsageError` in one line for anything that cannot be used.
    """
    require_installed("skorch", NAME)
    if not callable(found):
        raise UsageError(f"{spec} is {type_of(found)}; expected a function that makes a NeuralNet, or its class")
    asked = sorted_arguments(
        given,
        trainer={},
        module=own_parameters(found),
        others=OF_STEP,
        set_by_gdprops=(),
        called=f"--as {NAME} {spec}",
    )
    if "batches" not in asked.others:
        raise UsageError(f"{name} needs --batches, a function (index) -> (X, y)")
    batches = Batches(function_of(asked.others["batches"]))
    makes = _Nets(found, asked.of_module, spec)
    build = _Build(makes, batches, asked.others.get("accumulate", 1))
    with isolated():
        defaults = _read(build, makes, name, asked.others)
    return trained(
        NAME,
        build,
        models=makes.model,
        batches=batches,
        objective=build.objective,
        defaults=defaults,
        made_from={"net": found, "arguments": dict(given)},
        declared=asked.of_step,
        given=given,
        name=name,
        spec=spec,
    )


@final
class _Nets:
    """Makes a fresh net for every example."""

    def __init__(self, found: Callable[..., Any], arguments: Mapping[str, Any], spec: str) -> None:
        self._found, self._arguments, self._spec = found, arguments, spec

    def net(self) -> Any:
        """Return a fresh net, which prints nothing and splits nothing off."""
        from skorch import NeuralNet

        try:
            made = self._found(**self._arguments)
        except Exception as error:
            raise UsageError(f"{self._spec} raised {type(error).__name__}: {text_of(error)}") from error
        if not isinstance(made, NeuralNet):
            raise UsageError(f"{self._spec} makes {type_of(made)}; expected a skorch.NeuralNet")
        made.set_params(verbose=0, train_split=None, max_epochs=EPOCHS, device="cpu")
        return made

    def model(self) -> Any:
        """Return a fresh module of the net."""
        made = self.net()
        try:
            made.initialize()
        except Exception as error:
            raise UsageError(f"{self._spec}: initialize() raised {type(error).__name__}: {text_of(error)}") from error
        return made.module_

    def around(self, model: Any) -> Any:
        """Return a fresh net whose module is a given one, initialized."""
        made = self.net()
        for key in [key for key in vars(made) if key.startswith("module__")]:
            delattr(made, key)  # with arguments skorch would make a module of its own
        vars(made)["module"] = model  # set as an attribute it would be a further component of the net
        made.initialize()
        return made


@final
class _Build:
    """``build(model, objective)``: a net around the model, whose ``partial_fit`` waits for its first batch."""

    def __init__(self, makes: _Nets, batches: Batches, window: int) -> None:
        self._makes, self._batches, self._window = makes, batches, window
        self._idle: Any = None

    def started(self, model: Any) -> tuple[Any, DrivenFit]:
        """Return a net around a model, and its fit."""
        net = self._makes.around(model)
        net.get_split_datasets = lambda X, y=None, **_more: (X, None)  # skorch's names
        net.get_iterator = lambda dataset, training=False: dataset
        net.check_data = lambda *_args, **_more: None
        return net, DrivenFit(net.partial_fit, EPOCH_UPDATES * self._window, "partial_fit")

    def __call__(self, model: Any, _objective: Any) -> Driven:
        net, fit = self.started(model)
        return Driven(lambda inputs, targets: fit.hand(self._batches.joined(inputs, targets)), net.optimizer_)

    def objective(self, model: Any, inputs: Any, targets: Any) -> Any:
        """Return the loss that the net computes of a batch, with a model of ours in the place of its own."""
        if self._idle is None:
            self._idle = self._makes.net().initialize()
        net, held = self._idle, self._idle.module_
        vars(net)["module_"] = model
        try:
            return net.get_loss(net.infer(inputs), targets, X=inputs, training=True)
        finally:
            vars(net)["module_"] = held


def _read(build: _Build, makes: _Nets, name: str, others: Mapping[str, Any]) -> Defaults:
    """Return what the callbacks of a net that has started do to the step, and what is declared beside it."""
    from skorch.callbacks import GradientNormClipping, LRScheduler
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    try:
        net, _fit = build.started(makes.model())
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{name}: partial_fit raised {type(error).__name__}: {text_of(error)}") from error
    window, most = others.get("accumulate", 1), others.get("clip_norm")
    told = [f"skorch: partial_fit drives on the CPU; epochs of {EPOCH_UPDATES} updates are fed to it"]
    schedule: Any = None
    per: int | str = UPDATE
    for _, callback in net.callbacks_:
        if isinstance(callback, GradientNormClipping) and callback.gradient_clip_value is not None:
            most = callback.gradient_clip_value
            told.append(f"GradientNormClipping: gradients are clipped to the norm {most:g}")
        if isinstance(callback, LRScheduler) and not isinstance(callback.lr_scheduler_, ReduceLROnPlateau):
            each = callback.step_every == "batch"
            schedule, per = follower(callback.lr_scheduler_), UPDATE if each else EPOCH_UPDATES
            told.append(f"LRScheduler advances every {'batch' if each else 'epoch'}")
    if window > 1:
        told.append(f"accumulate={window}: every micro-batch counts alike in its window")
    return Defaults(window, most, others.get("clip_value"), equal_counts, schedule, per, tuple(told))
