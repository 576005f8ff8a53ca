"""One layer object: how it is made, called and moved, found out by trying.

A layer has a ``forward(x)`` and a ``backward(gradient)``, which may get more by its name: the input again, a rate, a
number of rows. It moves its parameters itself, or a method behind it does, or it stores or returns their gradients.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.model.backprop_layout import Shape
from gdprops.subjects.backprop.as_written.calls import ZERO, Plan, parameters, plans
from gdprops.subjects.backprop.as_written.class_reading import spread
from gdprops.subjects.backprop.as_written.constructors import Made, Making, Sizes, constructors
from gdprops.subjects.backprop.as_written.data_forms import (
    COLUMN,
    COLUMNS,
    ONE_ROW,
    ROWS,
    SEQUENCES,
    VECTOR,
    DataForm,
)
from gdprops.subjects.backprop.as_written.given_gradients import gradients_of
from gdprops.subjects.backprop.as_written.layer_classes import BACKWARD, gradient_at, method_of
from gdprops.subjects.backprop.as_written.layer_links import Link
from gdprops.subjects.backprop.as_written.leaves import Leaf, leaves_of
from gdprops.subjects.backprop.as_written.met_errors import met
from gdprops.subjects.backprop.as_written.probes import draws, seeded
from gdprops.subjects.backprop.as_written.roles import FORWARD, UPDATE, Role, called, role_of
from gdprops.subjects.backprop.as_written.user_objects import is_defined, is_parameter_name, settle
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

WIDTH, ROWS_TRIED, RATE = Sizes(3, 3, 2), 4, 0.5
MOST_FORWARDS = 3
FACTORS: tuple[tuple[str, Callable[[int], float]], ...] = (
    ("", lambda rows: 1.0),
    ("averaged over the rows", lambda rows: 1 / rows),
    ("along target - output: plus for minus", lambda rows: -1.0),
    ("along target - output, averaged over the rows", lambda rows: -1 / rows),
)
"""Conventions that all parameters of a layer may have in common, beside what is handed on."""


OUTPUTS = ("output", "outputs", "out", "a", "A", "y")
HANDED_BACK = (
    *("dinputs", "dinput", "d_inputs", "dx", "dX", "grad_input", "input_gradient", "d_input"),
    *("input_error", "input_grad", "error_input", "grad_inputs", "dA_prev", "d_prev"),
)
"""The attributes in which layers leave what they do not return."""


def _held(net: Any, names: Sequence[str]) -> Any:
    return next((vars(net)[name] for name in names if isinstance(vars(net).get(name), np.ndarray)), None)


@final
@dataclass(slots=True)
class Layer:
    """One way to make and use a layer: what it is made of, the form of its samples, and what moves its parameters."""

    found: type
    constructor: Making
    form: DataForm
    backward: Plan
    update: str = ""
    update_plan: Plan | None = None
    returns: bool = True
    moves: bool = True
    factor: Callable[[int], float] = FACTORS[0][1]
    factor_told: str = ""
    known: dict[tuple[int, int], tuple[Leaf, ...]] = field(default_factory=dict)
    names: frozenset[str] | None = None
    one_entry: bool = False
    called: str = ""
    handed_at: int | None = None
    picked: int = 0
    own_rate: float = 0.0
    penalty: float = 0.0
    link: Link | None = None

    @property
    def forward_name(self) -> str:
        """The name of the method that computes the output."""
        return self.called or method_of(self.found, FORWARD)

    def inputs(self, n_in: int) -> int:
        """Return the number of entries of one sample: images have a size of their own."""
        return int(np.prod(self.form.shape)) if self.form.shape else n_in

    def samples(self, start: int) -> Array:
        """Return a few samples to try it with."""
        rows = 1 if self.form.single else ROWS_TRIED
        return np.asarray(0.5 * spread((rows, self.inputs(WIDTH.n_in)), start))

    def handed(self, c: Array, out: Any) -> Any:
        """Return rows of numbers in the form of an output."""
        return c.reshape(np.shape(out)) if self.form.shape else self.form.given(c)

    def weighted(self, c: Array, out: Any) -> Any:
        """Return Σ c · output; where c is the derivative by what stands before the output, Σ c · that."""
        if self.link is None:
            return np.sum(self.handed(c, out).reshape(np.shape(out)) * out)
        rows = out.T if self.form is COLUMNS else out
        return np.sum(c * self.link.undone(np.reshape(rows, c.shape)))

    @property
    def is_network(self) -> bool:
        """Whether it holds several layers: more than one matrix of weights."""
        return sum(len(leaf.shape) > 1 and min(leaf.shape) > 1 for leaf in self.leaves(*WIDTH[::2])) > 1

    def ends_in(self, link: Link) -> bool:
        """Say whether its outputs may be those of an activation."""
        x = self.samples(1)
        try:
            with quiet(), np.errstate(all="ignore"):
                out = np.asarray(self.output(self.made(*WIDTH[::2]), x), dtype=np.float64)
        except Exception:  # the user's code, called as it may not be meant
            return False
        return link.fits((out.T if self.form is COLUMNS else out).reshape(len(x), -1))

    def made(self, n_in: int, n_out: int) -> Any:
        """Return a new layer."""
        seeded()
        net = self.constructor.make(self.found, Made(Sizes(n_in, n_out, n_out), None, None, RATE))
        self.set_rate(net, RATE, 1)
        return net

    def set_rate(self, net: Any, rate: float, rows: int) -> None:
        """Set the learning rate of a layer that has parameters; any other rate is a share that is dropped."""
        if self.names is None or self.names:
            settle(net, rate, rows)

    def leaves(self, n_in: int, n_out: int) -> tuple[Leaf, ...]:
        """Return the parameters: the arrays that its output depends on."""
        if self.names is None:
            self.names = self._asked_names(WIDTH.n_in, WIDTH.n_out)
        if (n_in, n_out) not in self.known:
            held = leaves_of(self.made(n_in, n_out))
            self.known[n_in, n_out] = tuple(leaf for leaf in held if leaf.name in self.names)
        return self.known[n_in, n_out]

    def _asked_names(self, n_in: int, n_out: int) -> frozenset[str]:
        """Return the names of the parameters, at sizes at which all of them count: softmax of one is always 1."""
        x = self.samples(2)
        net = self.made(n_in, n_out)
        offered = [leaf for leaf in leaves_of(net) if is_parameter_name(str(leaf.path[-1][1]), leaf.shape)]
        out, found = self.output(net, x), list[str]()
        for leaf in offered:
            other = self.made(n_in, n_out)
            for one in offered:  # a generator of the layer's own draws other numbers for every object
                one.put(other, np.array(one.array(net)))
            held = leaf.array(other)
            leaf.put(other, held + 0.1 * (1 + np.arange(max(1, held.size))).reshape(leaf.shape))
            if not np.array_equal(self.output(other, x), out):
                found.append(leaf.name)
        return frozenset(found)

    def output(self, net: Any, x: Array) -> Any:
        """Return the output in the form of the samples."""
        return self.of_samples(net, self.form.samples(x), len(x))

    def of_samples(self, net: Any, samples: Any, rows: int) -> Any:
        """Return the output for so many samples that are in the form in which the layer takes them."""
        seeded()
        found = self._returned(net, samples, rows)
        if isinstance(found, tuple):
            return found[self.picked]
        return _held(net, OUTPUTS) if found is None else found

    def _returned(self, net: Any, samples: Any, rows: int) -> Any:
        """Return what the forward pass returns for so many samples."""
        name = self.forward_name
        more = _more(getattr(self.found, name))
        return getattr(net, name)(samples, *(_besides(one, rows) for one in more))

    @property
    def gives(self) -> int:
        """How many arrays the forward pass returns, of which one is the output: ``return y, h``."""
        with quiet(), np.errstate(all="ignore"):
            net, x = self.made(*WIDTH[::2]), self.samples(1)
            found = self._returned(net, self.form.samples(x), len(x))
        return len(found) if isinstance(found, tuple) else 1

    def back(self, net: Any, x: Array, c: Array, rate: float) -> Any:
        """Make the forward pass, hand c back, and return what comes of it."""
        out = self.output(net, x)
        values = {
            Role.GRADIENTS: self.handed(c, out),
            Role.RATE: rate,
            Role.DATA: self.form.samples(x),
            Role.ROWS: len(x),
            Role.PENALTY: 0.0,
            ZERO: 0.0,
        }
        found = self.backward.call(getattr(net, method_of(self.found, BACKWARD)), values)
        if self.update and self.update_plan is not None:
            self.update_plan.call(getattr(net, self.update), values)
        return _held(net, HANDED_BACK) if found is None else found

    def divisor(self, rows: int, rate: float) -> float:
        """Return by what its movement is divided: the common factor, and a rate of its own that nobody can set."""
        return self.own_rate / rate if self.own_rate else self.factor(rows)

    def stored(self, back: Any, net: Any, leaves: Sequence[Leaf]) -> dict[str, Any] | None:
        """Return the gradients that it returned beside what it hands back, or stored, by its parameters' names."""
        beside = tuple(v for k, v in enumerate(back) if k != self.handed_at) if isinstance(back, tuple) else None
        return gradients_of(beside, net, leaves)

    def as_rows(self, values: Any, shape: Shape) -> Array | None:
        """Return a gradient of samples as rows; None where it has another shape."""
        if isinstance(values, tuple):  # what is handed back comes with the gradients
            at = _handed_at(values, int(np.prod(shape))) if self.handed_at is None else self.handed_at
            values = values[at] if at is not None and at < len(values) else None
        found = np.asarray(values) if values is not None else np.zeros(0)
        if self.form is COLUMNS:
            found = found.T
        return found.reshape(shape) if found.size == int(np.prod(shape)) and found.dtype.kind == "f" else None


