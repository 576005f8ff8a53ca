"""Hand-written backprop in plain NumPy as a subject: the numerical derivative of the user's loss says what is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import UsageError, text_of
from gdprops.model.backprop_layout import SAMPLES, TARGETS, Layout, Shape
from gdprops.model.domain import Domain
from gdprops.model.identity import NO_ORIGIN, Identity, Origin
from gdprops.model.nearest_name import nearest
from gdprops.model.note import Note
from gdprops.model.traits import Measured, Traits
from gdprops.numerics.decisions import DOUBLE, MOST_BACKPROP_WEIGHTS
from gdprops.subjects.backprop import NAME, checked_form, form_trial
from gdprops.subjects.backprop.checked_form import SIZES
from gdprops.subjects.backprop.form_trial import Asked
from gdprops.subjects.backprop.forms import Container, RateAt, described, rate_at
from gdprops.subjects.backprop.run import BackpropRun, Functions
from gdprops.subjects.backprop.shapes import guessed
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.identities import identity_of, origin
from gdprops.subjects.user_code.importable_names import home_of_spec
from gdprops.subjects.user_code.importing import spec_of
from gdprops.subjects.user_code.remembered_state import RememberedState
from gdprops.subjects.user_code.signatures import with_known_keywords

if TYPE_CHECKING:
    from gdprops.model.case import BackpropCase
    from gdprops.model.subject import Calling
    from gdprops.subjects.backprop.guards import Guard
    from gdprops.subjects.backprop.shapes import Shapes

Loss = Callable[..., Any]


@final
@dataclass(frozen=True, slots=True)
class Backprop:
    """A subject of ``loss(params, X, y)`` and ``step(params, X, y, lr)``, ``gradients(params, X, y)``, or both.

    ``stated``: what the user said of these functions, such as ``shapes``.
    ``notes``: how code of another form was read as such functions; ``barred``: why no verdict on it is possible;
    ``unbounded``: why no loss of it can fall for long.
    """

    functions: Functions
    name: str
    traits: Traits = field(default_factory=Traits)
    calls: Calling = field(default_factory=Calls)
    declared: Mapping[str, Measured] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = NAME
    spec: str = ""
    rule: str | None = "sgd"
    stated: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = NO_ORIGIN
    notes: tuple[Note, ...] = ()
    barred: str = ""
    unbounded: str = ""

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the subject is made of, by name; of code of another form, where it stands."""
        if self.functions.script is not None:
            return {"read": home_of_spec(self.spec), **self.stated}
        written = {"loss": self.functions.loss, "step": self.step, "gradients": self.gradients}
        return written | dict(self.stated)

    @property
    def identity(self) -> Identity:
        """What tells the subject from all others, whichever way it is named."""
        return identity_of(self)

    @property
    def step(self) -> Callable[..., Any] | None:
        """The user's ``step`` function, or None."""
        return self.functions.step

    @property
    def gradients(self) -> Callable[..., Any] | None:
        """The user's ``gradients`` function, or None."""
        return self.functions.gradients

    @property
    def layout(self) -> Layout:
        """The shapes of the parameters and the form of the data."""
        return self.functions.layout

    @property
    def container(self) -> Container:
        """How parameters are held: in a dict or in a list."""
        return self.functions.container

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The constants that keep the loss's logarithms finite."""
        return self.functions.guards

    def without_guards(self) -> Backprop:
        """Return the subject held to its loss without these constants."""
        return replace(self, functions=self.functions.without_guards())

    def trial(self) -> BackpropCase:
        """Return the case on which the subject was tried: no two of its sizes are alike."""
        return checked_form.trial(self.layout)

    def prepared(self, traits: Traits, calls: Calling) -> Backprop:
        """Return this subject with its traits, and with a budget of time for its code."""
        return replace(self, traits=traits, calls=calls)

    def begin(self, case: BackpropCase) -> BackpropRun:
        """Start a run: give fresh parameters to the user's functions."""
        return BackpropRun(self.functions, self.calls, case)

    @property
    def domain(self) -> Domain:
        """What the cases may contain: double precision only, because central differences need it."""
        return Domain(precisions=(DOUBLE,), layout=self.layout)


