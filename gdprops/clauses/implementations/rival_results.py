"""Rivals: wrong results of known mistakes, each with a name such as "the mean of the micro-batches' means".

Where a rival reproduces the weights that a wrong training step ended at, the violation gets the rival's name. Otherwise
the step is wrong in a way that another clause is about (step.simultaneous).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.watched_step import Arrays, Grads, Watched
    from gdprops.model.evidence import Evidence

    Named = tuple[str, Callable[[], Arrays]]
else:
    workbench = lazy("gdprops.clauses.support.workbench")


def unless_a_rival(steps: Sequence[Watched], rivals: Callable[[Watched], Sequence[Named]], wanted: int) -> Evidence:
    """Return a violation if a rival reproduces the first wrong step; the reason is the name of the rival.

    Where no step is wrong, the example is decisive if the first ``wanted`` rivals differ from the expected weights.
    """
    wrong = next((step for step in steps if step.wrong), None)
    if wrong is None:
        return workbench.combine(_right(step, rivals(step)[:wanted]) for step in steps)
    seen = next((what for what, rival in rivals(wrong) if wrong.equals(rival())), None)
    return training_step.wrong_otherwise(wrong) if seen is None else training_step.agrees(wrong, [], seen)


def _right(step: Watched, rivals: Sequence[Named]) -> Evidence:
    if not rivals:
        return workbench.vacuous("no rival result exists in this example")
    return training_step.agrees(step, [rival() for _, rival in rivals])


def added(total: Sequence[Any], more: Grads) -> list[Any]:
    if not total:
        return list(more)
    return [b if a is None else a if b is None else a + b for a, b in zip(total, more, strict=True)]


def micro_batches(step: Watched) -> list[slice]:
    """Return the rows of every micro-batch that the step computed a gradient of.

    The list is empty where these micro-batches together are not the whole batch.
    """
    sizes, found, start = step.noticed.looks, list[slice](), 0
    if sum(sizes) != step.run.rows(step.batch):
        return []
    for size in sizes:
        found.append(slice(start, start + size))
        start += size
    return found
