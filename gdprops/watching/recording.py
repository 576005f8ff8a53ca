"""What is known of a watched run so far: its events by thread, what is open, and whether the watching is over."""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, ParamSpec, final

import torch
from torch.utils._python_dispatch import _disable_current_modes

from gdprops.model.ledger import CopiedUpdate, Ending, Event, Ledger, StepEnds
from gdprops.model.wording import plural
from gdprops.watching.averaged_weights import AveragedWeights
from gdprops.watching.contents import Contents
from gdprops.watching.copied_gradients import CopiedGradients
from gdprops.watching.copied_step import CopiedStep
from gdprops.watching.gradient_states import GradientStates, Numbered
from gdprops.watching.kept_step import KeptStep
from gdprops.watching.pulled_weights import PulledWeights
from gdprops.watching.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

P = ParamSpec("P")
SERIALS = itertools.count(1)
"""The numbers of recorders: what one has marked, another one that runs beside or after it does not take for its own."""


@final
@dataclass(slots=True)
class OpenStep:
    """A step that runs: its number, or 0 where it is part of another one, and the frame that runs it."""

    number: int
    frame: FrameType | None
    parameters: list[Numbered]
    weights: dict[int, int]
    rates: dict[int, float]


@final
@dataclass(slots=True)
class Thread:
    """What is open in one thread: modules, backward calls, steps, a call of GradScaler.step, calls of schedulers.

    ``meets`` are the parameters that its forward passes and steps have met.
    """

    events: list[Event] = field(default_factory=list)
    meets: set[int] = field(default_factory=set)
    depth: int = 0
    found: dict[int, int] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    quiet: int = 0
    steps: list[OpenStep] = field(default_factory=list)
    scaler: int = 0
    schedulers: int = 0


def guarded(act: Callable[P, Any]) -> Callable[P, Any]:
    """Let an entry of the recorder do nothing once the watching is over, and end the watching where it raises.

    Nor does it do anything while torch compiles or traces: what it computes would become a part of the user's program;
    nor in a fork of the process, whose threads of before are gone with what they held. One thread's entry ends before
    another one's begins.
    """

    @functools.wraps(act)
    def entry(*args: P.args, **kwargs: P.kwargs) -> Any:
        recorder: Any = args[0]
        if recorder.done or torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            return None
        if os.getpid() != recorder.process:
            return None
        with recorder.turn, _unseen_by_modes():
            began = time.perf_counter()
            try:
                return act(*args, **kwargs)
            except Exception:
                recorder.fail(traceback.format_exc())
                return None
            finally:
                recorder.seconds += time.perf_counter() - began

    return entry


def _unseen_by_modes() -> AbstractContextManager[Any]:
    """Keep what the recorder computes from modes that see every operation: a counter of the user's, or one of ours."""
    return _disable_current_modes() if torch._C._len_torch_dispatch_stack() else nullcontext()


class Recording:
    """What is known of a run so far. `Recorder` adds what the hooks tell."""

    def __init__(
        self, steps: int, *, entries: int, on_done: Callable[[], None], on_sight: Callable[[int, Tensor], Any]
    ) -> None:
        self._limit, self._entries, self._on_done = steps, entries, on_done
        self.done = False
        self._serial = next(SERIALS)
        self.process, self.turn = os.getpid(), threading.RLock()
        self.error: str | None = None
        self.ending = Ending.FINISHED
        self.unseen: dict[str, None] = {}
        self.registry = Registry(on_sight)
        self._contents, self._gradients = Contents(entries), GradientStates()
        self._sources, self._pulls = CopiedGradients(entries), PulledWeights(entries)
        self._averages = AveragedWeights()
        self._threads: dict[int, Thread] = {}
        self._calls = self._passes = self.steps = 0
        self._deposits: dict[int, set[int]] = {}
        self._walked: dict[object, int] = {}
        self._clipped = self.is_clipping = False
        self._scaler: Callable[[], Any] = lambda: None
        self.unscales: Any = None
        self._begun: dict[int, int] = {}
        self._reached: set[int] = set()
        self._region = 0
        self._iterators: list[weakref.ref[Any]] = []
        self._compiled = compiled_frames()
        self.processes = 0
        self.kept: KeptStep | None = None
        self.copies = False
        self._copied: list[tuple[Thread, CopiedStep]] = []
        self.stretch = self.before = 0
        self.rank, self.is_distributed = 0, False
        self.seconds = 0.0

    def ledgers(self) -> tuple[Ledger, ...]:
        """Return one ledger per thread in which an optimizer stepped, or else one of all threads."""
        events = [t.events for t in self._threads.values() if any(isinstance(e, StepEnds) for e in t.events)]
        events = events or [[event for thread in self._threads.values() for event in thread.events]]
        parameters, optimizers = self.registry.named_parameters(), self.registry.known_optimizers()
        unseen = (*self.unseen, *self._hidden())
        facts: dict[str, Any] = {"ending": self.ending, "unseen": unseen, "stretch": self.stretch, "rank": self.rank}
        return tuple(Ledger(tuple(one), parameters, optimizers, **facts) for one in events)

    def settle(self) -> None:
        """Note what copies of optimizers have told of the steps that they made again."""
        while self._copied:
            thread, copied = self._copied.pop()
            reason, differs = copied.compare()
            thread.events.append(CopiedUpdate(copied.step, copied.optimizer, differs, reason))

    @property
    def keeps(self) -> KeptStep | None:
        """What keeps a step, as long as it waits for it."""
        return None if self.kept is None or self.kept.is_written else self.kept

    def _hidden(self) -> list[str]:
        """Return what could not be seen, in sentences."""
        found = []
        if compiled_frames() > self._compiled:
            found.append("torch.compile has compiled code of this run: what happens inside it is not seen")
        if self._contents.converted:
            found.append("parameters have changed their device or dtype between two steps")
        if self.processes:
            found.append(
                f"the script has started {plural(self.processes, 'process', 'processes')} of its own: what they train "
                "is not seen"
            )
        return found

    def fail(self, error: str) -> None:
        """End the watching because of an error of ours."""
        self.error = error
        self.stop()

    def stop(self) -> None:
        """End the watching."""
        if not self.done:
            self.done = True
            self._on_done()

    def thread(self) -> Thread:
        """Return what is open in the thread that runs."""
        identity = threading.get_ident()
        found = self._threads.get(identity)
        if found is None:
            found = self._threads[identity] = Thread()
        return found

    def _at_hand(self) -> list[Numbered]:
        """Return the parameters whose gradients may be looked at in the thread that runs: none of other threads alone.

        Where one thread reads a gradient that another one's backward call or step is at, torch may crash.
        """
        living, own = self.registry.living(), self.thread().meets
        others = set[int]().union(*(thread.meets for thread in self._threads.values())) - own
        return [one for one in living if one[0] not in others] if others else living


def compiled_frames() -> int:
    """Return how many frames torch.compile has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return 0 if dynamo is None else int(dynamo.counters["frames"]["total"])