VECTORS = (ROWS, COLUMNS, COLUMN, *SEQUENCES, VECTOR, ONE_ROW)
SINGLES = (ONE_ROW, VECTOR, COLUMN)


def layer_of(
    found: type,
    declared: Mapping[str, Any],
    makings: Iterable[Making] | None = None,
    forms: Sequence[DataForm] = VECTORS,
    picked: int = 0,
) -> Layer | None:
    """Return the first way to make and use a layer that works; ``makings``: the ways to make it, None for the usual.

    ``picked``: which of several things that the forward pass returns is the output.
    """
    makings = list(constructors(found, declared) if makings is None else makings)
    for name in _forwards(found):
        for constructor in makings:
            for form in () if constructor.takes_data else forms:
                for layer in _ways(found, constructor, form, name, picked):
                    return layer
    return None


def _forwards(found: type) -> list[str]:
    """Return the names of the methods that may compute the output; ``__call__`` may keep what ``backward`` needs."""
    defined = [n for n in dir(found) if is_defined(found, n) and inspect.isroutine(getattr(found, n, None))]
    return called(defined, FORWARD)[:MOST_FORWARDS]


def asked_only(found: type, declared: Mapping[str, Any]) -> Layer | None:
    """Return the first way to make a layer and to ask it for its output, however its error is handed back."""
    for constructor in constructors(found, declared):
        for form in () if constructor.takes_data else VECTORS:
            layer = Layer(found, constructor, form, Plan(()))
            if _asked(layer) is not None:
                return layer
    return None


