"""One case on one rank: the user's ``build`` and step, called as a training script would call them.

After every logical step the parameters are read without any communication: what a rank holds of each is sent to the
judging process, which puts it together. So reading can neither hang nor repair anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gdprops.errors import GdpropsError, UsageError, text_of
from gdprops.subjects.distributed_step.own_models import from_places
from gdprops.subjects.distributed_step.ranks import collectives, sends
from gdprops.subjects.distributed_step.ranks.messages import Ask, Raised, Ran, Seen
from gdprops.subjects.distributed_step.ranks.read_back import buffers_of, core_of, layout_of, optimizer_seen, pieces_of
from gdprops.subjects.distributed_step.ranks.stages import STAGE, held_of, require_stages
from gdprops.subjects.distributed_step.tasks import masks_of, task_of
from gdprops.subjects.distributed_step.user_objects import found
from gdprops.subjects.torch_optimizer.state import settings_of
from gdprops.subjects.training_step.returned import Returned, returned
from gdprops.subjects.user_code.isolation import seed_random_numbers
from gdprops.subjects.user_code.place import place_of
from gdprops.subjects.user_code.signatures import can_take, parameters_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

ANEW = ("initialize the default process group twice", "EADDRINUSE")
"""What torch says where a process group is made though there is one, or was: its port is taken."""


class _Stopped(Exception):
    """The user's code has raised an exception, which is told to the judging process."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.text)
        self.raised = raised


def run(ask: Ask, rank: int, world: int) -> Ran:
    """Return what a case shows on this rank."""
    os.chdir(ask.here)
    begun = collectives.mark()
    one = _OneRank(ask, rank, world)
    raised = None
    try:
        one.train()
    except _Stopped as stopped:
        raised = stopped.raised
    issued = collectives.since(begun, one.numbers, traced=ask.traced or raised is not None)
    return one.told(raised, issued)


