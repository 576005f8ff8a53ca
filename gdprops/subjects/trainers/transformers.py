"""The Trainer of transformers: ``gdprops check train.py:make_trainer --as transformers``.

The subject is a function that makes a Trainer, or a model class or factory, to which ``-p`` gives TrainingArguments.
Every example makes a Trainer anew and lets its ``train`` run. J is what ``compute_loss`` computes of a batch, called
with our copy of the model: what it does beside the model's own loss is told. Clipping, windows, the schedule and what a
micro-batch counts are read from the Trainer.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError, text_of
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.batches import Batches, from_loader, function_of
from gdprops.subjects.trainers.driven_fit import DrivenFit
from gdprops.subjects.trainers.live import Live, live_of
from gdprops.subjects.trainers.schedulers import follower
from gdprops.subjects.trainers.step import Defaults, own_parameters, sorted_arguments, trained
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import RandomState, isolated
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "transformers"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
FEED_UPDATES = 8
"""How many updates an epoch has: with the three epochs of the Trainer's defaults a run may have 24 of them."""
SET_HERE = ("output_dir", "use_cpu", "report_to", "save_strategy", "eval_strategy", "logging_strategy", "disable_tqdm")
QUIET = {"save_strategy": "no", "eval_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}
NO_BATCHES = (
    "gdprops cannot know what the model takes: let the Trainer have a train_dataset, or name a function "
    "(index) -> batch with --batches FILE:function"
)


def transformers_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return a Trainer, by a function that makes it or by its model, as a training step that it drives.

    ``given``: arguments of the function or the model class, TrainingArguments for a model, and ``batches``. Raises
    `UsageError` in one line for anything that cannot be used.
    """
    for module in ("transformers", "accelerate"):
        require_installed(module, NAME)
    if not callable(found):
        raise UsageError(f"{spec} is {type_of(found)}; expected a function that makes a Trainer, or a model class")
    from transformers import TrainingArguments

    asked = sorted_arguments(
        given,
        trainer=parameters_of(TrainingArguments) or {},
        module=own_parameters(found),
        others=("batches",),
        set_by_gdprops=SET_HERE,
        called=f"--as {NAME} {spec}",
    )
    makes = _Makes(found, asked.of_module, asked.of_trainer, spec)
    with isolated(), _quiet():
        trainer = makes.trainer()
        batches = Batches(_batches(trainer, asked.others, name))
        build = _Build(makes, batches)
        defaults = _read(build, trainer, name)
    return trained(
        NAME,
        build,
        models=makes.model,
        batches=batches,
        objective=build.objective,
        defaults=defaults,
        made_from={"trainer": found, "arguments": dict(given)},
        declared=asked.of_step,
        given=given,
        name=name,
        spec=spec,
    )


@final
class _Makes:
    """Makes a fresh Trainer for every example, by the user's function or around the user's model."""

    def __init__(self, found: Any, arguments: Mapping[str, Any], training: Mapping[str, Any], spec: str) -> None:
        self._found, self._arguments, self._training, self._spec = found, arguments, training, spec

    def model(self) -> Any:
        """Return a fresh model: the user's, or that of the user's Trainer."""
        made = self._made()
        return getattr(made, "model", None) if self._is_trainer(made) else made

    def trainer(self, model: Any = None) -> Any:
        """Return a fresh Trainer that trains a model; of a fresh one where none is given."""
        import transformers

        made = None if model is not None and self._makes_models else self._made()
        random = RandomState()
        if made is not None and self._is_trainer(made):
            found = made if model is None else _with_model(made, model)
        else:
            folder = tempfile.gettempdir()
            settings = {"output_dir": folder, "use_cpu": True, "report_to": "none", **QUIET, **self._training}
            found = transformers.Trainer(
                model=made if model is None else model, args=transformers.TrainingArguments(**settings)
            )
            random.put()  # a Trainer seeds all random numbers with 42
        for key, value in QUIET.items():
            setattr(found.args, key, value)
        for callback in list(found.callback_handler.callbacks):
            if type(callback) is not transformers.DefaultFlowCallback and _is_of_transformers(callback):
                found.remove_callback(callback)
        return found

    _makes_models = False

    def _made(self) -> Any:
        import torch

        random = RandomState()
        try:
            made = self._found(**self._arguments)
        except Exception as error:
            raise UsageError(f"{self._spec} raised {type(error).__name__}: {text_of(error)}") from error
        if self._is_trainer(made):
            random.put()
            if self._training:
                stated = ", ".join(self._training)
                raise UsageError(f"{self._spec} makes its Trainer itself, so that -p cannot give it {stated}")
            return made
        if not isinstance(made, torch.nn.Module):
            raise UsageError(f"{self._spec} makes {type_of(made)}; expected a transformers.Trainer or a model")
        self._makes_models = True
        return made

    @staticmethod
    def _is_trainer(made: Any) -> bool:
        import transformers

        return isinstance(made, transformers.Trainer)


def _is_of_transformers(callback: Any) -> bool:
    return type(callback).__module__.partition(".")[0] == "transformers"


def _with_model(trainer: Any, model: Any) -> Any:
    """Return a Trainer that trains another model of the same form: an optimizer that it was given moves to that."""
    if trainer.optimizer is not None:
        others = {id(p): q for p, q in zip(trainer.model.parameters(), model.parameters(), strict=True)}
        for group in trainer.optimizer.param_groups:
            group["params"] = [others.get(id(p), p) for p in group["params"]]
    trainer.model = trainer.model_wrapped = trainer.callback_handler.model = model
    return trainer


def _batches(trainer: Any, given: Mapping[str, Any], name: str) -> Callable[[int], Any]:
    """Return the batches by index: a function's, or those of the Trainer's dataset. Raises `UsageError`."""
    if "batches" in given:
        return function_of(given["batches"])
    if trainer.train_dataset is None:
        raise UsageError(f"{name} has no batches; {NO_BATCHES}")
    return from_loader(trainer.get_train_dataloader(), name)


@final
class _Build:
    """``build(model, objective)``: starts to train the model, and waits for the first batch."""

    def __init__(self, makes: _Makes, batches: Batches) -> None:
        self._makes, self._batches, self._handed = makes, batches, [0]
        self._idle: Live | None = None

    def started(self, trainer: Any) -> DrivenFit:
        """Return the fit of a Trainer, which has started."""

        def fit(feed: Any) -> None:
            trainer.get_train_dataloader = lambda: feed
            trainer.accelerator.free_memory = _kept  # it collects garbage, which takes 0.6 s; there is none yet
            trainer.train()

        length = FEED_UPDATES * trainer.args.gradient_accumulation_steps
        with _quiet():
            return DrivenFit(fit, length, "Trainer.train")

    def __call__(self, model: Any, _objective: Any) -> Driven:
        random = RandomState()
        trainer = self._makes.trainer(model)
        fit = self.started(trainer)
        random.put()
        live = Live(trainer, self._handed, **_where(trainer)).attach(model)

        def step(inputs: Any, targets: Any) -> None:
            live.note(**_where(trainer))
            with _quiet():
                fit.hand(self._batches.joined(inputs, targets))

        return Driven(step, getattr(trainer.optimizer, "optimizer", trainer.optimizer))

    def objective(self, model: Any, inputs: Any, targets: Any) -> Any:
        """Return the loss that ``compute_loss`` computes of one batch, with what this batch alone counts."""
        live = live_of(model) or self._idle_run()
        batch = self._batches.joined(inputs, targets)
        with _as_noted(live) as trainer:
            prepared = trainer._prepare_inputs(dict(batch))
            return trainer.compute_loss(model, prepared, num_items_in_batch=items_in(trainer, batch))

    def counts(self, inputs: Any, targets: Any) -> float:
        """Return what a micro-batch counts in its window: its labels, where the Trainer divides by these, or 1."""
        trainer, batch = self._idle_run().trainer, self._batches.joined(inputs, targets)
        items = items_in(trainer, batch)
        return 1.0 if items is None or not counts_items(trainer, items) else float(items)

    def beside_the_loss(self, trainer: Any) -> list[str]:
        """Return what compute_loss makes of the model's own loss of the first batch, where it is another number."""
        import torch

        random, batch, model = RandomState(), self.first(), trainer.model
        trains = model.training
        try:
            with torch.no_grad():
                outputs = model.eval()(**trainer._prepare_inputs(dict(batch)))
                own = float(outputs["loss"] if isinstance(outputs, Mapping) else outputs[0])
                computed = float(self.objective(model, batch, None))
        except Exception:  # whatever a model raises that the trial will report
            return []
        finally:
            model.train(trains)
            random.put()
        if abs(computed - own) <= 1e-5 * abs(own):
            return []
        return [f"compute_loss gives {computed / own:.4g} times the model's own loss: it divides by what it counts"]

    def first(self) -> Mapping[str, Any]:
        """Return the first batch."""
        batch: Mapping[str, Any] = self._batches.joined(*self._batches(0))
        return batch

    def _idle_run(self) -> Live:
        if self._idle is None:
            with _quiet():
                trainer = self._makes.trainer()
            self._idle = Live(trainer, [0], **_where(trainer))
        return self._idle


def items_in(trainer: Any, batch: Mapping[str, Any]) -> Any:
    """Return how many labels the Trainer counts in a batch, None where it counts none."""
    return trainer._get_num_items_in_batch([batch], trainer.args.device)


def counts_items(trainer: Any, items: Any) -> bool:
    """Say whether the Trainer takes the losses of a window as sums over its labels: else it divides by the window."""
    stated = getattr(trainer, "loss_is_scaled_for_ga", None)
    if stated is not None:
        return bool(stated)
    return (trainer.model_accepts_loss_kwargs and items is not None) or trainer.compute_loss_func is not None


def _kept(*objects: Any) -> tuple[Any, ...]:
    """Return what is not to be freed."""
    return objects


def _where(trainer: Any) -> dict[str, Any]:
    return {"global_step": trainer.state.global_step, "epoch": trainer.state.epoch}


@contextmanager
def _as_noted(live: Live) -> Iterator[Any]:
    """Let a Trainer be where it was when the last batch was handed over."""
    trainer, state = live.trainer, live.trainer.state
    held = _where(trainer)
    if held != live.noted:
        state.global_step, state.epoch = live.at("global_step"), live.at("epoch")
    try:
        yield trainer
    finally:
        state.global_step, state.epoch = held["global_step"], held["epoch"]


def _read(build: _Build, trainer: Any, name: str) -> Defaults:
    """Return what a Trainer does to the step, and all of it in sentences."""
    try:
        _fit = build.started(trainer)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"{name}: Trainer.train raised {type(error).__name__}: {text_of(error)}") from error
    args = trainer.args
    window, most = args.gradient_accumulation_steps, args.max_grad_norm or None
    told = [f"transformers: the Trainer drives on the CPU, for {trainer.state.max_steps} updates"]
    if most is not None:
        told.append(f"max_grad_norm={most:g}: gradients are clipped to this norm")
    batch = build.first()
    scaled = counts_items(trainer, items_in(trainer, batch))
    if window > 1:
        by = "by the labels that it counts" if scaled else "alike, however many rows it has"
        told.append(f"gradient_accumulation_steps={window}: every micro-batch counts {by}")
    kind = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
    schedule = None if kind == "constant" else follower(trainer.lr_scheduler)
    told += [] if schedule is None else [f"lr_scheduler_type={kind}: advances once per update"]
    told += build.beside_the_loss(trainer)
    return Defaults(window, most, None, build.counts if window > 1 else None, schedule, told=tuple(told))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the Trainer's advice to itself: it is about how gdprops has set it up."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
