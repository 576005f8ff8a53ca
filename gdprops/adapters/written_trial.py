"""Hand-written functions tried once: what form of parameters, X and y they take, and what cannot be used at all.

Where nothing is declared, every usual form is offered. The first one on which everything runs and is right is taken:
a form on which a correct step would be wrong (one-hot targets instead of numbers under a softmax) is never held against
it. Where none is, the first one is taken on which most runs, and most of the parameters are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.adapters.calling import Calls
from gdprops.adapters.isolation import isolated
from gdprops.adapters.written import GRADIENTS, LOSS, Functions, WrittenRun, as_loss
from gdprops.errors import SubjectCrash, SubjectTimeout, UsageError
from gdprops.model.case import BackpropCase
from gdprops.model.layout import CLASSES, FLAT, SAMPLES, TARGETS, Layout
from gdprops.model.network import Batch
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.adapters.guessed_shapes import Shapes
    from gdprops.adapters.written_forms import Container
    from gdprops.model.arrays import Array

SIZES = (2, 3, 2)
"""The sizes (n_in, n_hidden, n_out) on which a subject is tried."""
CLASSES_TRIED = 3
"""Labels of more than two classes are not taken for zeros and ones."""
SECONDS = 60.0
GOLDEN = (5**0.5 - 1) / 2
REMEDY = "say what they take with shapes=, samples=, targets=, inputs= or outputs="


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What the user declared of the forms; None is to be found out."""

    shapes: Sequence[tuple[Container, Shapes]]
    fixed: bool
    inputs: int | None
    outputs: int | None
    samples: str | None
    targets: str | None
    guessed: bool = False


