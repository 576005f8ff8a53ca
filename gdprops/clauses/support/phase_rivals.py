"""What a wrong step of a phase does instead: each answer is told only where it reproduces the weights that were seen.

`left_gradients` is the usual one: another phase's backward has left a gradient on parameters that are not its own, and
nobody has cleared it before they move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.clauses.support.phase_steps import JudgedCall
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.phases.call_log import CallLog
    from gdprops.subjects.training_step.phases.run import PhasedRun

Rival = tuple[str, "list[Array | None]"]
OWN = "its own backward"


def instead(run: PhasedRun, t: int, log: CallLog, before: CallLog | None, wrong: JudgedCall) -> str:
    """Return what a wrong step does instead, in words that follow the optimizer's name; empty where it is not known."""
    for read in _readings(run, t, log, wrong):
        for text, gradients in _rivals(run, t, log, before, read):
            ends = read.view.update(gradients)
            if wrong.is_at(ends) and wrong.differs_from(ends):
                return text
    door = [wrong.call.gradients.get(i) for i in range(len(wrong.gradients))]
    is_handed_over = wrong.is_at(wrong.view.update(door))
    return "steps by another gradient than that of its objective" if is_handed_over else ""


def _readings(run: PhasedRun, t: int, log: CallLog, wrong: JudgedCall) -> Iterator[JudgedCall]:
    """Yield the readings of a wrong call, first those whose gradient the backward of one line has deposited.

    Random numbers may be dealt in several orders, and other phases read in several places; where a step is wrong, its
    own backward still shows the right ones.
    """
    segment, last = wrong.call.segment, len(wrong.gradients)
    lines = [_of(log, segment, place) for place in dict.fromkeys(d.place for d in log.deposits if d.segment == segment)]
    others = list[JudgedCall]()
    looks = (
        chain(run.looks(log, wrong.call), run.other_looks(log, wrong.call)) if log.draws else run.looks(log, wrong.call)
    )
    for look in islice(looks, decisions.MOST_DEALS):
        view = run.view(wrong.slot, wrong.call, look)
        read = replace(wrong, view=view, gradients=view.gradients(wrong.call.door, t))
        if any(_are_near(_total([None] * last, [line]), read) for line in lines):
            yield read
        elif len(others) < decisions.NEAREST_READINGS:
            others.append(read)
    yield wrong
    yield from others


def _rivals(run: PhasedRun, t: int, log: CallLog, before: CallLog | None, wrong: JudgedCall) -> Iterator[Rival]:
    yield from _left_gradients(log, before, wrong)
    yield from _other_places(run, t, log, wrong)
    yield from _other_objectives(run, t, wrong)
    mine = list(wrong.gradients)
    yield "climbs: its gradient has the opposite sign", [None if g is None else -g for g in mine]
    factor = _factor(wrong)
    if factor is not None and _is_simple(factor):
        yield f"steps by {factor:.6g} times the gradient of its objective", _scaled(mine, factor)


def _left_gradients(log: CallLog, before: CallLog | None, wrong: JudgedCall) -> Iterator[Rival]:
    """Yield the gradient of the phase with those added that other backward passes have left."""
    found = dict[str, dict[int, Any]]()
    for text, i, g in _deposits(log, wrong):
        _add(found.setdefault(text, {}), i, g)
    others = {text: grads for text, grads in found.items() if text != OWN}
    left = {i: g for i, g in log.leftover.items() if i in wrong.own and g.any()}
    if left:
        others[_whose_leftover(before, left, len(wrong.gradients))] = left
    for many in (1, 2, 3):
        for chosen in combinations(others.items(), many):
            text = "applies, beside its own gradient, " + " and ".join(text for text, _ in chosen)
            yield f"{text}: nothing has cleared it", _total(wrong.gradients, [grads for _, grads in chosen])


def _deposits(log: CallLog, wrong: JudgedCall) -> Iterator[tuple[str, int, Array]]:
    for deposit in log.deposits:
        if deposit.segment > wrong.call.segment or deposit.parameter not in wrong.own:
            continue
        if deposit.segment == wrong.call.segment and deposit.place in _places_of_own(log, wrong):
            yield OWN, deposit.parameter, deposit.gradient
        else:
            yield f"what {_backward(log, deposit.segment, deposit.place)} has left", *deposit[1:3]


def _places_of_own(log: CallLog, wrong: JudgedCall) -> list[Any]:
    """Return the lines of backward in the segment of a call whose gradients are the right ones."""
    places = dict.fromkeys(d.place for d in log.deposits if d.segment == wrong.call.segment)
    totals = {place: _total([None] * len(wrong.gradients), [_of(log, wrong.call.segment, place)]) for place in places}
    right = [place for place, total in totals.items() if _are_near(total, wrong)]
    return right or list(places)