def _asked(layer: Layer) -> tuple[Any, Array, int] | None:
    """Return a layer's object, the samples that it was asked about, and the number of its outputs; None if it fails."""
    x = layer.samples(1)
    try:
        with quiet(), np.errstate(all="ignore"):
            net = layer.made(WIDTH.n_in, WIDTH.n_out)
            width = np.asarray(layer.output(net, x), dtype=np.float64).size // len(x)
            leaves = layer.leaves(WIDTH.n_in, WIDTH.n_out)
    except Exception as error:  # it is found out by trying
        met(error)
        return None
    if not layer.form.is_one_sequence(lambda steps: layer.of_samples(net, steps, 1), x):
        return None  # its steps are samples, each with an output of its own
    if layer.form is ONE_ROW and np.array_equal(layer.output(net, 2 * x), layer.output(net, x)):
        return None  # normalized over the rows, of which there is one
    fits = layer.form.shape or width == WIDTH.n_in or (width == WIDTH.n_out and leaves)
    return (net, x, width) if fits else None


def _ways(found: type, constructor: Making, form: DataForm, name: str, picked: int) -> Iterator[Layer]:
    asked = _asked(Layer(found, constructor, form, Plan(()), called=name, picked=picked))
    if asked is None:
        return
    net, x, width = asked
    c = spread((len(x), width), 4)
    method = method_of(found, BACKWARD)
    for plan in _plans(getattr(net, method)):
        for update, update_plan in _updates(found, net):
            layer = Layer(found, constructor, form, plan, update, update_plan, called=name, picked=picked)
            if _settle(layer, x, c):
                yield layer


def _plans(function: Callable[..., Any]) -> Iterator[Plan]:
    """Yield the ways to hand a gradient back: alone, with the rate, and with whatever else has a name that tells."""
    taken = [p for p in parameters(function) or [] if p.kind is p.POSITIONAL_OR_KEYWORD]
    roles: list[tuple[str, Role | str]] = []
    at = gradient_at(taken) or 0
    for k, p in enumerate(taken):
        role: Role | str = Role.GRADIENTS if k == at else role_of(p.name)
        if k != at and p.default is not p.empty and role is not Role.RATE:
            continue
        if k < at and role not in (Role.RATE, Role.ROWS):
            role = Role.DATA
        roles.append((p.name, role if role in (Role.GRADIENTS, Role.RATE, Role.DATA, Role.ROWS) else ZERO))
    yield Plan(tuple(roles), frozenset(name for k, (name, _) in enumerate(roles) if taken[k].name != name))


