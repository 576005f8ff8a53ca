"""One session of watching: torch is hooked at its begin and free of us at its end, whatever the run does."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.errors import UsageError
from gdprops.model.ledger import Ending, record_of
from gdprops.watching.hooks import Hooks
from gdprops.watching.kept_step import KeptStep
from gdprops.watching.limits import ENTRIES, STEPS
from gdprops.watching.living_objects import objects_of
from gdprops.watching.recorder import Recorder

if TYPE_CHECKING:
    from gdprops.model.ledger import Ledger


@final
class Session:
    """What is seen of a run between `begin` and `end`: its first ``steps`` steps, and as many after each ``every``."""

    def __init__(
        self,
        steps: int,
        *,
        entries: int,
        every: int | None = None,
        record: Path | None = None,
        rank: int | None = None,
        copies: bool = False,
    ) -> None:
        for name, value in (("steps", steps), ("entries", entries)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name}={value!r}; expected a whole number of at least 1")
        if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every <= steps):
            raise UsageError(f"every={every!r}; expected a whole number above steps={steps}")
        self._steps, self._entries, self._every = steps, entries, every
        self._stretches: list[Recorder] = []
        self._rank, self._copies = rank, copies
        self._passed = self._rested = 0
        self._recorder = self._new_recorder()
        if record is not None:
            self._recorder.kept = KeptStep(record)
            self._recorder.kept.require()
        self._kept = self._recorder.kept
        self._hooks = Hooks(self._recorder, None if every is None else self._rest)
        self._is_over = False

    def _new_recorder(self) -> Recorder:
        recorder = Recorder(self._steps, entries=self._entries, on_done=self._unwrap)
        recorder.stretch, recorder.before = len(self._stretches), self._passed
        recorder.copies = self._copies
        recorder.rank, recorder.is_distributed = self._rank or 0, self._rank is not None
        self._stretches.append(recorder)
        return recorder

    def begin(self) -> None:
        """Hook torch."""
        self._hooks.install()

    def _unwrap(self) -> None:
        self._rested = 0
        if self._every is None or self._recorder.error is not None:
            self._hooks.remove_wrappers()
        else:
            self._hooks.rest()

    def _rest(self, optimizer: Any) -> None:
        """Count a step that is not watched, and watch again where it is time."""
        self._rested += 1
        if self._every is not None and self._rested >= self._every - self._steps and self._recorder.error is None:
            self._passed += self._recorder.steps + self._rested
            self._recorder = self._new_recorder()
            self._hooks.resume(self._recorder)
            self._recorder.resumes(optimizer)

    def end(self, error: BaseException | None = None) -> None:
        """Take every hook away. ``error`` is what the run has raised."""
        recorder = self._recorder
        if self._is_over:
            return
        self._is_over = True
        if not recorder.done:
            recorder.done = True
            recorder.ending = Ending.FINISHED if error is None or _says_success(error) else Ending.RAISED
        self._hooks.remove()
        _see_objects(self._stretches)
        for one in self._stretches:
            one.settle()

    def ledgers(self) -> tuple[Ledger, ...]:
        """Return what was seen, one ledger for each thread in which an optimizer stepped."""
        seen = [ledger for recorder in self._stretches for ledger in recorder.ledgers()]
        return tuple(ledger for ledger in seen if not ledger.stretch or ledger.steps)

    @property
    def kept(self) -> Path | None:
        """The file of the step that was kept, None where none was."""
        kept = self._kept
        return kept.file if kept is not None and kept.is_written else None

    @property
    def steps(self) -> int:
        """How many steps of optimizers have begun so far."""
        return sum(recorder.steps for recorder in self._stretches)

    @property
    def error(self) -> str | None:
        """The traceback of an error of gdprops that has ended the watching, if there was one."""
        return self._recorder.error

    @property
    def seconds(self) -> float:
        """How long the entries of the recorder took."""
        return sum(recorder.seconds for recorder in self._stretches)


def _says_success(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and not error.code


def _see_objects(recorders: Sequence[Recorder]) -> None:
    """Meet every optimizer that exists, also those that did not step, and every module that is kept equal."""
    for found in objects_of(torch.nn.Module, torch.optim.Optimizer):
        if isinstance(found, torch.nn.Module):
            for recorder in recorders:
                recorder.registry.mark_replicated(found)
        elif hasattr(found, "param_groups"):
            for recorder in recorders:
                number = recorder.registry.optimizer(found)
                tensors = [tensor for group in found.param_groups for tensor in group["params"]]
                met = (recorder.registry.known_parameter(tensor) for tensor in tensors)
                recorder.registry.optimizers[number].holds |= {n for n in met if n is not None}


def watched(
    run: Callable[[], object],
    *,
    steps: int = STEPS,
    entries: int = ENTRIES,
    rank: int | None = None,
    copies: bool = False,
) -> tuple[Ledger, ...]:
    """Return the ledgers of a function that trains. Raises `RuntimeError` if gdprops itself failed while watching."""
    session = Session(steps, entries=entries, rank=rank, copies=copies)
    session.begin()
    try:
        run()
    finally:
        session.end()
    if session.error is not None:
        raise RuntimeError(session.error)
    return session.ledgers()


def watched_ranks(run: Callable[[], object], count: int) -> tuple[Ledger, ...]:
    """Return the ledger of rank 0 of a function that trains, run once for each rank, with what the others told."""
    before = dict(os.environ)
    ledgers = []
    try:
        for rank in range(count):
            os.environ["RANK"] = str(rank)
            ledgers.append(watched(run, rank=rank)[0])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return (replace(ledgers[0], ranks=tuple(map(record_of, ledgers[1:]))),)