@final
@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one form: how far the functions got, how many parameters were right, what the first crash said."""

    functions: Functions
    accepted: bool
    ran: int = 0
    right: int = 0
    said: str = ""
    is_no_float: bool = False

    @property
    def score(self) -> tuple[int, int]:
        """What runs counts before what is right."""
        return self.ran, self.right

    @property
    def is_right(self) -> bool:
        """Whether everything runs and is right."""
        given = (self.functions.step is not None) + (self.functions.gradients is not None)
        parameters = len(self.functions.layout.shapes(*SIZES))
        return self.score == (given * RAN, given * parameters)


def settled(functions: Functions, asked: Asked, name: str) -> Functions:
    """Return the functions with the form that they take. Raises `UsageError` for what cannot be used, in one line."""
    try:
        with isolated():
            chosen = _chosen(functions, asked, name)
            _require_loss(chosen, name)
            _run(chosen).require_forms()
    except SubjectCrash:
        return chosen
    except SubjectTimeout as hang:
        raise UsageError(f"{name}: its functions take more than {SECONDS:g} s on the smallest networks") from hang
    return chosen


def _chosen(functions: Functions, asked: Asked, name: str) -> Functions:
    seen = list[Tried]()
    for candidate in _candidates(functions, asked):
        seen.append(_tried(candidate))
        if seen[-1].is_right:
            break
    accepted = [one for one in seen if one.accepted]
    if not accepted:
        raise UsageError(f"{name}: {_refusal(seen)}")
    best = max(accepted, key=lambda one: one.score)
    arrays = [one for one in seen if one.is_no_float]
    if not best.ran and arrays:
        raise UsageError(f"{name}: {arrays[0].said}")
    if not best.ran and best.said:
        raise UsageError(f"{name}: {best.said}, whatever the form of X and y that loss takes; {REMEDY}")
    _require_sizes(best, accepted, asked, name)
    return best.functions


def _refusal(seen: Sequence[Tried]) -> str:
    if not seen:
        return (
            "no shapes are declared, and what loss asks its params for does not tell them: "
            'say shapes = {"W1": (2, 3), "b1": (3,), …}'
        )
    array = next((one for one in seen if one.is_no_float), None)
    return f"{seen[0].said}; {REMEDY}" if array is None else array.said


def _candidates(functions: Functions, asked: Asked) -> Iterator[Functions]:
    """Yield every form that is not ruled out by what was declared, the usual ones first.

    Where the shapes are not declared, networks of one output come last: a mean over all entries is one over rows there.
    """
    yield from _forms(functions, asked)
    if asked.guessed and asked.outputs is None:
        yield from _forms(functions, replace(asked, outputs=1))


def _forms(functions: Functions, asked: Asked) -> Iterator[Functions]:
    for samples in [asked.samples] if asked.samples else SAMPLES:
        for container, shapes in asked.shapes:
            for targets in [asked.targets] if asked.targets else TARGETS:
                for n_in, n_out in _sizes(shapes, asked):
                    if _is_a_form(samples, targets, n_out):
                        layout = Layout(shapes, n_in, n_out, functions.layout.rate, targets, samples)
                        yield replace(functions, container=container, layout=layout)


def _is_a_form(samples: str, targets: str, n_out: int | None) -> bool:
    """Leave out classes of one output, vectors of targets for many, and those of one sample that is a column."""
    if targets in CLASSES:
        return n_out is None or n_out > 1
    return targets not in FLAT or (samples != "single-column" and n_out in (None, 1))


def _sizes(shapes: Shapes, asked: Asked) -> list[tuple[int | None, int | None]]:
    """Take (in, out) or (out, in) as the order of fixed shapes."""
    if not asked.fixed:
        return [(asked.inputs, asked.outputs)]
    matrices = [s for s in shapes(*SIZES).values() if len(s) > 1] or [(*s, 1) for s in shapes(*SIZES).values() if s]
    first, last = (matrices or [(1, 1)])[0], (matrices or [(1, 1)])[-1]
    readings = [(first[0], last[-1]), (first[-1], last[0])]
    return list(dict.fromkeys((asked.inputs or n_in, asked.outputs or n_out) for n_in, n_out in readings))


def _require_sizes(best: Tried, accepted: Sequence[Tried], asked: Asked, name: str) -> None:
    """Fixed shapes may fit two numbers of columns; where both are as good, they are asked for."""
    layout = best.functions.layout
    others = [
        one.functions.layout
        for one in accepted
        if one.score == best.score
        and (one.functions.layout.samples, one.functions.layout.targets) == (layout.samples, layout.targets)
    ]
    sizes = list(dict.fromkeys((other.inputs, other.outputs) for other in others))
    if asked.fixed and len(sizes) > 1:
        raise UsageError(
            f"{name}: the loss takes X and y with {' or '.join(f'{i} and {o}' for i, o in sizes)} columns; "
            "say which with inputs=… and outputs=…"
        )


def _tried(functions: Functions) -> Tried:
    """Run everything on one form, and compare it with the derivative of the loss."""
    run = _run(functions)
    try:
        if not np.isfinite(run.stated_loss()):
            return Tried(functions, False, said=f"{LOSS} is not finite ({_form(run)})")
    except SubjectCrash as crash:
        return Tried(functions, False, said=f"{crash} ({_form(run)})", is_no_float=bool(crash.told))
    parts = [(f is not None, check) for f, check in ((functions.gradients, _gradients), (functions.step, _step))]
    found = [check(functions) for given, check in parts if given]
    said = next((f"{text} ({_form(run)})" for ran, _, text in found if not ran), "")
    return Tried(functions, True, sum(ran for ran, _, _ in found), sum(right for _, right, _ in found), said)


RAN, MISFORMED, RAISED = 2, 1, 0


def _gradients(functions: Functions) -> tuple[int, int, str]:
    """Return whether the gradients come in the parameters' form, how many are right, and what went wrong."""
    right = set(range(len(functions.layout.shapes(*SIZES))))
    try:
        for run in (_run(functions), _run(functions, more=1)):
            seen, expected = run.stated_gradients(0), run.gradients(run.case.tensors, 0)
            if any(s is None or s.shape != w.shape for s, w in zip(seen, run.case.tensors, strict=True)):
                return MISFORMED, 0, f"{GRADIENTS} returned other shapes than the parameters'"
            right &= _near(seen, expected, run.errors(run.case.tensors, 0), expected)
    except SubjectCrash as crash:
        return MISFORMED if crash.told else RAISED, 0, str(crash)
    return RAN, len(right), ""


