"""The lines at which wrong parameters go wrong, from the values of one step on the trial case of a subject.

On that case no two sizes are alike, so that a value is not taken for another one by chance. What is compared with what
is decided in `first_wrong_value.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.errors import GdpropsError
from gdprops.explanations.backprop.exact_derivatives import nodes_of, reached
from gdprops.explanations.backprop.first_wrong_value import Backward, wrong_values
from gdprops.explanations.backprop.recorded_values import recorded
from gdprops.model.note import Note
from gdprops.subjects.user_code.place import shown_path

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase
    from gdprops.subjects.backprop.subject import Backprop


NEAR = 1e-6
"""How far a parameter may be off on this case, as a share of the largest derivative."""


MOVED = 0.01
"""By how much a parameter is moved to see what of the forward pass depends on it."""


class _Compared(NamedTuple):
    backward: Backward
    wrong: Mapping[str, set[int]]


class ComparedValues:
    """The values of one step of a subject beside the exact derivatives; computed when they are first asked for."""

    def __init__(self, subject: Backprop) -> None:
        self._subject = subject

    def places(self, names: Sequence[str], said: str = "") -> list[Note]:
        """Return the lines at which some parameters, or any, go wrong; nothing where it cannot be told.

        ``said``: what is known to be wrong with them.
        """
        found = self._found
        if found is None:
            return []
        wrong = [name for name in found.wrong if name in names or not names]
        gradients = found.backward.gradients
        for name in sorted(wrong, key=lambda one: (_is_vector(gradients[one]), len(found.wrong[one]))):
            right = [n for n in gradients if n not in found.wrong]
            missing = "missing" in said and "of the output's" not in said
            values = wrong_values(found.backward, name, found.wrong[name], right, is_missing=missing)
            if values:
                told = f"{', '.join(names or wrong)}: what is computed here is not the derivative that belongs here"
                notes = [Note(told, shown_path(values[0].file), values[0].line)]
                notes += [Note("and this is returned there", shown_path(v.file), v.line) for v in values[1:2]]
                return notes
        return []

    @cached_property
    def _found(self) -> _Compared | None:
        """The step on the trial case; on one row of it where code goes through the rows one by one."""
        case = self._subject.trial()
        tried = [self._on(case), self._on(_of_one_row(case))] if len(case.batches[0].inputs) > 1 else [self._on(case)]
        usable = [one for one in tried if one is not None and one.wrong]
        return max(usable, key=lambda one: one.backward.matched, default=None)

    def _on(self, case: BackpropCase) -> _Compared | None:
        try:
            with np.errstate(all="ignore"):
                return _compared(self._subject, case)
        except (GdpropsError, RecursionError, ArithmeticError, ValueError, TypeError):
            return None


def _is_vector(a: Array) -> bool:
    """Say whether a parameter is a bias by its shape: its gradient may be an error itself, which tells less."""
    return bool(sum(n > 1 for n in a.shape) < 2)


def _of_one_row(case: BackpropCase) -> BackpropCase:
    return replace(case, batches=tuple(batch.rows(slice(0, 1)) for batch in case.batches))


def _compared(subject: Backprop, case: BackpropCase) -> _Compared:
    run = subject.begin(case)
    before = run.weights()
    gradients = [np.zeros(w.shape) if g is None else g for g, w in zip(run.gradients(before, 0), before, strict=True)]
    loss = run.traced_loss(before, 0)
    if subject.step is not None:
        values = recorded(lambda: run.step(0))
        ends = run.weights()
        moved = [(b - e) / case.rate for b, e in zip(before, ends, strict=True)]
    else:
        stated: list[Any] = []
        values = recorded(lambda: stated.extend(run.stated_gradients(0)))
        ends = before
        moved = [np.zeros(w.shape) if g is None else np.asarray(g) for g, w in zip(stated, before, strict=True)]
    most = max(float(np.abs(g).max(initial=0.0)) for g in gradients)
    parts = zip(run.names, gradients, moved, strict=True)
    wrong = [n for n, g, m in parts if m.shape != g.shape or np.abs(m - g).max(initial=0.0) > NEAR * most]
    both = dict(zip(run.names, zip(before, ends, strict=True), strict=True))
    named = dict(zip(run.names, gradients, strict=True)), dict(zip(run.names, moved, strict=True))
    counts = len(case.batches[0].inputs), case.batches[0].targets.shape[-1] if case.batches[0].targets.ndim > 1 else 1
    reach = {}
    for name in wrong:
        moved_by = [w + MOVED * (n == name) for n, w in zip(run.names, before, strict=True)]
        reach[name] = reached(loss, run.traced_loss(moved_by, 0))
    data = tuple(np.asarray(a, dtype=np.float64) for a in run.data(0))
    return _Compared(Backward(values, nodes_of(loss), *named, both, counts, data, float(case.rate)), reach)
