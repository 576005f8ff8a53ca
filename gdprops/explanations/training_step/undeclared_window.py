"""A step that moves at every k-th call only: it accumulates gradients, and that or another window is not declared.

In loops of two to four steps such a step moves nothing, or once at the end. A longer loop shows when it moves. An
update may move nothing, at a rate of 0: so calls of the optimizer count too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING, Any

from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.shifted_windows import calls_that_move
from gdprops.model.case import OwnCase
from gdprops.model.wording import ordinal
from gdprops.numerics.comparison import alike
from gdprops.numerics.decisions import ACCUMULATION_CALLS

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.training_run import TrainedSubject


def undeclared_window(subject: TrainedSubject, failures: Sequence[Failure]) -> str:
    """Return that the step moves at every k-th call, where it does so in a long loop and in all failures; else ''."""
    run = failures[0].first.step.run
    if run.live is None or not _may_be_undeclared(failures, run.window):
        return ""
    k = _period(subject, failures[0].case, run.window)
    if k in (0, 1, run.window) or any(not _agrees(failure, k, run.window) for failure in failures):
        return ""
    instead = "" if run.window == 1 else f" instead of accumulate={run.window}"
    told = f"the step moves at every {ordinal(k)} call only: where it accumulates gradients, declare accumulate={k}"
    return told + instead


def _may_be_undeclared(failures: Sequence[Failure], window: int) -> bool:
    """Say whether the failures were seen moving at other calls than declared: a long loop is run only then."""
    if window == 1:
        return not any(any(failure.moments[0].step.moved()) for failure in failures)
    seen, meant = calls_that_move(failures[0])
    return bool(meant) and seen != meant


def _agrees(failure: Failure, k: int, window: int) -> bool:
    """Say whether the steps of a failure move where a k-th call falls into them, and rest elsewhere."""
    return all(_is_due(step, k, window) or not any(step.moved()) for step, _ in failure.moments) and all(
        any(step.moved()) or not _is_due(step, k, window) or not any(step.moved_by_u()) for step, _ in failure.moments
    )


def _is_due(step: Watched, k: int, window: int) -> bool:
    """Say whether a k-th call is among the calls of a logical step."""
    return step.number * window // k > (step.number - 1) * window // k


def _period(subject: Any, case: Any, window: int) -> int:
    """Return k where a long loop over the batches of a case moves at every k-th call, else 0."""
    if window > 1:
        from gdprops.explanations.training_step.reordering import call_by_call

        subject, case = call_by_call(subject), _call_by_call(case)
    try:
        moves = list(_moves(subject, case))
    except GdpropsError:
        return 0
    moved = [t for t, moves_there, _ in moves if moves_there]
    k = moved[0] if len(moved) > 1 else 0
    due = [t for t, *_ in moves if k and t % k == 0]
    called = {t for t, _, is_called in moves if is_called}
    return k if k and set(moved) <= set(due) <= {*moved, *called} else 0


def _call_by_call(case: Any) -> Any:
    """Return a case whose micro-batches, or the batches that they are cut from, are each the batch of a step."""
    if isinstance(case, OwnCase):
        return replace(case, batches=tuple((given,) for given in chain(*case.batches)))
    return replace(case, chunks=())


def _moves(subject: Any, case: Any) -> Iterator[tuple[int, bool, bool]]:
    """Yield for each call of a long loop its number, whether it moves anything, and whether it calls the optimizer."""
    batches = tuple(islice(cycle(case.batches), ACCUMULATION_CALLS))
    run = subject.begin(replace(case, batches=batches))
    before = run.weights()
    for t in range(len(batches)):
        run.step(t)
        moves = not all(map(alike, run.now(), before))
        yield t + 1, moves, run.called_with() is not None
        before = run.weights() if moves else before
