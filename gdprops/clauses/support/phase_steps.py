"""Each call of an optimizer in a step with phases, judged as a step of its own.

`calls_of` lets the user's step run. `judged` looks for the reading of a call that reproduces where the optimizer has
ended: at which weights the phase has looked, and which of the recorded random numbers its objective was given. What no
reading reproduces is wrong, unless the random numbers do not fit: then it is not decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.clauses.support.noise_floor import MeasuredWhenAsked, noise_floors
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.numerics import decisions
from gdprops.numerics.comparison import are_finite, is_clearly_other

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.phase_declaration import Slot
    from gdprops.subjects.training_step.phases.call_log import CallLog, OptimizerCall
    from gdprops.subjects.training_step.phases.run import Look, PhasedRun, PhaseView

DEAL = "hand the noise over in the batch"
ELSEWHERE = (
    "what its modules are given does not come from the batch that step(inputs, targets) is handed; hand all batches of "
    "a call over at once, such as inputs of shape (steps, rows, …), and let the objective take the k-th of them"
)
Gradients = Sequence["Array | None"]


@final
@dataclass(frozen=True, slots=True)
class JudgedCall:
    """One call of an optimizer: what its phase should have done, and whether it did.

    ``undecided``: why it cannot be said; empty where it can. ``own``: the parameters that the optimizer holds.
    """

    slot: Slot
    call: OptimizerCall
    own: tuple[int, ...]
    view: PhaseView
    gradients: Gradients
    expected: list[Array]
    allowed: Sequence[Any]
    right: bool
    undecided: str = ""

    def is_at(self, weights: Sequence[Array]) -> bool:
        """Say whether the optimizer has ended at some weights, as far as it holds them."""
        return all(bool((np.abs(self.call.left[i] - weights[i]) <= self.allowed[i]).all()) for i in self.own)

    def differs_from(self, weights: Sequence[Array]) -> bool:
        """Say whether some weights are clearly other ones than those expected."""
        own = [i for i in self.own if self.gradients[i] is not None]
        theirs, mine = [weights[i] for i in own], [self.expected[i] for i in own]
        return is_clearly_other(theirs, mine, [self.allowed[i] for i in own])

    @property
    def moves(self) -> bool:
        """Whether U clearly moves anything."""
        return self.differs_from(self.call.door)


def calls_of(subject: Any, case: Any) -> Iterator[tuple[PhasedRun, int, CallLog]]:
    """Let the user's step run; yield the run, the number of each call from 0 on, and what was seen of it.

    The run ends where weights are no longer finite. Raises `Unsupported` where the step raises after that.
    """
    run = subject.begin_phases(case)
    for t in range(run.steps):
        try:
            log = run.step(t)
        except SubjectCrash as crash:
            if not are_finite(run.now()):
                raise Unsupported(f"{crash}: the weights are not finite there") from crash
            raise
        if not are_finite(log.ended):
            break
        yield run, t, log


def judged(run: PhasedRun, t: int, log: CallLog, slot: Slot, call: OptimizerCall) -> JudgedCall:
    """Return what a call of an optimizer should have done, read in the way that comes nearest to what it did."""
    own = run.held[call.optimizer]
    best, fits, wanted = _nearest(run, t, slot, call, own, run.looks(log, call))
    if not (best is not None and best.right) and fits and wanted:
        if run.is_ambiguous(log):
            return _not_decided(best, run, t, slot, call, own, log, "can be dealt to it in too many ways")
        other, _, _ = _nearest(run, t, slot, call, own, run.other_looks(log, call))
        best = other if other is not None and (best is None or other.right) else best
    if best is None or not (best.right or fits):
        return _not_decided(best, run, t, slot, call, own, log, "do not fit those that the step has drawn")
    if not best.right and (run.draws_outside or log.unclear_draws):
        return _not_decided(best, run, t, slot, call, own, log, "are partly not drawn by torch's own functions")
    run.settle(call.optimizer)
    if not best.right and log.looks_elsewhere(call.segment) and best.view.answers_to_batch(t):
        return replace(best, undecided=f"the phase {call.optimizer} draws its batches itself: {ELSEWHERE}")
    return best


def _not_decided(
    best: JudgedCall | None,
    run: PhasedRun,
    t: int,
    slot: Slot,
    call: OptimizerCall,
    own: tuple[int, ...],
    log: CallLog,
    why: str,
) -> JudgedCall:
    told = f"the random numbers that the objective of {call.optimizer} draws {why}; {DEAL}"
    if best is None:
        look = next(run.looks(log, call))
        view = run.view(slot, call, look)
        best = _as_read(view, t, slot, call, own)
    return replace(best, right=False, undecided=told)


def _nearest(
    run: PhasedRun, t: int, slot: Slot, call: OptimizerCall, own: tuple[int, ...], looks: Iterator[Look]
) -> tuple[JudgedCall | None, bool, bool]:
    """Return the reading that comes nearest, whether any fits its random numbers, and whether it asks for any."""
    found, fits, wanted = list[tuple[float, int, JudgedCall]](), False, False
    for number, look in enumerate(islice(looks, decisions.MOST_DEALS)):
        view = run.view(slot, call, look)
        read = _as_read(view, t, slot, call, own)
        wanted |= view.draws
        if not view.fits:
            continue
        fits = True
        off = max((float(np.abs(call.left[i] - read.expected[i]).max(initial=0.0)) for i in own), default=0.0)
        found.append((off, number, read))
        if off == 0:
            break
    found.sort(key=lambda one: one[:2])
    for _, _, read in found[: decisions.NEAREST_READINGS]:
        if read.is_at(read.expected):
            return _settled(read, right=True), fits, wanted
    return (found[0][2] if found else None), fits, wanted


def _as_read(view: PhaseView, t: int, slot: Slot, call: OptimizerCall, own: tuple[int, ...]) -> JudgedCall:
    gradients = view.gradients(call.door, t)
    expected = view.update(gradients)
    allowed = MeasuredWhenAsked(
        len(expected),
        lambda: noise_floors(view, t, call.door, call.left, expected, list(gradients), call.state, call.settings),
    )
    return JudgedCall(slot, call, own, view, gradients, expected, allowed, right=False)


def _settled(read: JudgedCall, *, right: bool) -> JudgedCall:
    view, allowed = read.view, list(read.allowed)
    again = view.update(read.gradients)  # the last update that U makes is the one whose state it keeps
    return JudgedCall(read.slot, read.call, read.own, view, read.gradients, again, allowed, right=right)
