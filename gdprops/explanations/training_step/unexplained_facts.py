"""Describe what was seen of a wrong step if no hypothesis is proved. These are facts; no cause is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.explanation_wording import rows_text, several
from gdprops.explanations.training_step.factors import table
from gdprops.model.wording import plural
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure, Moment
    from gdprops.explanations.training_step.observation import Observation
    from gdprops.model.arrays import Array


def facts(failures: Sequence[Failure]) -> str:
    """Return the facts about the failing examples, joined by semicolons."""
    return "; ".join([_since(failures), *_spared(failures), *_common(failures), *_of(failures[0].first)])


def _since(failures: Sequence[Failure]) -> str:
    steps = sorted({failure.first.step.number for failure in failures})
    return f"first wrong at step {', '.join(map(str, steps))}"


def _spared(failures: Sequence[Failure]) -> Iterator[str]:
    firsts = [failure.first.step for failure in failures]
    if not any(step.wrong_at(0) for step in firsts):
        yield "the first parameter is right in every example"
    if not any(step.wrong_at(len(step.names) - 1) for step in firsts):
        yield "the last parameter is right in every example"


def _common(failures: Sequence[Failure]) -> Iterator[str]:
    """Yield whether the gradient handed to the optimizer is right, if that is so in all wrong steps or in none."""
    sides = {side_of(moment) for failure in failures for moment in failure.wrong}
    if sides == {True}:
        yield "the gradient handed to the optimizer is right: the fault is in the update"
    elif sides == {False}:
        yield "the gradient handed to the optimizer is wrong already"


def side_of(moment: Moment) -> bool | None:
    """Say whether the gradient handed to the optimizer is right, None where it was not seen."""
    step, seen = moment
    door = None if seen is None else seen.door()
    if door is None:
        return None
    pairs = zip(door, step.gradients, strict=True)
    return all(_is_near(a, b) for a, b in pairs if b is not None)


def _is_near(seen: Array | None, right: Array) -> bool:
    if seen is None:
        return not right.any()
    off, most = np.abs(seen - right).max(initial=0.0), np.abs(right).max(initial=0.0)
    return bool(off <= decisions.REGRESSION_RESIDUAL * most)


def _of(moment: Moment) -> Iterator[str]:
    """Yield facts about the first wrong step of the largest example."""
    step, seen = moment
    factors = table(moment)
    if factors is not None:
        yield f"in the largest example {factors}"
    if seen is not None:
        yield from _watched(step, seen)


def _watched(step: Watched, seen: Observation) -> Iterator[str]:
    rows = step.run.rows(step.batch)
    if len(seen.learning) > 1 or any(len(one.rows or ()) != rows for one in seen.learning):
        told = rows_text([one.rows for one in seen.learning])
        yield f"it makes {plural(len(seen.learning), 'forward pass', 'forward passes')} ({told} of {rows})"
    if len(seen.calls) > 1:
        yield f"optimizers are called {len(seen.calls)} times"
    late = dict.fromkeys(step.names[read.parameter] for read in seen.late)
    if late:
        yield f"already updated weights are read: {several(list(late))}"
    most = max(seen.writes.values(), default=0)
    often = [step.names[i] for i, count in seen.writes.items() if count == most]
    if most > 1 and len(often) < len(seen.writes):
        yield f"{several(often)} written {most} times, the others less often"
