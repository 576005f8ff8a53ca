"""A LightningModule that its real Trainer drives: ``gdprops check train.py:Module --as lightning``.

Every example builds a fresh module, and one ``Trainer.fit`` trains it: on the CPU, on one device, with a logger that
keeps nothing, without sanity checks and checkpoints, in a temporary folder. J is what ``training_step`` computes of a
batch, called on our copy of the module. Clipping, accumulation and schedulers are read from the Trainer that has
started.
"""

from __future__ import annotations

import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import Unsupported, UsageError, text_of
from gdprops.model.wording import plural, type_of
from gdprops.subjects.trainers.batches import Batches, from_loader, function_of, named
from gdprops.subjects.trainers.driven_fit import DrivenFit
from gdprops.subjects.trainers.live import Live, live_of
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
from gdprops.subjects.user_code.signatures import can_take, parameters_of

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "lightning"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
LIBRARIES = ("lightning.pytorch", "pytorch_lightning")
NO_BATCHES = (
    "gdprops cannot know what training_step takes: give the module a train_dataloader(), or name a DataModule with "
    "-p datamodule=FILE:Class, or a function (index) -> batch with --batches FILE:function"
)
START = {"global_step": 0, "current_epoch": 0, "batch_idx": 0}
SET_HERE = (
    "accelerator",
    "devices",
    "logger",
    "num_sanity_val_steps",
    "enable_checkpointing",
    "enable_progress_bar",
    "enable_model_summary",
    "default_root_dir",
    "limit_val_batches",
)


def lightning_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return a LightningModule, by its class or a factory, as a training step that the Trainer drives.

    ``given``: arguments of the module, of the Trainer, and ``batches`` or ``datamodule``. Raises `UsageError` in one
    line for anything that cannot be used.
    """
    if not any(library in sys.modules for library in LIBRARIES):
        require_installed("lightning", NAME)
    if not callable(found):
        raise UsageError(f"{spec} is {type_of(found)}; expected a LightningModule class, or a function that makes one")
    library = _library(found)
    asked = sorted_arguments(
        given,
        trainer=parameters_of(library.Trainer) or {},
        module=own_parameters(found),
        others=("batches", "datamodule"),
        set_by_gdprops=SET_HERE,
        called=f"--as {NAME} {spec}",
    )
    models = _Models(found, asked.of_module, library, spec)
    batches = Batches(_batches(models, asked.others, name))
    build = _Build(library, asked.of_trainer, batches, EPOCH_UPDATES)
    with isolated(), _quiet():
        module = models()
        build, defaults = _read(build, module, name)
    made_from = {"module": found, "arguments": dict(given)}
    return trained(
        NAME,
        build,
        models=models,
        batches=batches,
        objective=build.objective,
        defaults=defaults,
        made_from=made_from,
        declared=asked.of_step,
        given=given,
        name=name,
        spec=spec,
    )


def _library(found: Any) -> Any:
    """Return the package whose LightningModule a class is; of a factory, the one that its file has imported."""
    loaded = [sys.modules[library] for library in LIBRARIES if library in sys.modules]
    own = [one for one in loaded if isinstance(found, type) and issubclass(found, one.LightningModule)]
    if own or loaded:
        return (own or loaded)[0]
    import lightning.pytorch

    return lightning.pytorch


@final
@dataclass(frozen=True, slots=True)
class _Models:
    """Makes a fresh module for every example."""

    found: Callable[..., Any]
    arguments: Mapping[str, Any]
    library: Any
    spec: str

    def __call__(self) -> Any:
        try:
            made = self.found(**self.arguments)
        except Exception as error:
            raise UsageError(f"{self.spec} raised {type(error).__name__}: {text_of(error)}") from error
        if not isinstance(made, self.library.LightningModule):
            raise UsageError(f"{self.spec} makes {type_of(made)}; expected a LightningModule")
        if not made.automatic_optimization:
            raise UsageError(
                f"{self.spec}: its training_step optimizes by itself (automatic_optimization = False), so that it is "
                "no loss that gdprops could differentiate: check the step as --as training-step"
            )
        return made


def _batches(models: _Models, given: Mapping[str, Any], name: str) -> Callable[[int], Any]:
    """Return the batches by index: a function's, a DataModule's or the module's own. Raises `UsageError`."""
    if "batches" in given:
        return function_of(given["batches"])
    if "datamodule" in given:
        found = named(given["datamodule"], "datamodule")
        data = found() if callable(found) else found
        data.prepare_data()
        data.setup("fit")
        return from_loader(data.train_dataloader(), name)
    module = models()
    if type(module).train_dataloader is models.library.LightningModule.train_dataloader:
        raise UsageError(f"{name} has no batches; {NO_BATCHES}")
    module.prepare_data()
    module.setup("fit")
    return from_loader(module.train_dataloader(), name)


