"""Backprop that somebody wrote by hand, in plain NumPy: the loss that the user states is differentiated numerically."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from gdprops.adapters.calling import Calls
from gdprops.adapters.written import Container, WrittenRun, as_loss, described
from gdprops.adapters.written_script import written_script
from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.case import BackpropCase
from gdprops.model.layout import TARGETS, Layout, Shape
from gdprops.model.names import nearest
from gdprops.model.network import Batch
from gdprops.model.subject import Calling
from gdprops.model.traits import Measured, Traits
from gdprops.numerics.decisions import MOST_WRITTEN_WEIGHTS

Loss = Callable[..., Any]
SIZES = (2, 3, 2)
"""The sizes (n_in, n_hidden, n_out) on which a subject is tried when it is made."""


@final
@dataclass(frozen=True, slots=True)
class Backprop:
    """``loss(params, X, y)``, and ``step(params, X, y, lr)``, ``gradients(params, X, y)``, or both."""

    loss: Loss
    step: Callable[..., Any] | None
    gradients: Callable[..., Any] | None
    layout: Layout
    container: Container
    name: str
    traits: Traits = field(default_factory=Traits)
    calls: Calling = field(default_factory=Calls)
    declared: Mapping[str, Measured] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "backprop"
    spec: str = ""
    rule: str | None = "sgd"

    def prepared(self, traits: Traits, calls: Calling) -> Backprop:
        """Return the same subject with what was measured of it, and a budget of time."""
        return replace(self, traits=traits, calls=calls)

    def begin(self, case: BackpropCase) -> WrittenRun:
        """Hand fresh parameters to the user's functions."""
        return WrittenRun(self.loss, self.step, self.gradients, self.container, self.calls, case)

    def script(self, case: BackpropCase) -> str:
        """Return a plain script that does with a case what gdprops did; behind ``# ->`` stands what was expected."""
        return written_script(self, case)


def backprop(
    loss: Loss | None = None,
    step: Callable[..., Any] | None = None,
    gradients: Callable[..., Any] | None = None,
    *,
    shapes: Any = None,
    inputs: int | None = None,
    outputs: int | None = None,
    targets: str = "numbers",
    lr: float | None = None,
    name: str | None = None,
) -> Any:
    """Return hand-written backprop as a subject: plain functions over a dict (or list) of float64 NumPy arrays.

    Args:
        loss: ``loss(params, X, y) -> float``, deterministic; it is differentiated numerically and says what is right.
        step: ``step(params, X, y, lr)`` takes one step of gradient descent in place, or returns the new params.
        gradients: ``gradients(params, X, y)`` returns the gradients under the parameters' names (or ``d`` + name).
        shapes: the shapes of the parameters, front to back: ``{"W1": (2, 3), "b1": (3,), …}`` or a list of shapes, or
            a function ``(n_in, n_hidden, n_out) -> shapes``, called with sizes from 1 to 3.
        inputs: the number of columns of X, where fixed shapes leave it open.
        outputs: the number of columns of y, likewise.
        targets: ``"numbers"`` of shape (rows, n_out), ``"one-hot"`` rows like that, or integer ``"labels"`` (rows,).
        lr: the only learning rate to use; None draws 1/8, 1/4, 1/2 and 1.
        name: what reports call it.

    Raises:
        UsageError: for a missing or unusable function, for shapes that are missing or do not fit the loss, and for a
            loss that is not a float or not deterministic.
    """
    if not callable(loss):
        raise UsageError(f"backprop: loss={described(loss)}; expected loss(params, X, y) -> float")
    for key, function in (("step", step), ("gradients", gradients)):
        if function is not None and not callable(function):
            raise UsageError(f"backprop: {key}={described(function)}; expected a function")
    if step is None and gradients is None:
        raise UsageError("backprop: give step(params, X, y, lr), or gradients(params, X, y), or both")
    if targets not in TARGETS:
        raise UsageError(f"targets={targets!r}; expected one of {', '.join(TARGETS)}{nearest(str(targets), TARGETS)}")
    _require_numbers(lr, inputs, outputs)
    container, named = _shapes(shapes)
    layout = Layout(named, inputs, outputs, None if lr is None else float(lr), targets)
    called = name or _name_of(step or gradients)
    subject = Backprop(loss, step, gradients, layout, container, called, spec="")
    return _tried(subject, fixed=not callable(shapes))


def _require_numbers(lr: float | None, inputs: int | None, outputs: int | None) -> None:
    if lr is not None and not (isinstance(lr, int | float) and np.isfinite(lr) and lr > 0):
        raise UsageError(f"lr={lr!r}; expected a finite number greater than 0")
    for key, value in (("inputs", inputs), ("outputs", outputs)):
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise UsageError(f"{key}={value!r}; expected a number of columns")


def _name_of(function: Any) -> str:
    from gdprops.adapters.resolve import spec_of

    return spec_of(function)


WANTED = '{"W1": (2, 3), "b1": (3,)}, [(2, 3), (3,)], or a function of (n_in, n_hidden, n_out) that returns either'


