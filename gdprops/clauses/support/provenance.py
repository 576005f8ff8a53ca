"""Whose gradients each step of a watched run used: the ledger read once from its begin to its end.

A `.grad` is a sum of deposits of backward calls. `story(ledger)` follows these sums: a deposit adds a call, a ``.grad``
that is None or zero has lost its calls, and a step uses what is there. Each `Step` then says, parameter by parameter,
which calls it used for the first time, which it used again (a rest), whether somebody edited or replaced the sum, and
which clips met it. The clauses of the chapter `live` are questions to that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import final

from gdprops.model.code_place import Place
from gdprops.model.ledger import (
    BackwardBegins,
    BackwardEnds,
    Clip,
    Collective,
    Contents,
    CopiedUpdate,
    Deposit,
    EpochBegins,
    Forward,
    Gradients,
    Holding,
    Ledger,
    Pulled,
    Resumes,
    SchedulerStep,
    SkippedStep,
    StepBegins,
    StepEnds,
    Unscale,
    ZeroGrad,
)


@final
@dataclass(eq=False, slots=True)
class Call:
    """A backward call. ``forward`` is the last differentiated forward pass before it that has read weights.

    ``at`` is its place in the ledger, ``looks`` are the forward passes in its graph with their places, ``used`` the
    steps that used any of its deposits, ``dropped`` the parameters whose deposit was lost before any step used it, with
    the line that cleared it if that was seen.
    """

    at: int
    event: BackwardBegins
    forward: Forward | None
    looks: tuple[tuple[int, Forward], ...] = ()
    deposits: set[int] = field(default_factory=set)
    used: list[Step] = field(default_factory=list)
    dropped: dict[int, Place | None] = field(default_factory=dict)

    @property
    def place(self) -> Place | None:
        """The line that called backward."""
        return self.event.place


@final
@dataclass(eq=False, slots=True)
class Clipping:
    """A call that clips, and the backward calls whose deposits it met, by parameter. ``scaled``: met while scaled."""

    at: int
    event: Clip
    met: dict[int, tuple[Call, ...]] = field(default_factory=dict)
    scaled: set[int] = field(default_factory=set)
    used_before: set[int] = field(default_factory=set)


@final
@dataclass(eq=False, slots=True)
class Unscaling:
    """A GradScaler's division of gradients, and the calls of losses that nobody had scaled, by parameter."""

    at: int
    event: Unscale
    bare: dict[int, tuple[Call, ...]]


@final
@dataclass(eq=False, slots=True)
class Held:
    """One deposit that is in a ``.grad`` now: its call, the clips that met it, whether it is still scaled."""

    call: Call
    scaled: bool
    clips: list[Clipping] = field(default_factory=list)
    used_by: set[int] = field(default_factory=set)


@final
@dataclass(frozen=True, eq=False, slots=True)
class Use:
    """What one step used of one parameter's gradient.

    ``calls`` are new to this optimizer, ``rest`` it has used before. ``own`` is False where somebody put a tensor of
    his own there, ``edited`` True where somebody changed the sum in place. ``copied`` is the parameter of whose
    gradient this one is a copy; the calls are then that one's. ``clips`` are those of the new calls.
    """

    calls: tuple[Call, ...] = ()
    rest: tuple[Call, ...] = ()
    own: bool = True
    edited: bool = False
    copied: int | None = None
    scaled: bool = False
    clips: tuple[Clipping, ...] = ()


@final
@dataclass(eq=False, slots=True)
class Step:
    """A step of an optimizer. ``before`` are the contents that were seen of each parameter since its last step began.

    ``inside`` says that backward was called while the step ran (a closure). ``read`` are the parameters that a
    differentiated forward pass has read since the last step.
    """

    at: int
    event: StepBegins
    uses: dict[int, Use]
    before: dict[int, frozenset[int]]
    read: frozenset[int]
    ends: StepEnds | None = None
    inside: bool = False

    @property
    def number(self) -> int:
        """The number of the step, counted from 1."""
        return self.event.step

    @property
    def place(self) -> Place | None:
        """The line that called the step."""
        return self.event.place

    @property
    def window(self) -> tuple[Call, ...]:
        """The backward calls that this step uses for the first time, in their order."""
        return tuple(sorted({call for use in self.uses.values() for call in use.calls}, key=lambda call: call.at))


