"""Chapter clock: the averaged copy of the model follows it as declared.

An average of the weights is no part of any loss, so nobody notices that it moves away from the weights, that its decay
belongs to the update before, or that it takes the weights as they were before the optimizer stepped. Each of its moves
is compared with d a + (1 - d) w by itself, from where the average was seen before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.clock.schedule import of_updates
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Implementation, View, clause
from gdprops.model.evidence import Evidence
from gdprops.model.note import Note, distinct
from gdprops.model.wording import plural
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gdprops.clauses.support import workbench
    from gdprops.model.training_run import StepTraining
    from gdprops.subjects.training_step.average import Average, Move
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="clock.average",
    statement="The averaged copy of the model follows it as declared: a' = d a + (1 - d) w after each of its updates.",
    source=(
        "huggingface/diffusers#1864: the decay of another update; ostris/ai-toolkit#1034: a flipped "
        "sign, the average moves away."
    ),
    decision="A training step with average=, whose build returns the average. At every update at which the average "
    "moves, each of its parameters must be within a few ulps of d a + (1 - d) w, w being the weights after the "
    "optimizer's step. It may begin at the first weights or as a copy of the first update's, and move at every n-th "
    "update; buffers may be averaged, copied or left out; a tied tensor may move once for each of its names. It is "
    "held by no optimizer. An example is decisive when the average clearly moves.",
    view=View.TRAINING,
    refuted_by=("averages-with-a-flipped-sign", "averages-before-the-step", "decays-one-update-late"),
    cases=of_updates,
    since=3,
)
def average(subject: Any, case: Any) -> Evidence:
    declared: Average = subject.declaration.average
    seen = _Seen(declared)
    for taken, t, _ in workbench.unjudged(subject, case):
        run: StepTraining = taken  # type: ignore[assignment] # the chapter is about training steps alone
        watch = run.average
        if held := watch.held_by(run.held_tensors):
            return workbench.violation(f"the optimizer holds {', '.join(held)} of the average", blame=held)
        wrong = seen.sees(watch.move, t, skipped=run.hyperparameters() is None)
        if wrong is not None:
            return wrong
    return seen.told()


class _Seen:
    """What was seen of the average so far.

    Where the average stands at the weights already, nobody sees whether it moves: then it may have counted an update,
    or not. ``_counts`` are the numbers of updates that it may have had.
    """

    def __init__(self, declared: Average) -> None:
        self._declared, self._counts = declared, {0, 1} if declared.given == ("swa",) else {0}
        self._moves, self._rests = list[int](), list[int]()
        self._decisive, self._notes, self._updates = False, tuple[Note, ...](), 0

    def sees(self, move: Move, t: int, *, skipped: bool) -> Evidence | None:
        """Look at one update; return what is wrong, None where nothing is."""
        self._updates = t + 1
        own = [key for key in move.now if key not in move.buffers]
        if all(move.now[key].equal(move.was[key]) for key in own):
            if _is_at(move, own, 0.0):
                self._counts |= {k + 1 for k in self._counts}
            elif not skipped:
                self._rests.append(t)
            return None
        fitting = {k for k in self._counts if not _wrong(move, own, self._declared.kept(k))}
        copies = not self._moves and _is_at(move, own, 0.0)
        if not (fitting or copies):
            return self._violation(move, own, t)
        if copies and not fitting:
            self._tell("the average begins as a copy of the weights after its first update")
        else:
            self._decisive |= any(_clearly_moves(move, key) for key in own)
        if self._declared.given == ("swa",) and fitting == {1} and not self._moves:
            self._tell("the average counts the weights before the first update")
        kept = self._declared.kept(min(fitting or self._counts))
        if several := [key for key in own if fitting and not is_near(move, key, kept)]:
            names, many = ", ".join(several), plural(move.shared[several[0]], "time")
            self._tell(f"{names} are one tensor, which the average moves once for each name: {many} in one update")
        self._counts = {k + 1 for k in fitting or self._counts}
        self._moves.append(t)
        return self._of_buffers(move, kept, t)

    def _tell(self, text: str) -> None:
        self._notes = distinct((*self._notes, Note(text)))

    def _violation(self, move: Move, own: list[str], t: int) -> Evidence:
        kept = self._declared.kept(min(self._counts))
        wrong = _wrong(move, own, kept)
        said = f"at update {t + 1} the average of {', '.join(wrong)} is not {kept:g} a + {1 - kept:g} w"
        how = next(self._instead(move, own, kept), "")
        return workbench.violation(f"{said}{': ' if how else ''}{how}", blame=tuple(wrong))

    def _instead(self, move: Move, own: list[str], kept: float) -> Iterator[str]:
        """Yield what the average does instead, where that reproduces it."""
        k = min(self._counts)
        stale = move._replace(after=move.before)
        if _is_at(stale, own, kept):
            yield "it takes the weights before the optimizer's step"
        if _is_at(move, own, 2 - kept):
            yield "it moves away from the weights: the sign is flipped"
        if _is_at(move, own, 0.0):
            yield "it is a copy of the weights"
        if _is_at(move, own, 1 - kept):
            yield "the shares d and 1 - d are exchanged"
        for shift, when in ((1, "after"), (-1, "before")):
            if k + shift >= 0 and _is_at(move, own, self._declared.kept(k + shift)):
                yield f"the decay is that of the update {when}"
        for many in (2, 3, 4):
            if _is_at(move, own, kept**many):
                yield f"it moves {many} times in one update"
        share = _fitted(move, own)
        if share is not None and _is_at(move, own, 1 - share):
            yield f"it keeps {1 - share:.6g} of itself"

    def _of_buffers(self, move: Move, kept: float, t: int) -> Evidence | None:
        """Compare the buffers: averaged, copied, or left as they were; integers may be cut off."""
        for key in sorted(move.buffers & set(move.now)):
            was, now, source = move.was[key], move.now[key], move.after[key]
            if now.equal(source.to(now.dtype)):
                how = "copied"
            elif now.equal(was):
                how = "left as they were"
            elif now.is_floating_point() and _is_at(move, [key], kept):
                how = "averaged"
            elif not now.is_floating_point() and now.equal((kept * was + (1 - kept) * source).to(now.dtype)):
                how = "averaged and cut off"
            else:
                said = f"at update {t + 1} the buffer {key} of the average is neither averaged, copied nor left out"
                return workbench.violation(said, blame=(key,))
            if not source.equal(was):
                self._tell(f"buffers of the average are {how}")
        return None

    def told(self) -> Evidence:
        """Return what the whole run shows."""
        updates, many = plural(self._updates, "update"), ", ".join(str(t + 1) for t in self._moves)
        found = workbench.agreement()
        if not self._moves:
            found = workbench.vacuous(f"the average does not move within {updates}; declare a run of more updates=")
        elif (every := self._every) is None:
            found = workbench.vacuous(f"the average moves at updates {many}: whether at the right ones is not decided")
        elif not self._decisive:
            found = workbench.vacuous(f"the average moves too little within {updates}")
        elif every > 1:
            self._tell(f"the average moves at every {every} updates")
        return workbench.with_notes(found, *self._notes)

    @property
    def _every(self) -> int | None:
        """After how many updates the average moves again, from its first move on; None where that changes."""
        first = self._moves[0]
        for n in range(1, self._updates + 1):
            at = set(range(first, self._updates, n))
            if set(self._moves) <= at and not at & set(self._rests):
                return n
        return None


def _is_at(move: Move, keys: list[str], kept: float) -> bool:
    """Say whether the average has moved to d a + (1 - d) w in all of these, up to rounding in its own dtype."""
    return all(is_near(move, key, kept) for key in keys)


def _wrong(move: Move, keys: list[str], kept: float) -> list[str]:
    """Return which of these have moved otherwise; a walk through a ``state_dict`` moves a tied tensor at each name."""
    return [key for key in keys if not any(is_near(move, key, kept**n) for n in {1, move.shared[key]})]


def is_near(move: Move, key: str, kept: float) -> bool:
    was, now, weights = (t[key].double() for t in (move.was, move.now, move.after))
    return bool(((now - (kept * was + (1 - kept) * weights)).abs() <= _room(move, key)).all())


def _room(move: Move, key: str) -> float:
    import torch

    dtype = move.now[key].dtype if move.now[key].is_floating_point() else torch.float32
    most = max(float(t[key].double().abs().max()) if t[key].numel() else 0.0 for t in (move.was, move.now, move.after))
    return decisions.AVERAGE_ULPS * torch.finfo(dtype).eps * most


def _clearly_moves(move: Move, key: str) -> bool:
    apart = (move.now[key].double() - move.was[key].double()).abs()
    return bool((apart * decisions.RIVAL_SHARE > _room(move, key)).any())


def _fitted(move: Move, keys: list[str]) -> float | None:
    """Return the share of the way to the weights that the average has moved, fitted to several entries."""
    import torch

    moved = torch.cat([(move.now[key].double() - move.was[key].double()).flatten() for key in keys])
    way = torch.cat([(move.after[key].double() - move.was[key].double()).flatten() for key in keys])
    length = float(way @ way)
    return float(moved @ way) / length if length and int(way.count_nonzero()) > 1 else None


def _without_average(subject: Any) -> str | None:
    return None if subject.declaration.average is not None else "no average= is declared"


CLAUSES = (average,)
IMPLEMENTATIONS = {one.id: Implementation(one.cases, one.examine, _without_average) for one in CLAUSES}
