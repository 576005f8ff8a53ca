"""Code that raises: at which sizes it does so, found by trying it with each size of 1 by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdprops.errors import SubjectCrash
from gdprops.subjects.backprop.checked_form import case_of, trial_sizes

if TYPE_CHECKING:
    from gdprops.model.case import BackpropCase
    from gdprops.subjects.backprop.subject import Backprop

ONE_OF = ("input", "hidden unit", "output", "row")
ENOUGH_ROWS = 6


def crashed(subject: Backprop, cases: Sequence[BackpropCase]) -> str | None:
    """Return "raises with 1 hidden unit", where that is what all cases that raise have in common; None otherwise."""
    crashes = [(case, crash) for case in cases if (crash := _crash(subject, case)) is not None]
    layout = subject.layout
    sizes = (*trial_sizes(layout), 1 if layout.has_one_sample else ENOUGH_ROWS)
    if not crashes or _crash(subject, case_of(layout, sizes[:3], sizes[3])) is not None:
        return None
    alone = [k for k in range(len(sizes)) if sizes[k] > 1 and _raises_with_one(subject, sizes, k)]
    if not alone or not all(any(k in _ones(subject, case) for k in alone) for case, _ in crashes):
        return None
    first = crashes[0][1]
    told = " or ".join(f"1 {ONE_OF[k]}" for k in alone)
    return f"raises with {told}, and runs with more: {type(first.error).__name__} in {first.doing}"


def _raises_with_one(subject: Backprop, sizes: tuple[int, ...], k: int) -> bool:
    n_in, n_hidden, n_out, rows = (1 if j == k else n for j, n in enumerate(sizes))
    return _crash(subject, case_of(subject.layout, (n_in, n_hidden, n_out), rows)) is not None


def _crash(subject: Backprop, case: BackpropCase) -> SubjectCrash | None:
    try:
        subject.begin(case).looked_at()
        if subject.step is not None:
            run = subject.begin(case)
            for t in range(len(case.batches)):
                run.step(t)
    except SubjectCrash as crash:
        return crash
    return None


def _ones(subject: Backprop, case: BackpropCase) -> Iterator[int]:
    """Yield which of the sizes of a case are 1: inputs, hidden units, outputs, rows."""
    batch, shapes = case.batches[0], [w.shape for w in case.tensors]
    n_in, rows = batch.inputs.shape[1], len(batch.inputs)
    for n_out in range(1, 5):
        for n_hidden in range(1, 4):
            if [tuple(shape) for shape in subject.layout.shapes(n_in, n_hidden, n_out).values()] == shapes:
                yield from (k for k, n in enumerate((n_in, n_hidden, n_out, rows)) if n == 1)
                return
