"""Runs hand-written backprop on one form of its data, and compares it with the numerical derivative of its loss.

A form says how the parameters are held (a dict or a list), which shapes they have, and which shapes X and y have.
`trial.py` tries many forms; this file says of one form how far the functions run, and which parameters are right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash
from gdprops.model.backprop_layout import CLASSES, FLAT, Layout
from gdprops.model.case import BackpropCase
from gdprops.model.network import Batch
from gdprops.numerics import decisions
from gdprops.subjects.backprop.farthest_form import NOWHERE, Reached, reached
from gdprops.subjects.backprop.run import GRADIENTS, BackpropRun, Functions, wrong_form
from gdprops.subjects.user_code.calling import Calls, allowed

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

SIZES = (4, 3, 2)
"""The sizes (n_in, n_hidden, n_out) of a trial: all are different, so that W1 and W2 cannot be exchanged unnoticed."""
CLASSES_TRIED = 3
"""The number of classes in a trial: more than two, so that labels cannot be taken for zeros and ones."""
GOLDEN = (5**0.5 - 1) / 2
"""Multiples of the golden ratio, modulo 1, lie evenly and never repeat."""


RAN, MISFORMED, RAISED = 2, 1, 0
"""How far a function got: it ran, it returned a wrong form, or it raised."""


@final
@dataclass(frozen=True, slots=True)
class Checked:
    """How far a function got (it ran, returned a wrong form, or raised), which parameters are right, what went wrong.

    ``along``: which parameters are right up to a factor. ``by_outputs``: all parameters are right once they are
    multiplied, or divided, by the number of outputs.
    """

    ran: int
    right: frozenset[str] = frozenset()
    along: frozenset[str] = frozenset()
    said: str = ""
    by_outputs: bool = False
    reached: Reached = NOWHERE


def check_gradients(functions: Functions) -> Checked:
    """Compare the user's gradients with the numerical derivative; they must have the parameters' shapes."""
    return _checked(functions, _gradients)


def check_step(functions: Functions) -> Checked:
    """Compare what the step moves with lr times the numerical derivative; the step must keep the parameters' shapes."""
    return _checked(functions, _displacements)


def _checked(functions: Functions, compared: Callable[[BackpropRun], Compared]) -> Checked:
    """Return how far the functions get, held to their loss, or to their loss without its guards if that fits better."""
    found = _checked_once(functions, compared)
    if not functions.guards or len(found.right) == len(functions.layout.shapes(*trial_sizes(functions.layout))):
        return found
    return max(found, _checked_once(functions.without_guards(), compared), key=lambda one: (one.ran, len(one.right)))


def _checked_once(functions: Functions, compared: Callable[[BackpropRun], Compared]) -> Checked:
    """Run twice, with other rows and numbers: what is right is right both times."""
    names = frozenset(functions.layout.shapes(*trial_sizes(functions.layout)))
    right = along = scaled = names
    try:
        for more in (0, 1):
            run = trial_run(functions, more=more)
            found = compared(run)
            right, along = right & found.near(), along & found.along()
            scaled = scaled & found.near_by_outputs(run.case)
    except SubjectCrash as crash:
        got = reached(crash, functions.gradients, functions.step)
        return Checked(MISFORMED if crash.told else RAISED, said=str(crash), reached=got)
    return Checked(RAN, right, along, by_outputs=scaled == names)


def _gradients(run: BackpropRun) -> Compared:
    tensors, seen = run.case.tensors, run.stated_gradients(0)
    expected = run.gradients(tensors, 0)
    if any(s is None or s.shape != w.shape for s, w in zip(seen, tensors, strict=True)):
        raise wrong_form(f"{GRADIENTS} returned gradients whose shapes are not those of the parameters")
    return Compared(run.names, seen, expected, run.errors(tensors, 0))