@final
@dataclass(eq=False, slots=True)
class Story:
    """The ledger, and what it means: all backward calls, finished steps, clips and divisions by a scale in order."""

    ledger: Ledger
    calls: list[Call] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    clips: list[Clipping] = field(default_factory=list)
    unscalings: list[Unscaling] = field(default_factory=list)
    holding: dict[int, list[Held]] = field(default_factory=dict)

    def steps_of(self, optimizer: int) -> list[Step]:
        """Return the steps of one optimizer."""
        return [step for step in self.steps if step.event.optimizer == optimizer]

    @property
    def stepped(self) -> tuple[int, ...]:
        """The optimizers that stepped, in the order of their first steps."""
        return tuple(dict.fromkeys(step.event.optimizer for step in self.steps))


@lru_cache(maxsize=4)
def story(ledger: Ledger) -> Story:
    """Return what a ledger means. It is read once, however many clauses ask."""
    reader = _Reader(ledger)
    for at, event in enumerate(ledger.events):
        reader.read(at, event)
    reader.story.steps = [step for step in reader.story.steps if step.ends is not None]  # others have raised
    return reader.story


@final
class _Reader:
    """Reads events one by one, and keeps what every ``.grad`` holds."""

    def __init__(self, ledger: Ledger) -> None:
        self.story = Story(ledger)
        self._holding = self.story.holding
        self._foreign, self._edited = set[int](), set[int]()
        self._forward: Forward | None = None
        self._passes: dict[int, tuple[int, Forward]] = {}
        self._open: dict[int, Call] = {}
        self._running: Step | None = None
        self._cleared_at: Place | None = None
        self._seen: dict[int, dict[int, set[int]]] = {}
        self._read: dict[int, set[int]] = {}

    def read(self, at: int, event: object) -> None:
        """Read the next event."""
        match event:
            case Resumes():
                call = Call(at, BackwardBegins(0), None)
                for parameter in event.parameters:
                    self._holding[parameter] = [Held(call, scaled=False, used_by={event.optimizer})]
            case Forward():
                self._forwards(at, event)
            case BackwardBegins():
                self._look_at(event.gradients)
                looks = tuple(self._passes[number] for number in sorted(event.looks & set(self._passes)))
                self._open[event.call] = call = Call(at, event, self._forward, looks)
                self.story.calls.append(call)
            case Deposit():
                self._deposit(event)
            case BackwardEnds():
                self._open.pop(event.call, None)
            case ZeroGrad():
                self._cleared_at = event.place
            case StepBegins():
                self._begin(at, event)
            case StepEnds():
                self._end(event)
            case Clip():
                self._clip(at, event)
            case Unscale():
                self._unscale(at, event)
            case SkippedStep() | SchedulerStep() | EpochBegins() | Collective() | CopiedUpdate() | Pulled():
                pass

    def _forwards(self, at: int, event: Forward) -> None:
        self._passes[event.number] = at, event
        if event.differentiated and event.reads:  # a criterion reads no weights: it is no look
            self._forward = event
        self._note(event.found)
        self._note(event.reads, read=event.differentiated)

    def _note(self, contents: Contents, *, read: bool = False) -> None:
        """Remember what was seen of the weights, for every optimizer that may step them."""
        for optimizer, seen in self._seen.items():
            for parameter, content in contents.items():
                seen.setdefault(parameter, set()).add(content)
            if read:
                self._read[optimizer] |= set(contents)

    def _look_at(self, gradients: Gradients, among: Collection[int] | None = None) -> None:
        """Compare what gradients hold with what was known; ``among`` are those that were looked at, if not all."""
        known = {*self._holding, *self._foreign, *self._edited}
        for parameter in known if among is None else known & set(among):
            if gradients.get(parameter) in (None, Holding.ZERO, Holding.ASSIGNED):
                self._drop(parameter)
        for parameter, state in gradients.items():
            if state is Holding.ASSIGNED:
                self._foreign.add(parameter)
            elif state is Holding.EDITED:
                self._edited.add(parameter)

    def _drop(self, parameter: int) -> None:
        self._foreign.discard(parameter)
        self._edited.discard(parameter)
        for held in self._holding.pop(parameter, ()):
            if not held.used_by:
                held.call.dropped[parameter] = self._cleared_at

    def _deposit(self, event: Deposit) -> None:
        call = self._open.get(event.call)
        if call is None:
            return
        call.deposits.add(event.parameter)
        self._holding.setdefault(event.parameter, []).append(Held(call, call.event.scaled))
        if self._running is not None:
            self._running.inside = True

    def _begin(self, at: int, event: StepBegins) -> None:
        if event.optimizer not in self._seen:
            self._seen[event.optimizer], self._read[event.optimizer] = {}, set()
            self._recollect(event.optimizer, at)
        self._look_at(event.gradients, event.weights)
        seen = self._seen[event.optimizer]
        before = {p: frozenset(seen.get(p, ())) for p in event.weights}
        uses = {p: self._use(event.optimizer, p, event.copied.get(p)) for p in event.gradients if p in event.weights}
        self._running = Step(at, event, uses, before, frozenset(self._read[event.optimizer]))
        self.story.steps.append(self._running)
        self._seen[event.optimizer] = {p: {content} for p, content in event.weights.items()}
        self._read[event.optimizer] = set()

    def _recollect(self, optimizer: int, at: int) -> None:
        """Collect what was seen of the weights before an optimizer was."""
        for event in self.story.ledger.events[:at]:
            looks = (event.found, event.reads) if isinstance(event, Forward) else (getattr(event, "weights", {}),)
            for contents in looks:
                for parameter, content in contents.items():
                    self._seen[optimizer].setdefault(parameter, set()).add(content)
            if isinstance(event, Forward) and event.differentiated:
                self._read[optimizer] |= set(event.reads)

    def _use(self, optimizer: int, parameter: int, copied: int | None = None) -> Use:
        source = parameter if copied is None else copied
        held = self._holding.get(source, [])
        new = [one for one in held if optimizer not in one.used_by]
        rest = [one for one in held if optimizer in one.used_by]
        clips = dict.fromkeys(clip for one in new for clip in one.clips)
        return Use(
            tuple(one.call for one in new),
            tuple(one.call for one in rest),
            own=copied is None and parameter not in self._foreign and bool(held),
            edited=source in self._edited,
            copied=copied,
            scaled=any(one.scaled for one in new),
            clips=tuple(clips),
        )

    def _end(self, event: StepEnds) -> None:
        step = self._running
        self._running = None
        if step is None or step.number != event.step:
            return
        step.ends = event
        if step.inside:
            step.uses = {p: self._use(step.event.optimizer, p) for p in step.event.weights if p in self._holding}
        for parameter, use in step.uses.items():
            self._used(step, parameter if use.copied is None else use.copied)
        self._note(event.weights)

    def _used(self, step: Step, parameter: int) -> None:
        for held in self._holding.get(parameter, ()):
            if step.ends is not None and step.ends.moved:
                held.used_by.add(step.event.optimizer)
            if step not in held.call.used:
                held.call.used.append(step)

    def _clip(self, at: int, event: Clip) -> None:
        self._look_at(event.gradients, event.parameters)
        clipping = Clipping(at, event)
        for parameter in event.parameters & set(self._holding):
            held = self._holding[parameter]
            clipping.met[parameter] = tuple(one.call for one in held)
            if any(one.scaled for one in held):
                clipping.scaled.add(parameter)
            if any(one.used_by for one in held):
                clipping.used_before.add(parameter)
            for one in held:
                one.clips.append(clipping)
        self.story.clips.append(clipping)

    def _unscale(self, at: int, event: Unscale) -> None:
        self._look_at(event.gradients, event.parameters)
        bare: dict[int, tuple[Call, ...]] = {}
        for parameter in event.parameters & set(self._holding):
            held = self._holding[parameter]
            calls = tuple(one.call for one in held if parameter in one.call.event.bare)
            if calls and parameter not in self._edited | self._foreign:
                bare[parameter] = calls
            for one in held:
                one.scaled = False
        self.story.unscalings.append(Unscaling(at, event, bare))


def assigned_anywhere(read: Story) -> bool:
    """Say whether somebody put a gradient of his own anywhere, or edited one."""
    seen = (getattr(event, "gradients", {}) for event in read.ledger.events)
    return any(state in (Holding.ASSIGNED, Holding.EDITED) for gradients in seen for state in gradients.values())


def _looks(read: Story) -> Iterator[tuple[Contents, bool]]:
    """Yield every look at weights, and whether it comes right after a step."""
    for event in read.ledger.events:
        if isinstance(event, Forward):
            yield event.found, False
            yield event.reads, False
        elif isinstance(event, StepBegins | StepEnds):
            yield event.weights, isinstance(event, StepEnds)


def written_outside(read: Story) -> bool:
    """Say whether weights were seen to change without a step."""
    last: dict[int, int] = {}
    for contents, stepped in _looks(read):
        if not stepped and any(last.get(p, content) != content for p, content in contents.items()):
            return True
        last.update(contents)
    return False


def moved_anyhow(read: Story) -> set[int]:
    """Return the parameters that were seen to change, whoever moved them."""
    first: dict[int, int] = {}
    moved = set[int]()
    for contents, _ in _looks(read):
        moved |= {p for p, content in contents.items() if first.setdefault(p, content) != content}
    return moved