def _step(functions: Functions) -> tuple[int, int, str]:
    """Return whether a step leaves the parameters' form, how many it moves rightly, and what went wrong."""
    right = set(range(len(functions.layout.shapes(*SIZES))))
    try:
        for run in (_run(functions), _run(functions, more=1)):
            before = run.weights()
            run.step(0)
            expected = run.update(before, run.gradients(before, 0), None, None)
            moved = [e - b for e, b in zip(expected, before, strict=True)]
            right &= _near(run.weights(), expected, run.allowed(before, 0), moved)
    except SubjectCrash as crash:
        return MISFORMED if crash.told else RAISED, 0, str(crash)
    return RAN, len(right), ""


def _near(seen: Sequence[Any], expected: Sequence[Any], rooms: Sequence[Array], reach: Sequence[Any]) -> set[int]:
    """Return what is as expected, where the room is small beside what moves: anything is near in a large room."""
    if _largest(rooms) > decisions.JUMPY_SHARE * _largest(reach):
        return set()
    parts = enumerate(zip(seen, expected, rooms, strict=True))
    return {i for i, (s, e, room) in parts if (np.abs(s - e) <= room).all()}


def _form(run: WrittenRun) -> str:
    x, y = run.data(0)
    return f"X of shape {np.shape(x)}, y {np.shape(y)}"


def _run(functions: Functions, more: int = 0) -> WrittenRun:
    return WrittenRun(functions, Calls(SECONDS), trial(functions.layout, more=more))


def trial(layout: Layout, *, more: int = 0) -> BackpropCase:
    """Return a case with more rows than any size: what broadcasts by chance does not pass."""
    classes, flat = layout.targets in CLASSES, layout.targets in FLAT
    n_in, n_out = layout.inputs or SIZES[0], layout.outputs or (CLASSES_TRIED if classes else 1 if flat else SIZES[2])
    shapes = layout.shapes(n_in, SIZES[1], n_out)
    most = max([1, n_in, n_out, *(n for shape in shapes.values() for n in shape)])
    rows = 1 if layout.has_one_sample else 2 + most + more
    tensors = tuple(_spread(shape, k + more) for k, shape in enumerate(shapes.values()))
    batch = Batch(_spread((rows, n_in), 1 + more), _targets(layout.targets, rows, n_out, more))
    return BackpropCase(tuple(shapes), tensors, (batch,), layout.rate or 0.5)


def _spread(shape: tuple[int, ...], start: int) -> Array:
    """Return numbers from -1 to 1 that no small sum of makes zero."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.asarray(2 * ((np.arange(count) + 1 + 7 * start) * GOLDEN % 1) - 1).reshape(shape)


def _targets(kind: str, rows: int, n_out: int, more: int) -> Array:
    labels = (np.arange(rows) + more) % n_out
    if kind in CLASSES:
        return labels if kind == "labels" else np.eye(n_out)[labels]
    shape = (rows,) if kind in FLAT else (rows, n_out)
    numbers = _spread(shape, 3 + more)
    return (numbers > 0).astype(np.float64) if kind.startswith("binary") else numbers


def _require_loss(functions: Functions, name: str) -> None:
    """Raise `UsageError` for a loss that is not deterministic, does not depend on the weights, or jumps."""
    run = _run(functions)
    first, second = run.stated_loss(), run.stated_loss()
    if as_loss(first) != as_loss(second):
        raise UsageError(f"{name}: loss is not deterministic: the same call gave {first!r} and {second!r}")
    runs = [run, _run(functions, more=1), _run(functions, more=2)]
    slopes = [_largest(r.gradients(r.case.tensors, 0)) for r in runs]
    errors = [_largest(r.errors(r.case.tensors, 0)) for r in runs]
    if all(e > decisions.JUMPY_SHARE * s for e, s in zip(errors, slopes, strict=True)) and any(errors):
        raise UsageError(
            f"{name}: loss is not differentiable: its differences contradict each other (is it rounded, or does it "
            "count?)"
        )
    if not any(slopes):
        raise UsageError(f"{name}: loss does not change with the weights: there is nothing to descend")


def _largest(arrays: Sequence[Array | None]) -> float:
    return max((float(np.abs(a).max(initial=0.0)) for a in arrays if a is not None), default=0.0)
