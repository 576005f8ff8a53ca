"""Finds out which form of parameters, X and y hand-written functions take, and rejects functions that cannot be used.

Where the user declares nothing, every usual form is tried. The first form on which everything runs and is right is
taken: so a correct step is never judged on a form on which it would be wrong (one-hot targets read as numbers under a
softmax). Where no form is right, the form is taken on which most functions run, then most parameters are right, then
most are right up to a factor, the first of several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from gdprops.errors import SubjectCrash, SubjectTimeout, UsageError
from gdprops.model.backprop_layout import CLASSES, FLAT, SAMPLES, TARGETS, Layout
from gdprops.numerics import decisions
from gdprops.subjects.backprop.checked_form import (
    RAN,
    SIZES,
    Checked,
    check_gradients,
    check_step,
    largest,
    trial_run,
    trial_sizes,
)
from gdprops.subjects.backprop.farthest_form import NOWHERE, Reached, reached
from gdprops.subjects.backprop.run import LOSS, BackpropRun, Functions, as_loss
from gdprops.subjects.user_code.calling import allowed
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from gdprops.subjects.backprop.forms import Container
    from gdprops.subjects.backprop.shapes import Shapes
REMEDY = "say what they take with shapes=, samples=, targets=, inputs= or outputs="


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """The forms that the user declared; None where trial runs must find the form."""

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
    """The result of one form: whether the loss takes it, what each function did, and what went wrong first."""

    functions: Functions
    accepted: bool
    found: tuple[Checked, ...] = ()
    said: str = ""
    is_no_float: bool = False
    reached: Reached = NOWHERE

    @property
    def ran(self) -> int:
        """How far the functions got, summed over the functions."""
        return sum(one.ran for one in self.found)

    @property
    def score(self) -> tuple[int, int, int]:
        """How good the form is: how far the functions run, then how many parameters are right, or but for a factor."""
        return self.ran, sum(len(one.right) for one in self.found), sum(len(one.along) for one in self.found)

    @property
    def is_right(self) -> bool:
        """Whether all functions run on this form and are right."""
        return self.accepted and not self.wrong

    @property
    def wrong(self) -> tuple[str, ...]:
        """The parameters on which at least one function is not right; a function that did not run is right on none."""
        names = self.functions.layout.shapes(*trial_sizes(self.functions.layout))
        return tuple(name for name in names if not all(name in one.right for one in self.found))


def settled(functions: Functions, asked: Asked, name: str) -> Functions:
    """Return the functions with the form that they take.

    Raises `UsageError` in one line for functions that cannot be used.
    """
    try:
        with isolated():
            chosen = _chosen(functions, asked, name)
            _require_loss(chosen, name)
            trial_run(chosen).require_forms()
    except SubjectCrash:
        return chosen
    except SubjectTimeout as hang:
        limit = f"{allowed():g} s on the smallest networks (--timeout raises the limit)"
        raise UsageError(f"{name}: its functions take more than {limit}") from hang
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
        best = max(accepted, key=lambda one: one.reached)
        if best.reached.is_of_the_code:
            raise UsageError(f"{name}: {best.said}")
        raise UsageError(f"{name}: {best.said}, whatever the form of X and y that loss takes; {REMEDY}")
    _require_sizes(best, accepted, asked, name)
    if best.is_right:
        _require_samples(best, accepted, name)
        _require_outputs(best.functions.layout, accepted, name)
        _require_one_output(best.functions, asked, name)
    return best.functions


def _refusal(seen: Sequence[Tried]) -> str:
    if not seen:
        return (
            "no shapes are declared, and what loss asks its params for does not tell them: "
            'say shapes = {"W1": (2, 3), "b1": (3,), …}'
        )
    farthest = max(seen, key=lambda one: one.reached)
    if farthest.reached.is_of_the_code:
        return farthest.said
    array = next((one for one in seen if one.is_no_float), None)
    return f"{farthest.said}; {REMEDY}" if array is None else array.said


def _candidates(functions: Functions, asked: Asked) -> Iterator[Functions]:
    """Yield every form that the declarations allow, the usual ones first.

    Where the shapes are not declared, networks of one output come last: with one output a mean over all entries is a
    mean over rows, so that a wrong divisor would not show.
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
    """Say whether targets fit the other choices.

    Classes need several outputs, and vectors of targets need one output and no single column as sample.
    """
    if targets in CLASSES:
        return n_out is None or n_out > 1
    return targets not in FLAT or (samples not in ("single-column", "mixed") and n_out in (None, 1))


def _sizes(shapes: Shapes, asked: Asked) -> list[tuple[int | None, int | None]]:
    """Return the possible numbers of inputs and outputs; fixed matrices may be (in, out) or (out, in)."""
    if not asked.fixed:
        return [(asked.inputs, asked.outputs)]
    matrices = [s for s in shapes(*SIZES).values() if len(s) > 1] or [(*s, 1) for s in shapes(*SIZES).values() if s]
    first, last = (matrices or [(1, 1)])[0], (matrices or [(1, 1)])[-1]
    readings = [(first[0], last[-1]), (first[-1], last[0])]
    return list(dict.fromkeys((asked.inputs or n_in, asked.outputs or n_out) for n_in, n_out in readings))