class _OneRank:
    """A model, the user's step for it, and what it shows step by step."""

    def __init__(self, ask: Ask, rank: int, world: int) -> None:
        self._ask, self._rank, self._world = ask, rank, world
        self._parts = Returned(None, None)
        self._steps = list[Seen]()
        self._built = dict[str, Any]()
        self._called = list[tuple[Mapping[str, Any], ...]]()
        self._met: Mapping[str, Array] | None = None
        self._sends = sends.counts()
        self.numbers = collectives.sequence_numbers()
        """The sequence numbers of the groups when the first step begins."""

    def _note_buffers(self, model: nn.Module, *_: Any) -> None:
        """Keep the buffers that the first forward pass of a step finds: plain DDP synchronizes them only there."""
        self._met = buffers_of(model) if self._met is None else self._met

    def train(self) -> None:
        """Build the step, and take all logical steps."""
        case = self._ask.case
        with _telling("importing your code", usage=True):
            given = {key: found(place, self._ask.folders) for key, place in self._ask.given.items()}
        seed_random_numbers(case.train.plan.seed)
        build = given["build"]
        task = task_of(case, from_places(given))
        with _telling("models()", usage=True):
            model = task.model()
        given_parameters = len(list(model.parameters()))
        model.register_forward_pre_hook(self._note_buffers)
        # as scripts do: ranks with other rows drop other units
        seed_random_numbers(case.train.plan.seed + case.part_of(self._rank))
        if self._ask.apart:
            for p in model.parameters():
                p.data += self._rank
        with _telling(f"{build.__name__}(model, loss_fn, rank, world)"):
            built = build(model, task.criterion(), self._rank, self._world)
        with _telling("build", usage=True):
            self._parts = returned(built, getattr(build, "__qualname__", "build"), more=(STAGE,))
            stage = self._parts.beside.get(STAGE)
            require_stages(case.mesh, stage, len(held_of(model, stage)), given_parameters)
        self._note_build(model)
        self._load()
        self.numbers, self._sends = collectives.sequence_numbers(), sends.counts()
        step, tells = self._parts.step, self._built["told_last"]
        for t in range(case.saved_after if self._ask.load_from else 0, task.steps):
            self._called.clear()
            self._met = None
            rows = case.micro_batches(self._rank)
            for number, chosen in enumerate(rows, start=1):
                with _telling("batches(i)", usage=True):
                    data = task.whole(t, chosen)
                with _telling("step(inputs, targets)"):
                    step(data.inputs, data.targets, **({"last": number == len(rows)} if tells else {}))
            self._steps.append(self._seen(model))
            if t + 1 == case.saved_after:
                self._save()

    def _save(self) -> None:
        if self._ask.save_to:
            with _telling("save(path)"):
                self._parts.beside["save"](self._ask.save_to)

    def _load(self) -> None:
        if self._ask.load_from:
            with _telling("load(path)"):
                self._parts.beside["load"](self._ask.load_from)

    def _note_build(self, model: nn.Module) -> None:
        optimizer, beside = self._parts.optimizer, self._parts.beside
        held = held_of(model, beside.get(STAGE))
        self._built |= {
            "start": pieces_of(held),
            "trainable": {name: p.requires_grad for name, p in held.items()},
            "layout": layout_of(held),
            "told_last": "last" in (parameters_of(self._parts.step) or {}),
            "step_at": self._parts.at,
            "saves": all(key in beside and can_take(beside[key], "path") for key in ("save", "load")),
            "has_optimizer": optimizer is not None,
            "optimizer": None if optimizer is None else optimizer_seen(optimizer, model),
        }
        if optimizer is None:
            return
        if self._ask.case.sets_rate:
            self._set_rates(optimizer)
        core_of(optimizer).register_step_pre_hook(lambda called, *_: self._called.append(_plain(settings_of(called))))

    def _set_rates(self, optimizer: Any) -> None:
        rates = self._ask.case.train.plan.rates or ()
        for k, group in enumerate(optimizer.param_groups if rates else ()):
            if isinstance(group.get("lr"), float | int) and not isinstance(group.get("lr"), bool):
                group["lr"] = rates[k % len(rates)]

    def _seen(self, model: nn.Module) -> Seen:
        held = held_of(model, self._parts.beside.get(STAGE))
        gradients = {name: p.grad for name, p in held.items() if p.grad is not None}
        return Seen(
            pieces_of(held),
            self._called[0] if self._called else None,
            self._met,
            tuple(mask.numpy() for mask in masks_of(model)),
            pieces_of(gradients) if self._ask.traced else {},
        )

    def told(self, raised: Raised | None, issued: collectives.Recorded) -> Ran:
        """Return everything that the rank has shown."""
        sent, received = (now - before for now, before in zip(sends.counts(), self._sends, strict=True))
        return Ran(
            self._rank,
            steps=tuple(self._steps),
            raised=raised,
            collectives=issued.newest,
            counts=issued.counts,
            sent=dict(sent),
            received=dict(received),
            groups=collectives.count_of_groups(),
            **self._built,
        )


def _plain(settings: list[dict[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the hyperparameters that can be sent: numbers, texts, tuples of these, and tensors as numbers."""
    return tuple({key: _sent(value) for key, value in group.items() if _can_be_sent(value)} for group in settings)


def _can_be_sent(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_can_be_sent, value))
    return value is None or isinstance(value, bool | int | float | str | Tensor)


def _sent(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


@contextmanager
def _telling(doing: str, *, usage: bool = False) -> Iterator[None]:
    """Turn what the user's code raises into something that can be told. ``usage``: gdprops refuses what it is given."""
    try:
        yield
    except (torch._C._DistError, Exception) as error:
        refused = usage or isinstance(error, UsageError)
        text, place = text_of(error), place_of(error)
        if any(said in text for said in ANEW):
            refused, text = True, f"{text}: gdprops has made it, with gloo; guard it with dist.is_initialized()"
        shown = "" if place is None or isinstance(error, GdpropsError) else str(place)
        raise _Stopped(Raised(doing, type(error).__name__, text, shown, monotonic(), refused)) from error
    except (SystemExit, KeyboardInterrupt) as error:
        raise _Stopped(Raised(doing, type(error).__name__, text_of(error), "", monotonic())) from error
