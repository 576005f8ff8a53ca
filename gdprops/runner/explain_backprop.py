"""What wrong hand-written backprop does instead: proved by a counterfactual, or by weights that it reproduces.

First the step is run once more on parameters whose writes are put off (`gdprops.runner.delayed`): if that makes it
right in every failing example, it reads weights that it has already moved, and they are named. Then come the hypotheses
that training steps share, and a factor per parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.clauses.watching import Watched
from gdprops.errors import GdpropsError
from gdprops.runner import explain as shared
from gdprops.runner.delayed import DelayedDict, DelayedList, settled

if TYPE_CHECKING:
    from gdprops.adapters.backprop import Backprop
    from gdprops.model.case import BackpropCase

Factor = Callable[[Watched], float]


def explain(subject: Backprop, cases: Sequence[BackpropCase]) -> str | None:
    """Return what the step does instead, or what was seen without being proved; None where no step is wrong."""
    if subject.step is None:
        return None
    found = [(case, shared.first_wrong(subject, case)) for case in cases[: shared.MOST_EXAMPLES]]
    wrong = [(case, step) for case, step in found if step is not None]
    if not wrong:
        return None
    told = shared.explain(subject, [case for case, _ in wrong])
    if told is None or told.startswith("the step is not deterministic"):
        return told
    unproved = told.startswith("none of")
    return _late_reads(subject, wrong) or (_factors([s for _, s in wrong]) if unproved else None) or told


def _late_reads(subject: Backprop, wrong: Sequence[tuple[BackpropCase, Watched]]) -> str | None:
    """Put off every write: is the step right now, in every failing example? And which writes must be put off?"""
    names, late = wrong[0][1].names, list[str]()
    if not all(_is_right_when_delayed(subject, *one, names, late) for one in wrong):
        return None
    needed = [name for name in names if name in late]
    for name in list(needed):
        fewer = [n for n in needed if n != name]
        if fewer and all(_is_right_when_delayed(subject, *one, fewer, []) for one in wrong):
            needed = fewer
    if not needed:
        return None
    return (
        f"the step uses the already updated weights of {' and '.join(needed)}: "
        "with every write put off to the end of the step, it is right"
    )


def _is_right_when_delayed(
    subject: Backprop, case: BackpropCase, step: Watched, chosen: Sequence[str], late: list[str]
) -> bool:
    form = DelayedList if subject.container.keys is None else DelayedDict
    try:
        moved = subject.begin(case).stepped(form(step.names, step.before, late, chosen), step.batch)
        ended = [settled(subject.container.found(moved, name, k)) for k, name in enumerate(step.names)]
    except (GdpropsError, TypeError, ValueError, AttributeError):
        return False
    rooms = zip(ended, step.expected, step.allowed, strict=True)
    return all(a.shape == e.shape and bool((np.abs(a - e) <= room).all()) for a, e, room in rooms)


def _rows(step: Watched) -> float:
    return float(step.run.rows(step.batch))


KNOWN: tuple[tuple[str, Factor], ...] = (
    ("not moved", lambda step: 0.0),
    ("moved the other way (the gradient's sign is flipped)", lambda step: -1.0),
    ("moved twice as far", lambda step: 2.0),
    ("moved half as far", lambda step: 0.5),
    ("moved farther by the number of rows (the gradient is not divided by them)", _rows),
    ("moved less far by the number of rows (the gradient is divided by them)", lambda step: 1 / _rows(step)),
)


def _factors(wrong: Sequence[Watched]) -> str | None:
    """Return by what factor each wrong parameter moves, where all of them do so in every failing example."""
    told: dict[str, list[str]] = {}
    for i, name in enumerate(wrong[0].names):
        if not any(step.wrong_at(i) for step in wrong):
            continue
        text = _factor_of(wrong, i)
        if text is None:
            return None
        told.setdefault(text, []).append(name)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in told.items())


def _factor_of(wrong: Sequence[Watched], i: int) -> str | None:
    fitted = _fitted(wrong, i)
    candidates = [*KNOWN]
    if fitted is not None:
        k = fitted
        candidates.append((f"moved {k:.6g} times as far", lambda step: k))
    return next((text for text, factor in candidates if all(_moves_by(step, i, factor(step)) for step in wrong)), None)


def _moves_by(step: Watched, i: int, factor: float) -> bool:
    before, room = step.before[i], step.allowed[i] * (1 + abs(factor))
    return bool((np.abs(step.after[i] - before - factor * (step.expected[i] - before)) <= room).all())


def _fitted(wrong: Sequence[Watched], i: int) -> float | None:
    """Return the factor of the largest displacement; one example with one entry fits any."""
    step: Any = max(wrong, key=lambda s: float(np.abs(s.expected[i] - s.before[i]).max()))
    wanted = step.expected[i] - step.before[i]
    if sum(s.before[i].size for s in wrong) < 3 or not wanted.any():
        return None
    return float(((step.after[i] - step.before[i]) * wanted).sum() / (wanted * wanted).sum())