def _updates(found: type, net: Any) -> Iterator[tuple[str, Plan | None]]:
    yield "", None
    for name in called(dir(found), UPDATE):
        if is_defined(found, name) and inspect.isroutine(getattr(net, name, None)):
            for plan in plans(getattr(net, name), (Role.RATE, Role.ROWS, Role.PENALTY), optional=(Role.RATE,)):
                yield name, plan


def _settle(layer: Layer, x: Array, c: Array) -> bool:
    """Find out whether a layer moves or stores, and by which common factor; False where it does neither."""
    try:
        with quiet(), np.errstate(all="ignore"):
            net, leaves = layer.made(WIDTH.n_in, WIDTH.n_out), layer.leaves(WIDTH.n_in, WIDTH.n_out)
            before = [np.array(leaf.array(net)) for leaf in leaves]
            found = layer.back(net, x, c, RATE)
            after = [np.asarray(leaf.array(net)) for leaf in leaves]
            if not layer.form.single and any(a.shape != b.shape for a, b in zip(after, before, strict=True)):
                return False  # a bias that is not summed over rows: it is meant for one sample
            layer.handed_at = _handed_at(found, x.size) if isinstance(found, tuple) else None
            layer.returns = layer.as_rows(found, x.shape) is not None
            layer.moves = any(not np.array_equal(a, b) for a, b in zip(after, before, strict=True))
            stored = {} if layer.moves or not leaves else layer.stored(found, net, leaves)
    except Exception:
        return False
    if leaves and not layer.moves and stored is None:
        return False
    return layer.returns or bool(leaves)


def _handed_at(values: Sequence[Any], size: int) -> int | None:
    """Return where among what a layer returned its input's gradient is; sizes are told apart where it is tried."""
    return next((k for k, v in enumerate(values) if np.size(v) == size), None)


@lru_cache(maxsize=1024)
def _more(method: Callable[..., Any]) -> tuple[str, ...]:
    """Return what a forward method must get beside the samples."""
    return tuple(p.name for p in (parameters(method) or [])[2:] if p.default is p.empty)


def _besides(name: str, rows: int) -> Any:
    """Return what a forward method gets beside the samples: their number, a share that is kept, a mode of training."""
    return rows if role_of(name) is Role.ROWS else True if "train" in name else 1.0


def passes_through(layer: Layer) -> bool:
    """Say whether a layer without parameters hands its gradient on unchanged although its output is not its input."""
    x, c = layer.samples(1), spread((ROWS_TRIED, WIDTH.n_in), 4)
    try:
        with quiet(), np.errstate(all="ignore"):
            if layer.form.shape or layer.leaves(WIDTH.n_in, WIDTH.n_out):
                return False
            net = layer.made(WIDTH.n_in, WIDTH.n_out)
            same = np.array_equal(np.asarray(layer.output(net, x)), layer.form.given(x))
            back = layer.as_rows(layer.back(net, x, c[: len(x)], RATE), x.shape)
    except Exception:
        return False
    return not same and back is not None and np.array_equal(back, c[: len(x)])


def mixes_rows(layer: Layer) -> bool:
    """Say whether rows of one batch change each other's output: the layer normalizes, or is meant for one sample.

    Rows of which each changes those behind it alone are the steps of a sequence, and all of them are needed.
    """
    if layer.form not in (ROWS, COLUMNS):
        return False
    x = layer.samples(1)
    try:
        with quiet(), np.errstate(all="ignore"):
            net = layer.made(WIDTH.n_in, WIDTH.n_out)
            if draws(lambda: layer.output(net, x)):
                return False
            whole = layer.output(net, x)
            rows = [layer.output(net, x[k : k + 1]) for k in range(len(x))]
            axis = 0 if layer.form is ROWS else 1
            if np.allclose(whole, np.concatenate(rows, axis=axis)):
                return False
            others_moved = layer.output(net, np.concatenate([x[:1], 2 * x[1:]]))
            return not np.array_equal(np.take(others_moved, 0, axis=axis), np.take(whole, 0, axis=axis))
    except Exception:  # the user's code, called as it may not be meant
        return False
