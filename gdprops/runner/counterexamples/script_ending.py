"""Where the script of recorded runs ends: at the moment that shows the violation, in an assertion or in the crash.

Several moments may look right. `endings` returns them in the order in which a reader would prefer them: a comparison of
two runs before one with a number, few runs before many. Whoever prints a script takes the first ending that, when it
is run, fails in its last line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from gdprops.model.evidence import MUST_DIFFER
from gdprops.subjects.script_lines import difference, named, numbers

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Compared, Demand, Evidence, Location
    from gdprops.model.subject import Script
    from gdprops.runner.counterexamples.recorded_script import Moment, RunLines

MOST_MATCHES = 4
"""How many moments with the numbers that were seen are tried."""


@final
@dataclass(frozen=True)
class Ending:
    """The runs to show, each up to a line and followed by further lines; the last lines; whether they raise."""

    shown: dict[int, int]
    after: dict[int, list[str]] = field(default_factory=dict)
    last: tuple[str, ...] = ()
    crashes: bool = False

    def among_all(self, runs: Sequence[RunLines]) -> Ending:
        """Return this ending with all runs before it: a subject may remember what happened in other runs."""
        whole = {k: len(run.lines) for k, run in enumerate(runs[: max(self.shown)]) if run.crash is None}
        return Ending({**whole, **self.shown}, self.after, self.last, self.crashes)


def endings(runs: Sequence[RunLines], script: Script, evidence: Evidence) -> Iterator[Ending]:
    """Yield the endings that may show a violation, the most readable one first."""
    found = list(_endings(runs, script, evidence))
    yield from found
    yield from (ending.among_all(runs) for ending in found if len(ending.shown) < len(runs))


def _endings(runs: Sequence[RunLines], script: Script, evidence: Evidence) -> Iterator[Ending]:
    if evidence.demand is not None:
        yield from _demanded(runs, evidence.demand, evidence.reason)
    elif evidence.location is not None:
        yield from _compared(runs, evidence, evidence.location)
    else:
        yield from _tested(runs, evidence.reason)
        yield from _crashed(runs, evidence.reason)


def _tested(runs: Sequence[RunLines], reason: str) -> Iterator[Ending]:
    for k, run in reversed(list(enumerate(runs))):
        for line, test in reversed(run.tests):
            yield Ending({k: line}, last=(f"assert {test}, {reason!r}",))


def _crashed(runs: Sequence[RunLines], reason: str) -> Iterator[Ending]:
    for k, run in reversed(list(enumerate(runs))):
        if run.crash is not None and type(run.crash).__name__ in reason:
            yield Ending({k: len(run.lines)}, crashes=True)


def _demanded(runs: Sequence[RunLines], demand: Demand, reason: str) -> Iterator[Ending]:
    """Yield the moments at which a demand may be unmet, the last one first."""
    last = (*demand.define, f"assert {demand.test}, {reason!r}")
    for k, run in reversed(list(enumerate(runs))):
        moments = list(enumerate(run.moments))
        for number, moment in moments if _is_of_a_call(demand) else reversed(moments):
            used = "seen" in demand.test
            after = [*_before(run, number, demand), *[f"seen = {_weights(moment)}"] * used]
            if "other" not in demand.test:
                yield Ending({k: moment.line}, {k: after}, last)
                continue
            for j, other in enumerate(runs[:k]):
                if other.moments and number == len(run.moments) - 1 and _is_pair(other, run, runs, demand, reason):
                    end = other.moments[-1]
                    yield Ending({j: end.line, k: moment.line}, {j: [f"other = {_weights(end)}"], k: after}, last)


def _is_of_a_call(demand: Demand) -> bool:
    """Say whether a demand is about one call of a closure: the first step that fails it is enough."""
    return "looks" in demand.test or "returned" in demand.test


def _is_pair(one: RunLines, two: RunLines, runs: Sequence[RunLines], demand: Demand, reason: str) -> bool:
    """Say whether two runs can be those that must differ: where a clause changes hyperparameters, one that it names."""
    if demand is not MUST_DIFFER or all(run.plan == one.plan for run in runs):
        return True
    keys = {*one.plan.options, *two.plan.options}
    changed = [key for key in keys if one.plan.options.get(key) != two.plan.options.get(key)]
    changed += ["lr"] if one.plan.rates != two.plan.rates else []
    return len(changed) == 1 and changed[0] in reason


def _before(run: RunLines, number: int, demand: Demand) -> list[str]:
    if "before" not in demand.test:
        return []
    start = [w.tolist() for w in run.start] if number == 0 else [_numbers(a) for a in _arrays(run.moments[number - 1])]
    return [f"before = {numbers(start)}"]


def _arrays(moment: Moment) -> list[Array]:
    return [a for _, a in moment.shown[: moment.tensors] if a is not None]


def _numbers(values: Array) -> object:
    return values.tolist()


def _weights(moment: Moment) -> str:
    return f"[{', '.join(f'{name}.tolist()' for name, _ in moment.shown[: moment.tensors])}]"


class _Match(NamedTuple):
    """A moment at which the compared numbers were seen; ``alike`` of the compared tensors agree there."""

    alike: int
    timely: bool
    run: int
    moment: Moment
    entry: str


def _compared(runs: Sequence[RunLines], evidence: Evidence, location: Location) -> Iterator[Ending]:
    """Yield assertions of the worst entry: against another run of the subject, then against a number."""
    seen, expected = (
        sorted(_matches(runs, evidence, location, side), key=lambda m: m[:2], reverse=True)[:MOST_MATCHES]
        for side in ("seen", "expected")
    )
    name = f"{location.parameter}{list(location.index) if location.index else ''}"
    for match in seen:
        here = [f"seen = {match.entry}"]
        for other in expected[:1]:
            if other.run != match.run:
                shown = {other.run: other.moment.line, match.run: match.moment.line}
                after = {other.run: [f"expected = {other.entry}"], match.run: here}
                yield Ending(shown, after, (difference(name, location.allowed),))
    for match in seen:
        here = [f"seen, expected = {match.entry}, {named(location.expected)}"]
        for strict in (False, True):
            last = difference(name, location.allowed, strict)
            yield Ending({match.run: match.moment.line}, {match.run: here}, (last,))


def _number(shown: str) -> object:
    try:
        return float(shown)
    except ValueError:
        return shown


def _matches(runs: Sequence[RunLines], evidence: Evidence, location: Location, side: str) -> Iterator[_Match]:
    whole = list(evidence.compared)
    worst = next((i for i, one in enumerate(whole) if one.parameter == location.parameter), None)
    for k, run in enumerate(runs):
        for moment in run.moments:
            entry = _entry(moment, whole, worst, location, side)
            if entry is not None:
                alike = sum(_find(moment, whole, i, side) is not None for i in range(len(whole)))
                yield _Match(alike, moment.step == location.step, k, moment, entry)


def _entry(moment: Moment, whole: Sequence[Compared], worst: int | None, location: Location, side: str) -> str | None:
    """Return the expression of the worst entry in an array that has the compared numbers, None where there is none."""
    one = None if worst is None else whole[worst]
    found = None if worst is None else _find(moment, whole, worst, side)
    if found is not None and one is not None:
        name, array, first = found
        flat = first + (int(np.ravel_multi_index(location.index, one.shape)) if location.index else 0)
        index = [int(i) for i in np.unravel_index(flat, array.shape)]
        return f"{name}{index if index else ''}.item()"
    return None if one is not None and one.seen is not None else _by_entry(moment, location, side)


def _find(moment: Moment, whole: Sequence[Compared], index: int, side: str) -> tuple[str, Array, int] | None:
    """Return the array with the numbers of a compared tensor, its expression, and where in it these numbers begin.

    In a run over all compared tensors it can only be that tensor, or its gradient. A large array may repeat a small
    tensor's numbers; of a complex one the real and imaginary parts are compared.
    """
    wanted = getattr(whole[index], side)
    if wanted is None:
        return None
    mine = moment.shown[index :: moment.tensors] if moment.tensors == len(whole) else moment.shown
    for name, values in mine:
        if values is None:
            continue
        shown, parts = (f"torch.view_as_real({name})", _parts(values)) if np.iscomplexobj(values) else (name, values)
        first = _begin(parts.ravel(), np.asarray(wanted))
        if first is not None:
            return shown, parts, first
    return None


def _parts(values: Array) -> Array:
    """Return complex numbers as pairs of real ones."""
    return np.stack([values.real, values.imag], axis=-1)


def _begin(flat: Array, wanted: Array) -> int | None:
    """Return where among the repetitions of a tensor its wanted numbers stand first, None where they do not."""
    if not wanted.size or flat.size % wanted.size:
        return None
    rows = flat.reshape(-1, wanted.size)
    alike = ((rows == wanted) | (np.isnan(rows) & np.isnan(wanted))).all(axis=1)
    return int(np.argmax(alike)) * wanted.size if alike.any() else None


def _by_entry(moment: Moment, location: Location, side: str) -> str | None:
    """Return the expression of an entry of a tensor that is too large to be compared as a whole."""
    wanted = _number(getattr(location, side))
    for name, values in moment.shown:
        if values is None or values.ndim != len(location.index) or not isinstance(wanted, float):
            continue
        if all(i < n for i, n in zip(location.index, values.shape, strict=True)) and (
            repr(float(np.real(values[location.index]))) == repr(wanted)
        ):
            return f"{name}{list(location.index) if location.index else ''}.item()"
    return None