def _of(log: CallLog, segment: int, place: Any) -> dict[int, Any]:
    found = dict[int, Any]()
    for d in log.deposits:
        if (d.segment, d.place) == (segment, place):
            _add(found, d.parameter, d.gradient)
    return found


def _are_near(total: Sequence[Array | None], wrong: JudgedCall) -> bool:
    pairs = [(total[i], wrong.gradients[i]) for i in wrong.own]
    return all(g is None or _is_near(seen, g) for seen, g in pairs)


def _backward(log: CallLog, segment: int, place: Any) -> str:
    whose = f"{log.calls[segment].optimizer}'s backward" if segment < len(log.calls) else "a backward"
    return whose if place is None else f"{whose} ({place})"


def _whose_leftover(before: CallLog | None, left: Mapping[int, Array], many_parameters: int) -> str:
    """Return whose gradients were there when the call began: those backward passes whose deposits add up to them."""
    groups = {} if before is None else {(d.segment, d.place): _of(before, d.segment, d.place) for d in before.deposits}
    for many in range(1, min(len(groups), 3) + 1):
        for chosen in combinations(groups, many):
            total = _total([None] * many_parameters, [groups[key] for key in chosen])
            if before is not None and all(_is_near(total[i], g) for i, g in left.items()):
                lines = " and ".join(dict.fromkeys(_backward(before, *key) for key in chosen))
                return f"what {lines} {'has' if many == 1 else 'have'} left in the call before"
    return "what earlier calls have left"


def _is_near(seen: Array | None, right: Array) -> bool:
    room = decisions.REGRESSION_RESIDUAL * float(np.abs(right).max(initial=0.0))
    return seen is not None and bool((np.abs(seen - right) <= room).all())


def _other_places(run: PhasedRun, t: int, log: CallLog, wrong: JudgedCall) -> Iterator[Rival]:
    """Yield the gradients at weights that are no reading of the declaration."""
    at, call, view = wrong.view.look.at, wrong.call, wrong.view
    phase = run.phases.phases[wrong.slot.phase]
    stale = [log.began[i] if i in wrong.own else w for i, w in enumerate(at)]
    if run.phases.together:
        yield "looks where the other phases have moved already (together=True)", view.of_phase(phase, call.door, t)
        return
    steps = sum(one.optimizer == call.optimizer for one in log.calls[: call.segment])
    if steps:
        told = "looks where the call began, before its own earlier steps in it moved anything"
        yield told, view.of_phase(phase, stale, t)


def _other_objectives(run: PhasedRun, t: int, wrong: JudgedCall) -> Iterator[Rival]:
    for number, phase in enumerate(run.phases.phases):
        if number != wrong.slot.phase:
            found = wrong.view.of_phase(phase, wrong.view.look.at, t)
            yield f"steps by the gradient of the objective of {phase.optimizer}", found
            both = [b if a is None else a if b is None else a + b for a, b in zip(wrong.gradients, found, strict=True)]
            yield f"steps by the gradient of its objective and that of {phase.optimizer} together", both


def _factor(wrong: JudgedCall) -> float | None:
    """Return k where the gradients at the optimizer's door are k times those of the objective."""
    pairs = [(wrong.call.gradients[i], g) for i, g in enumerate(wrong.gradients) if i in wrong.call.gradients]
    seen, mine = (np.concatenate([np.ravel(a) for a in side] or [np.zeros(0)]) for side in _split(pairs))
    length = float(mine @ mine)
    return float(seen @ mine) / length if mine.size > 1 and length else None


def _is_simple(factor: float) -> bool:
    """Say whether a fitted factor is a whole number or a fraction of 1: in a small case any other fits by chance."""
    k = max(abs(factor), 1 / abs(factor)) if factor else 0.0
    return 1 < k <= decisions.LARGEST_DENOMINATOR and abs(k - round(k)) <= decisions.SIMPLE_SHARE * k


def _split(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    both = [(a, b) for a, b in pairs if b is not None]
    return [a for a, _ in both], [b for _, b in both]


def _scaled(gradients: Sequence[Array | None], k: float) -> list[Array | None]:
    return [None if g is None else np.asarray(k * g) for g in gradients]


def _add(found: dict[int, Any], i: int, g: Array) -> None:
    found[i] = found[i] + g if i in found else g


def _total(mine: Sequence[Array | None], others: Sequence[Mapping[int, Array]]) -> list[Array | None]:
    found = list(mine)
    for one in others:
        for i, g in one.items():
            now = found[i]
            found[i] = g if now is None else now + g
    return found