def _require_sizes(best: Tried, accepted: Sequence[Tried], asked: Asked, name: str) -> None:
    """Raise `UsageError` where fixed shapes fit two numbers of columns equally well: the user must choose."""
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


def _require_samples(best: Tried, accepted: Sequence[Tried], name: str) -> None:
    """Raise `UsageError` for functions that are right for one place of the samples and partly right for another one.

    A recurrent network that forgets its early steps is right where X has one column. Functions that are right for no
    parameter at all are simply not written for that form.
    """
    layout = best.functions.layout
    for one in accepted:
        other = one.functions.layout
        ran = all(check.ran == RAN for check in one.found)
        partly = set(other.shapes(*trial_sizes(other))) - set(one.wrong)
        if other.samples != layout.samples and ran and one.wrong and partly:
            raise UsageError(
                f"{name}: right with samples={layout.samples!r}, wrong with samples={other.samples!r} "
                f"({', '.join(one.wrong)}): say which is meant"
            )


def _require_outputs(layout: Layout, accepted: Sequence[Tried], name: str) -> None:
    """Raise `UsageError` for functions that run with several outputs but are right with one only: the user must decide.

    This may be a mistake, or a network of one output. Functions that are wrong by the number of outputs, and by nothing
    else, are no such case: their loss is a mean over the entries of one output.
    """
    for one in accepted:
        other = one.functions.layout
        is_the_same = other == replace(layout, outputs=other.outputs)
        ran = all(check.ran == RAN for check in one.found)
        if is_the_same and ran and one.wrong and not all(check.by_outputs for check in one.found):
            raise UsageError(
                f"{name}: right with one output, wrong with {SIZES[2]} ({', '.join(one.wrong)}): "
                f"say outputs=1 if one is meant, outputs={SIZES[2]} if not"
            )


def _require_one_output(functions: Functions, asked: Asked, name: str) -> None:
    """A vector of targets may be a mistake for a matrix with a sample in every column, beside X with one in every row.

    ``y.shape[0]`` is the number of samples in the one and the number of outputs in the other: where both run and only
    the vector is right, it is asked what is meant.
    """
    layout = functions.layout
    open_to_many = (
        asked.outputs is None and asked.targets is None and asked.samples is None and layout.samples == "rows"
    )
    if layout.targets not in ("vector", "binary-vector") or not open_to_many:
        return
    targets = "binary" if layout.targets == "binary-vector" else "numbers"
    several = _tried(replace(functions, layout=replace(layout, samples="mixed", targets=targets, outputs=SIZES[2])))
    if several.accepted and several.wrong and all(check.ran == RAN for check in several.found):
        raise UsageError(
            f"{name}: right for y of shape (rows,), wrong for y of shape ({SIZES[2]}, rows) "
            f"({', '.join(several.wrong)}): "
            'say targets="vector" if one output is meant, samples="mixed" if not'
        )


def _tried(functions: Functions) -> Tried:
    """Run all functions on one form, and compare them with the derivative of the loss."""
    run = trial_run(functions)
    try:
        if not np.isfinite(run.stated_loss()):
            return Tried(functions, False, said=f"{LOSS} is not finite ({_form(run)})")
    except SubjectCrash as crash:
        return Tried(functions, False, (), f"{crash} ({_form(run)})", bool(crash.told), reached(crash, functions.loss))
    functions = replace(functions, guards=run.guards())
    parts = ((functions.gradients, check_gradients), (functions.step, check_step))
    found = tuple(check(functions) for given, check in parts if given is not None)
    first = next((one for one in found if not one.ran), None)
    said = "" if first is None else f"{first.said} ({_form(run)})"
    return Tried(functions, True, found, said, reached=NOWHERE if first is None else first.reached)


def _form(run: BackpropRun) -> str:
    x, y = run.data(0)
    return f"X of shape {np.shape(x)}, y {np.shape(y)}"


def _require_loss(functions: Functions, name: str) -> None:
    """Raise `UsageError` for a loss that is not deterministic, does not depend on the weights, or jumps."""
    run = trial_run(functions)
    first, second = run.stated_loss(), run.stated_loss()
    if as_loss(first) != as_loss(second):
        raise UsageError(f"{name}: loss is not deterministic: the same call gave {first!r} and {second!r}")
    runs = [run, trial_run(functions, more=1), trial_run(functions, more=2)]
    slopes = [largest(r.gradients(r.case.tensors, 0)) for r in runs]
    errors = [largest(r.errors(r.case.tensors, 0)) for r in runs]
    if all(e > decisions.JUMPY_SHARE * s for e, s in zip(errors, slopes, strict=True)) and any(errors):
        raise UsageError(
            f"{name}: loss is not differentiable: its differences contradict each other (is it rounded, or does it "
            "count?)"
        )
    if not any(slopes):
        raise UsageError(f"{name}: loss does not change with the weights: there is nothing to descend")
