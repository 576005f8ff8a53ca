"""A step that moves at every k-th call only: it accumulates gradients, and nobody has declared that.

In loops of two to four steps such a step moves nothing, or once at the end. A longer loop shows when it moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from gdprops.errors import GdpropsError
from gdprops.numerics.comparison import alike
from gdprops.numerics.decisions import ACCUMULATION_CALLS

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.training_run import TrainedSubject


def undeclared_window(subject: TrainedSubject, failures: Sequence[Failure]) -> str:
    """Return that the step moves at every k-th call, where it does so in a long loop and in all failures; else ''."""
    run = failures[0].first.step.run
    if run.live is None or run.window > 1 or any(_moves_at_once(failure) for failure in failures):
        return ""
    k = _period(subject, failures[0].case)
    if not k or any(not _agrees(failure, k) for failure in failures):
        return ""
    return f"the step moves at every {k}th call only: where it accumulates gradients, declare accumulate={k}"


def _moves_at_once(failure: Failure) -> bool:
    return any(failure.moments[0].step.moved())


def _agrees(failure: Failure, k: int) -> bool:
    return all(any(step.moved()) == (step.number % k == 0) for step, _ in failure.moments)


def _period(subject: TrainedSubject, case: Any) -> int:
    """Return k where a long loop over the batches of a case moves at every k-th call, else 0."""
    batches = tuple(islice(cycle(case.batches), ACCUMULATION_CALLS))
    moved = list[int]()
    try:
        run = subject.begin(replace(case, batches=batches))
        before = run.weights()
        for t in range(len(batches)):
            run.step(t)
            if not all(map(alike, run.now(), before)):
                moved.append(t + 1)
                before = run.weights()
    except GdpropsError:
        return 0
    k = moved[0] if len(moved) > 1 else 0
    return k if k and moved == list(range(k, len(batches) + 1, k)) else 0
