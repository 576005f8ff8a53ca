"""Windows of micro-batches that begin or end at another call than declared.

``if i % k == 0`` updates at calls 1, k + 1, 2 k + 1 instead of k, 2 k, 3 k. What the calls behind an update leave in
``.grad`` counts in the next one. The log says after which call weights moved and what was left; our own gradients,
added up and divided as the declared mean is, must then end at the weights seen. A short window at the end of an epoch
may never be used at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.explanations.training_step.observation import Observation

MOST_TOLD = 4
ACCUMULATION = "step.accumulation"


def _lost(step: Watched) -> Weights | None:
    """Return the weights as they were before a short window; a whole one must be right."""
    return list(step.before) if 0 < len(step.noticed.looks) < step.run.window else None


SHORT_ARE_LOST = Hypothesis(
    "a short window makes no update: what its micro-batches have added up is lost, or stays for the next window",
    on_steps(_lost),
    clause=ACCUMULATION,
    about_rest=True,
)


class Since:
    """What has been added up since the last update: rows and micro-batches."""

    def __init__(self, rows: int, passes: int) -> None:
        self.rows, self.passes = rows, passes


ADDED: Mapping[str, Callable[[int, int, int], float]] = {
    "as they are": lambda rows, batch, window: 1.0,
    "times their rows": lambda rows, batch, window: float(rows),
    "divided by the window": lambda rows, batch, window: 1 / window,
    "weighted by their share of the rows": lambda rows, batch, window: rows / batch,
}
DIVIDED: Mapping[str, Callable[[Since], float]] = {
    "": lambda since: 1.0,
    " and divided by the rows since the last update": lambda since: 1 / since.rows,
    " and divided by the micro-batches since the last update": lambda since: 1 / since.passes,
}


def shifted_windows(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "updates at calls 1, 3, 5 instead of 2, 4, 6" where that was seen, with the usual ways to add up."""
    first = failures[0]
    if first.first.step.run.window < 2 or not all(failure.anchored for failure in failures):
        return []
    seen, meant = calls_that_move(first)
    if not meant or seen == meant:
        return []
    before = {id(m.step): failure.moments[:k] for failure in failures for k, m in enumerate(failure.moments)}
    text = (
        f"the window is shifted: it updates at calls {_listed(seen)} instead of {_listed(meant)} (in the largest "
        "example), and what calls leave behind an update counts in the next one: gradients are added up "
    )
    return [
        Hypothesis(text + added + divided, _rival(a, b, before), clause=ACCUMULATION, broad=1, dated=True)
        for added, a in ADDED.items()
        for divided, b in DIVIDED.items()
    ]


def _listed(calls: Sequence[int]) -> str:
    told = ", ".join(map(str, calls[:MOST_TOLD]))
    return f"{told}, …" if len(calls) >= 2 else told or "none"


def calls_that_move(failure: Failure) -> tuple[list[int], list[int]]:
    """Return at which calls weights were seen moving, and at which they should; empty where calls cannot be told."""
    moved, meant, so_far = list[int](), list[int](), 0
    for step, seen in failure.moments:
        if seen is None or len(seen.learning) != len(step.noticed.looks):
            return [], []
        moved += [so_far + 1 + k for k, moves in enumerate(_moves(seen)) if moves]
        so_far += len(seen.learning)
        meant.append(so_far)
    return moved, meant


def _moves(seen: Observation) -> list[bool]:
    """Say for each pass that is learned from whether weights move after it."""
    return [any(bool(m.any()) for m in masks) for masks in seen.moved_after()]


def _since(earlier: Sequence[Moment]) -> Since:
    """Return what earlier steps have left since their last update."""
    since = Since(0, 0)
    for _, seen in earlier:
        for one, moves in zip(seen.learning, _moves(seen), strict=True) if seen is not None else ():
            since = Since(0, 0) if moves else Since(since.rows + len(one.rows or ()), since.passes + 1)
    return since


def _rival(
    added: Callable[[int, int, int], float],
    divided: Callable[[Since], float],
    before: Mapping[int, Sequence[Moment]],
) -> Callable[[Moment], Weights | None]:
    def rival(moment: Moment) -> Weights | None:
        step, seen = moment
        if seen is None or id(step) not in before or not seen.learning:
            return None
        v, state, waiting = list(step.before), step.state, list(seen.left)
        since, rows = _since(before[id(step)]), step.run.rows(step.batch)
        for one, moves in zip(seen.learning, _moves(seen), strict=True):
            chosen = slice(one.rows[0], one.rows[-1] + 1) if one.rows else slice(0)
            if not one.rows or one.rows != tuple(range(rows))[chosen]:
                return None
            g = step.run.gradients(v, step.batch, rows=chosen, clipped=False)
            c = added(len(one.rows), rows, step.run.window)
            scaled = [None if x is None else c * x for x in g]
            waiting = [b if a is None else a if b is None else a + b for a, b in zip(waiting, scaled, strict=True)]
            since = Since(since.rows + len(one.rows), since.passes + 1)
            if moves:
                k = divided(since)
                mean = step.run.clip([None if x is None else k * x for x in waiting])
                v, state = step.run.update(v, mean, state, step.settings), None
                waiting, since = [None] * len(v), Since(0, 0)
        return [np.asarray(w) for w in v]

    return rival
