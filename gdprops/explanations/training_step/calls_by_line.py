"""The lines of the user's file in which a wrong step clears, differentiates, clips and updates.

The first wrong step of a failing example runs once more with the hooks of `gdprops watch`, which know the line of every
such call, and with those of `looks_and_writes` for what is done by hand. The lines are told beside the explanation:
where it says that gradients add up, one sees which backward() is meant, and that no line clears them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.looks_and_writes import WRITE, Seen, looks_and_writes
from gdprops.model.code_place import Place
from gdprops.model.ledger import BackwardBegins, Clip, StepBegins, ZeroGrad
from gdprops.model.note import Note
from gdprops.watching.hooks import Hooks
from gdprops.watching.limits import ENTRIES
from gdprops.watching.recorder import Recorder

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.training_run import TrainedSubject

MOST_STEPS = 1_000
WHAT = {
    ZeroGrad: "zero_grad()",
    BackwardBegins: "backward()",
    Clip: "clipping",
    StepBegins: "the optimizer's step()",
}
"""What is told of each kind of call, in the order of a usual step."""


def calls_by_line(subject: TrainedSubject, failure: Failure, clause: str) -> tuple[Note, ...]:
    """Return the lines of the calls of the first wrong step, each once, in the order in which they were made.

    ``clause``: the clause that the explanation names; of gradients that add up it is told that no line clears them.
    """
    recorder = Recorder(MOST_STEPS, entries=ENTRIES)
    try:
        by_hand = _run(subject, failure, recorder)
    except GdpropsError:
        return ()
    counts = Counter[tuple[str, Place | None]](
        (WHAT[type(event)], event.place)
        for ledger in recorder.ledgers()
        for event in ledger.events
        if isinstance(event, ZeroGrad | BackwardBegins | Clip | StepBegins)
    )
    known = {place for _, place in counts}
    counts.update(one for one in by_hand if one[1] not in known)  # an optimizer's own writing is its step()
    notes = [
        Note(f"{_happens(what)} here{f', {count} times in this step' if count > 1 else ''}", place.file, place.line)
        for (what, place), count in counts.items()
        if place is not None
    ]
    if clause == "step.fresh-gradient" and all(what != WHAT[ZeroGrad] for what, _ in counts):
        notes = [_uncleared(note) for note in notes]
    return tuple(notes)


def _happens(what: str) -> str:
    return "the weights are written" if what == WRITE else f"{what} is called"


def _uncleared(note: Note) -> Note:
    is_backward = note.text.startswith(WHAT[BackwardBegins])
    return replace(note, text=f"{note.text}, and no zero_grad() in this step") if is_backward else note


def _run(subject: TrainedSubject, failure: Failure, recorder: Recorder) -> Seen:
    """Let the user's step run up to the first wrong step, record that one, and return what it does by hand."""
    run: Any = subject.begin(failure.case)
    run.weights()
    for t in range(failure.first.step.batch):
        run.step(t)
    held, seen = run.around, Seen()
    run.around = lambda: _recording(recorder, run.live.parameters, seen)
    try:
        run.step(failure.first.step.batch)
    finally:
        run.around = held
    return seen


@contextmanager
def _recording(recorder: Recorder, parameters: Sequence[Any], seen: Seen) -> Iterator[None]:
    hooks = Hooks(recorder)
    hooks.install()
    try:
        with looks_and_writes(parameters, seen):
            yield
    finally:
        hooks.remove()