@final
class _SeenTrainer:
    """The Trainer as ``training_step`` sees it on our copy of the module: where it was at this step, and no logs."""

    def __init__(self, live: Live) -> None:
        self._live = live

    @property
    def global_step(self) -> int:
        """How many updates there were when the step began."""
        return int(self._live.at("global_step"))

    @property
    def current_epoch(self) -> int:
        """The epoch in which the step began."""
        return int(self._live.at("current_epoch"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live.trainer, name)


@final
class _Build:
    """``build(module, objective)``: starts a fit of the module, which waits for its first batch."""

    def __init__(self, library: Any, arguments: Mapping[str, Any], batches: Batches, length: int) -> None:
        self.library, self.arguments, self.batches, self.length = library, arguments, batches, length
        self._handed = [0]
        self._idle: Live | None = None

    def trainer(self) -> Any:
        """Return a Trainer, as gdprops sets it up and as ``-p`` states."""
        pl = self.library
        limits = {} if {"max_epochs", "max_steps", "max_time"} & set(self.arguments) else {"max_epochs": EPOCHS}
        with _quiet():
            return pl.Trainer(
                accelerator="cpu",
                devices=1,
                logger=pl.loggers.logger.DummyLogger(),
                num_sanity_val_steps=0,
                limit_val_batches=0,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                default_root_dir=tempfile.gettempdir(),
                **limits,
                **self.arguments,
            )

    def started(self, module: Any) -> tuple[Any, DrivenFit]:
        """Return a Trainer that has started to fit a module, and its fit."""
        trainer = self.trainer()
        with _quiet():
            return trainer, DrivenFit(lambda feed: trainer.fit(module, feed), self.length, "Trainer.fit")

    def __call__(self, module: Any, _objective: Any) -> Driven:
        trainer, fit = self.started(module)
        live = Live(trainer, self._handed, **START).attach(module)

        def step(inputs: Any, targets: Any) -> None:
            at = trainer.fit_loop.epoch_loop.batch_progress.current.ready
            live.note(global_step=trainer.global_step, current_epoch=trainer.current_epoch, batch_idx=at)
            with _quiet():
                fit.hand(self.batches.joined(inputs, targets))

        return Driven(step, trainer.optimizers[0], "training_step")

    def objective(self, module: Any, inputs: Any, targets: Any) -> Any:
        """Return the loss that ``training_step`` computes of a batch, as the Trainer would get it from a module."""
        live = live_of(module) or self._idle_run()
        batch = module.on_before_batch_transfer(self.batches.joined(inputs, targets), 0)
        batch = module.on_after_batch_transfer(batch, 0)
        with _attached(module, live):
            more = (live.noted["batch_idx"],) if can_take(module.training_step, batch, 0) else ()
            found = module.training_step(batch, *more)
        loss = found.get("loss") if isinstance(found, Mapping) else found
        if loss is None:
            raise Unsupported("training_step returns no loss for a batch: Lightning then skips it")
        return loss

    def _idle_run(self) -> Live:
        """Return a run that never starts, for a module that no Trainer has been given yet."""
        if self._idle is None:
            self._idle = Live(self.trainer(), [0], **START)
        return self._idle


@contextmanager
def _attached(module: Any, live: Live) -> Iterator[None]:
    """Let a module see its Trainer while it computes a loss for us, and log nothing."""
    held, own = dict(vars(module)), vars(module)
    own |= {"_trainer": _SeenTrainer(live), "log": _nothing, "log_dict": _nothing}
    own.pop("training_step", None)
    try:
        yield
    finally:
        for name in ("_trainer", "log", "log_dict", "training_step"):
            own.pop(name, None)
            if name in held:
                own[name] = held[name]


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    """Log nothing."""


def _read(build: _Build, module: Any, name: str) -> tuple[_Build, Defaults]:
    """Return what the Trainer of a started fit does to the step, and a build whose epochs hold whole windows of it."""
    try:
        trainer, _fit = build.started(module)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{name}: Trainer.fit raised {type(error).__name__}: {text_of(error)}") from error
    window = trainer.accumulate_grad_batches
    most, by_value = trainer.gradient_clip_val or None, trainer.gradient_clip_algorithm == "value"
    told = [f"lightning: the Trainer drives on the CPU; epochs of {plural(EPOCH_UPDATES, 'update')} are fed to it"]
    if window > 1:
        told.append(
            f"accumulate_grad_batches={window}: every micro-batch counts alike in its window, however many rows it has"
        )
    if most is not None:
        told.append(f"gradient_clip_val={most:g}: gradients are clipped {'by value' if by_value else 'to this norm'}")
    advances, schedule = window, None
    per: int | str = UPDATE
    for config in trainer.lr_scheduler_configs[:1]:
        every = math.lcm(config.frequency, window)
        kind = type(config.scheduler).__name__
        if config.reduce_on_plateau:
            told.append(f"{kind} follows {config.monitor!r}, which the module logs: its rates are taken as they are")
            continue
        advances = every if config.interval == "step" else window
        updates = every // window if config.interval == "step" else EPOCH_UPDATES * config.frequency
        per, schedule = updates, follower(config.scheduler)
        times = f"every {updates} updates" if updates > 1 else "once per update"
        told.append(f"{kind} advances {times}, as configure_optimizers states (interval={config.interval!r})")
    longer = _Build(build.library, build.arguments, build.batches, math.lcm(EPOCH_UPDATES * window, advances))
    norm, value = (None, most) if by_value else (most, None)
    counts = equal_counts if window > 1 else None
    return longer, Defaults(window, norm, value, counts, schedule, per, tuple(told))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the Trainer's advice to itself: it is about how gdprops has set it up."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
