"""Batches that are split into chunks of rows, by steps whose forward passes nobody sees: chunks of every size.

A law is fitted, never the weights of one example's rows: "chunks of 4 rows, each one's mean counts alike" has one
constant, and must reproduce batches of every size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gdprops.explanations.training_step.gradient_origin import total
from gdprops.explanations.training_step.gradient_regression import row_weights
from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure

LARGEST = 32
"""Chunks of more rows are not tried."""
Parts = Callable[[int], list[slice]]
"""From the number of rows, the parts."""


def chunked(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the mean and the sum of chunks' gradients, of every size; with the ragged last one lost, too."""
    steps = [moment.step for failure in failures for moment in failure.wrong]
    most = max(steps, key=lambda step: step.run.rows(step.batch))
    rows = most.run.rows(most.batch)
    found = list[Hypothesis]()
    for size in range(1, min(rows, LARGEST + 1)):
        found += _means(f"the mean of two parts' means: the first {size} rows, and the others", _two(size), rows)
        if size > 1:
            found += _means(f"the mean of the means of chunks of {size}", _chunks(size), rows)
            text = f"rows that nobody looks at: those behind the last whole chunk of {size}"
            found.append(Hypothesis(text, on_steps(_whole_chunks(size)), 1, "step.simultaneous", broad=1))
    return found


def _two(size: int) -> Parts:
    return lambda n: [slice(0, size), slice(size, n)] if n > size else [slice(0, n)]


def _chunks(size: int) -> Parts:
    return lambda n: [slice(k, min(k + size, n)) for k in range(0, n, size)]


def _means(text: str, parts: Parts, rows: int) -> list[Hypothesis]:
    """Return the hypothesis, with what every row then weighs in the largest example."""
    chosen = parts(rows)
    sizes = [part.stop - part.start for part in chosen]
    weights = [1 / (len(sizes) * size) for size in sizes for _ in range(size)]
    if len(set(weights)) < 2:
        return []
    told = f"the rows of the batch weigh differently: {row_weights(weights)} ({text})"
    return [Hypothesis(told, on_steps(_mean_of(parts)), 1, "step.accumulation", broad=1)]


def _mean_of(parts: Parts) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        chosen = parts(step.run.rows(step.batch))
        each = [step.run.gradients(step.before, step.batch, rows=part, clipped=False) for part in chosen]
        return step.update(step.run.clip([None if g is None else g / len(chosen) for g in total(each)]))

    return rival


def _whole_chunks(size: int) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        rows = step.run.rows(step.batch)
        kept = rows // size * size
        if not 0 < kept < rows:
            return None
        return step.update(step.run.gradients(step.before, step.batch, rows=slice(0, kept)))

    return rival