@with_known_keywords
def backprop(
    loss: Loss | None = None,
    step: Callable[..., Any] | None = None,
    gradients: Callable[..., Any] | None = None,
    *,
    shapes: Any = None,
    inputs: int | None = None,
    outputs: int | None = None,
    samples: str | None = None,
    targets: str | None = None,
    lr: float | None = None,
    name: str | None = None,
) -> Any:
    """Return hand-written backprop as a subject: plain functions over a dict (or list) of float64 NumPy arrays.

    Args:
        loss: ``loss(params, X, y) -> float``, deterministic; it is differentiated numerically and says what is right.
        step: ``step(params, X, y, lr)`` takes one step of gradient descent in place, or returns the new params. The
            learning rate may have another name and place.
        gradients: ``gradients(params, X, y)`` returns the gradients under the parameters' names (or ``d`` + name).
        shapes: the shapes of the parameters, front to back: ``{"W1": (2, 3), "b1": (3,), …}`` or a list of shapes, or
            a function ``(n_in, n_hidden, n_out) -> shapes``, called with sizes from 1 to 3. None: the usual ones for
            the names that the loss asks for, with any number of outputs or, if it is
            right with one only, with one (where that looks like a mistake, ``outputs=`` is asked for).
        inputs: the number of features, where fixed shapes leave it open.
        outputs: the number of outputs, likewise.
        samples: whether X and y hold a sample in all their ``"rows"`` or ``"columns"``, ``"mixed"`` for X in its rows
            and y in its columns, or just one, ``"single"`` (n_in,) or ``"single-column"`` (n_in, 1).
        targets: ``"numbers"`` (rows, n_out), ``"vector"`` (rows,), ``"one-hot"`` (rows, n_out), integer ``"labels"``
            (rows,), or zeros and ones: ``"binary"`` (rows, n_out), ``"binary-vector"`` (rows,).
            Where samples or targets is None, the first form is taken on which all functions run and are right.
        lr: the only learning rate to use; None draws 1/8, 1/4, 1/2 and 1.
        name: what reports call it.

    Raises:
        UsageError: for a missing or unusable function, for shapes that do not fit the loss, where it cannot be told
            how many outputs are meant, and for a loss that is not a float, not deterministic, or not differentiable.
    """
    if not callable(loss):
        raise UsageError(f"backprop: loss={described(loss)}; expected loss(params, X, y) -> float")
    _require_functions(step, gradients)
    _require_word("samples", samples, SAMPLES)
    _require_word("targets", targets, TARGETS)
    _require_numbers(lr, inputs, outputs)
    called = name or spec_of(step or gradients)
    at = RateAt() if step is None else rate_at(step)
    if not at.is_taken and lr is None:
        raise UsageError(f"{called}: step takes no learning rate: expected step(params, X, y, lr), or say it with lr=")
    offered = guessed(loss) if shapes is None else [_shapes(shapes, inputs, outputs)]
    layout = Layout(lambda n_in, n_hidden, n_out: {}, rate=None if lr is None else float(lr))
    state = RememberedState(loss, step, gradients)
    functions = Functions(loss, step, gradients, Container(None), layout, at, state=state)
    fixed = shapes is not None and not callable(shapes)
    asked = Asked(offered, fixed, inputs, outputs, samples, targets, guessed=shapes is None)
    stated = {"shapes": shapes, "inputs": inputs, "outputs": outputs, "samples": samples, "targets": targets, "lr": lr}
    return Backprop(form_trial.settled(functions, asked, called), called, stated=stated, origin=origin(name))


def _require_functions(step: Any, gradients: Any) -> None:
    for key, function in (("step", step), ("gradients", gradients)):
        if function is not None and not callable(function):
            raise UsageError(f"backprop: {key}={described(function)}; expected a function")
    if step is None and gradients is None:
        raise UsageError("backprop: give step(params, X, y, lr), or gradients(params, X, y), or both")


def _require_word(key: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise UsageError(f"{key}={value!r}; expected one of {', '.join(known)}{nearest(str(value), known)}")


def _require_numbers(lr: float | None, inputs: int | None, outputs: int | None) -> None:
    if lr is not None and not (isinstance(lr, int | float) and np.isfinite(lr) and lr > 0):
        raise UsageError(f"lr={lr!r}; expected a finite number greater than 0")
    for key, value in (("inputs", inputs), ("outputs", outputs)):
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise UsageError(f"{key}={value!r}; expected a number of columns")


WANTED = '{"W1": (2, 3), "b1": (3,)}, [(2, 3), (3,)], or a function of (n_in, n_hidden, n_out) that returns either'


def _shapes(shapes: Any, inputs: int | None, outputs: int | None) -> tuple[Container, Shapes]:
    """Return how parameters are held, and their shapes by name as a function of n_in, n_hidden and n_out."""
    sizes = (inputs or SIZES[0], SIZES[1], outputs or SIZES[2])
    if not callable(shapes):
        container, fixed = _named(shapes)
        return container, lambda n_in, n_hidden, n_out: fixed
    try:
        first = shapes(*sizes)
    except Exception as error:
        raise UsageError(f"shapes{sizes} raised {type(error).__name__}: {text_of(error)}; expected {WANTED}") from error
    return _named(first)[0], lambda n_in, n_hidden, n_out: _named(shapes(n_in, n_hidden, n_out))[1]


def _named(shapes: Any) -> tuple[Container, Mapping[str, Shape]]:
    is_dict = isinstance(shapes, Mapping)
    if not (is_dict or isinstance(shapes, list | tuple)) or not shapes:
        raise UsageError(f"shapes={shapes!r}; expected {WANTED}")
    pairs = shapes.items() if is_dict else ((f"params[{k}]", shape) for k, shape in enumerate(shapes))
    found = {name: _shape(name, shape) for name, shape in pairs}
    if sum(int(np.prod(shape, dtype=np.int64)) for shape in found.values()) > MOST_BACKPROP_WEIGHTS:
        raise UsageError(
            f"shapes={shapes!r}: every weight is differentiated by itself, so give a small network of at most "
            f"{MOST_BACKPROP_WEIGHTS} weights"
        )
    return Container(tuple(found) if is_dict else None), found


def _shape(name: Any, shape: Any) -> Shape:
    whole = isinstance(shape, tuple | list) and all(isinstance(n, int | np.integer) and n >= 1 for n in shape)
    if not (isinstance(name, str) and whole):
        raise UsageError(f"shapes: {name!r} is {shape!r}; expected a name and a tuple of positive whole numbers")
    return tuple(int(n) for n in shape)