def _shapes(shapes: Any) -> tuple[Container, Callable[[int, int, int], Mapping[str, Shape]]]:
    """Return how parameters are held, and their shapes by name as a function of drawn sizes."""
    if shapes is None:
        raise UsageError(f"backprop: give the shapes of the parameters: shapes={WANTED}")
    if not callable(shapes):
        container, fixed = _named(shapes)
        return container, lambda n_in, n_hidden, n_out: fixed
    try:
        first = shapes(*SIZES)
    except Exception as error:
        raise UsageError(f"shapes{SIZES} raised {type(error).__name__}: {error}; expected {WANTED}") from error
    return _named(first)[0], lambda n_in, n_hidden, n_out: _named(shapes(n_in, n_hidden, n_out))[1]


def _named(shapes: Any) -> tuple[Container, Mapping[str, Shape]]:
    is_dict = isinstance(shapes, Mapping)
    if not (is_dict or isinstance(shapes, list | tuple)) or not shapes:
        raise UsageError(f"shapes={shapes!r}; expected {WANTED}")
    pairs = shapes.items() if is_dict else ((f"params[{k}]", shape) for k, shape in enumerate(shapes))
    found = {name: _shape(name, shape) for name, shape in pairs}
    if sum(int(np.prod(shape, dtype=np.int64)) for shape in found.values()) > MOST_WRITTEN_WEIGHTS:
        raise UsageError(
            f"shapes={shapes!r}: every weight is differentiated by itself, so give a small network of at most "
            f"{MOST_WRITTEN_WEIGHTS} weights"
        )
    return Container(tuple(found) if is_dict else None), found


def _shape(name: Any, shape: Any) -> Shape:
    whole = isinstance(shape, tuple | list) and all(isinstance(n, int | np.integer) and n >= 1 for n in shape)
    if not (isinstance(name, str) and whole):
        raise UsageError(f"shapes: {name!r} is {shape!r}; expected a name and a tuple of positive whole numbers")
    return tuple(int(n) for n in shape)


def _tried(subject: Backprop, *, fixed: bool) -> Backprop:
    """Find the sizes that fixed shapes leave, and call the user's functions once: what cannot be used is said here."""
    from gdprops.adapters.isolation import isolated

    with isolated():
        sized = _with_sizes(subject) if fixed else subject
        case = _trial(sized, sized.layout.inputs or SIZES[0], sized.layout.outputs or SIZES[2])
        _try_loss(sized, case)
        _try_forms(sized, case)
    return sized


def _trial(subject: Backprop, n_in: int, n_out: int) -> BackpropCase:
    """Return a case with more rows than any size: what broadcasts by chance does not pass."""
    shapes = subject.layout.shapes(n_in, SIZES[1], n_out)
    rows = 2 + max([1, n_in, n_out, *(n for shape in shapes.values() for n in shape)])
    tensors = tuple(np.linspace(0.1, 0.9, int(np.prod(s))).reshape(s) for s in shapes.values())
    x = np.linspace(-1.0, 1.0, rows * n_in).reshape(rows, n_in)
    y = np.eye(n_out)[np.arange(rows) % n_out] if subject.layout.targets != "numbers" else np.ones((rows, n_out)) / 2
    labels = np.arange(rows) % n_out
    batch = Batch(x, labels if subject.layout.targets == "labels" else y)
    return BackpropCase(tuple(shapes), tensors, (batch,), subject.layout.rate or 0.5)


def _with_sizes(subject: Backprop) -> Backprop:
    """Take (in, out) or (out, in) as the order of the shapes, whichever the loss accepts."""
    layout = subject.layout
    shapes = [s for s in layout.shapes(*SIZES).values() if len(s) > 1] or [(1, 1)]
    first, last = shapes[0], shapes[-1]
    readings = [(first[0], last[-1]), (first[-1], last[0])]
    chosen = dict.fromkeys((layout.inputs or n_in, layout.outputs or n_out) for n_in, n_out in readings)
    fits = [sizes for sizes in chosen if _accepts(subject, *sizes)] if len(chosen) > 1 else list(chosen)
    if len(fits) > 1:
        raise UsageError(
            f"{subject.name}: the loss takes X and y with {' or '.join(f'{i} and {o}' for i, o in fits)} columns; "
            "say which with inputs=… and outputs=…"
        )
    n_in, n_out = fits[0] if fits else next(iter(chosen))
    return replace(subject, layout=replace(layout, inputs=n_in, outputs=n_out))


def _accepts(subject: Backprop, n_in: int, n_out: int) -> bool:
    try:
        subject.begin(_trial(subject, n_in, n_out)).stated_loss()
    except (SubjectCrash, UsageError):
        return False
    return True


def _try_loss(subject: Backprop, case: BackpropCase) -> None:
    run, form = subject.begin(case), f"X of shape {case.batches[0].inputs.shape}, y {case.batches[0].targets.shape}"
    try:
        first, second = run.stated_loss(), run.stated_loss()
    except SubjectCrash as crash:
        raise UsageError(
            f"{subject.name}: {crash} ({form}); say otherwise with shapes=, inputs= or outputs="
        ) from crash
    if as_loss(first) != as_loss(second) and not np.isnan(first):
        raise UsageError(f"{subject.name}: loss is not deterministic: the same call gave {first!r} and {second!r}")


def _try_forms(subject: Backprop, case: BackpropCase) -> None:
    """Require that what comes back has the form of the parameters; an exception here is left to the clauses."""
    run = subject.begin(case)
    try:
        run.require_forms()
    except SubjectCrash:
        return