def _displacements(run: BackpropRun) -> Compared:
    before = run.weights()
    run.step(0)
    wanted = run.update(before, run.gradients(before, 0), None, None)
    seen, expected = ([e - b for e, b in zip(ends, before, strict=True)] for ends in (run.weights(), wanted))
    return Compared(run.names, seen, expected, run.allowed(before, 0))


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """Gradients or displacements: what was seen, what was expected, and how far apart they may be."""

    names: Sequence[str]
    seen: Sequence[Any]
    expected: Sequence[Any]
    allowed: Sequence[Array]

    def near(self, factor: float = 1.0) -> frozenset[str]:
        """Return the parameters that are ``factor`` times as large as expected, up to the allowed difference.

        Returns nothing where the allowed difference is large beside the expected values, or where these are all zero,
        as those of a softmax over one output are: then everything would agree.
        """
        size = largest(self.expected)
        if not size or largest(self.allowed) > decisions.JUMPY_SHARE * size:
            return frozenset()
        most = max(1.0, factor)
        parts = zip(self.names, self.seen, self.expected, self.allowed, strict=True)
        return frozenset(name for name, s, e, bound in parts if (np.abs(s - factor * e) <= most * bound).all())

    def along(self) -> frozenset[str]:
        """Return the parameters of more than one entry that are a multiple of what is expected."""
        parts = zip(self.names, self.seen, self.expected, self.allowed, strict=True)
        return frozenset(name for name, s, e, bound in parts if e.size > 1 and _is_multiple(s, e, bound))

    def near_by_outputs(self, case: BackpropCase) -> frozenset[str]:
        """Return the parameters that are wrong by the number of outputs and nothing else: as a factor, or as a divisor.

        Of the factor and the divisor, the one counts with which more parameters agree.
        """
        outputs = case.batches[0].targets.shape[-1] if case.batches[0].targets.ndim > 1 else 1
        return max(self.near(outputs), self.near(1 / outputs), key=len)


def _is_multiple(seen: Any, expected: Any, allowed: Array) -> bool:
    size = float((expected * expected).sum())
    factor = float((seen * expected).sum()) / size if size else 0.0
    return bool(factor and (np.abs(seen - factor * expected) <= max(1.0, abs(factor)) * allowed).all())


def trial_run(functions: Functions, more: int = 0) -> BackpropRun:
    """Return a run of the functions on a trial case of their layout."""
    return BackpropRun(functions, Calls(allowed()), trial(functions.layout, more=more))


def trial(layout: Layout, *, more: int = 0) -> BackpropCase:
    """Return a case with more rows than any size: what broadcasts by chance does not pass."""
    sizes = trial_sizes(layout)
    shapes = layout.shapes(*sizes)
    most = max([1, sizes[0], sizes[2], *(n for shape in shapes.values() for n in shape)])
    return case_of(layout, sizes, 1 if layout.has_one_sample else 2 + most + more, more=more)


def trial_sizes(layout: Layout) -> tuple[int, int, int]:
    """Return (n_in, n_hidden, n_out) of that case."""
    classes, flat = layout.targets in CLASSES, layout.targets in FLAT
    n_out = layout.outputs or (CLASSES_TRIED if classes else 1 if flat else SIZES[2])
    return layout.inputs or SIZES[0], SIZES[1], n_out


def case_of(layout: Layout, sizes: tuple[int, int, int], rows: int, *, more: int = 0) -> BackpropCase:
    """Return a case of given sizes (n_in, n_hidden, n_out)."""
    shapes = layout.shapes(*sizes)
    tensors = tuple(_spread(shape, k + more) for k, shape in enumerate(shapes.values()))
    batch = Batch(_spread((rows, sizes[0]), 1 + more), _targets(layout.targets, rows, sizes[2], more))
    return BackpropCase(tuple(shapes), tensors, (batch,), layout.rate or 0.5)


def _spread(shape: tuple[int, ...], start: int) -> Array:
    """Return numbers from -1 to 1 of which no small sum is zero."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.asarray(2 * ((np.arange(count) + 1 + 7 * start) * GOLDEN % 1) - 1).reshape(shape)


def _targets(kind: str, rows: int, n_out: int, more: int) -> Array:
    labels = (np.arange(rows) + more) % n_out
    if kind in CLASSES:
        return labels if kind == "labels" else np.eye(n_out)[labels]
    shape = (rows,) if kind in FLAT else (rows, n_out)
    numbers = _spread(shape, 3 + more)
    away = numbers + np.sign(numbers)  # none becomes 0 as an integer, the label of one class
    return (numbers > 0).astype(np.float64) if kind.startswith("binary") else away


def largest(arrays: Sequence[Array | None]) -> float:
    """Return the largest magnitude of any entry."""
    return max((float(np.abs(a).max(initial=0.0)) for a in arrays if a is not None), default=0.0)
