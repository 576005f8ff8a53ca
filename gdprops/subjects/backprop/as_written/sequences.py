"""Recurrent networks over sequences: ``loss, dWxh, dWhh, …, h = lossFun(inputs, targets, hprev)``.

One function gives the loss with its gradients, or a forward pass gives what a backward pass takes. Their parameters
are global arrays, or attributes of an object; which gradient belongs to which is told by the names of the return
statement: ``dWxh`` is that of ``Wxh``. Samples are the steps of one sequence: numbers of symbols, or one-hot columns.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np

from gdprops.subjects.backprop.as_written.bound_calls import Unbound, bind, bound_call, is_float, returned_names
from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.class_reading import spread
from gdprops.subjects.backprop.as_written.constructors import Made, Sizes, constructors
from gdprops.subjects.backprop.as_written.probes import seeded
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.roles import LOSS, Role, plain, role_of
from gdprops.subjects.backprop.as_written.user_objects import is_defined
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Shape

STATE = re.compile(
    r"h|hidden|(h|c|s|a|hs|cs|hidden|cell|memory)_?(prevs?|0|init|state|last|old)\w*|(prev|init|last)_?\w*(h|c|s|state)"
)
"""How the hidden state is called with which a sequence begins."""
GRADIENT_OF = re.compile(r"d_?(?P<name>\w+)|grad_?(?P<long>\w+)")
MOST_STEPS = 4
"""The steps of the longest sequence: gradients add up over them, and many clip theirs."""
SCALE = 0.25
"""How small parameters are, compared with those that are drawn: gradients stay below what is usually clipped."""


def starts_from_state(function: Callable[..., Any]) -> bool:
    """Say whether a function takes a sequence and the hidden state before it."""
    names = [p.name for p in parameters(function) or []]
    return any(map(STATE.fullmatch, names)) and any(role_of(n) in (Role.DATA, Role.PAIRS) for n in names)


def gradient_names(functions: Sequence[Callable[..., Any]]) -> dict[str, str]:
    """Return what the return statements call the gradients, by the names of their parameters."""
    found = dict[str, str]()
    for name in (n for one in functions for n in returned_names(one)):
        match = GRADIENT_OF.fullmatch(name)
        if match is not None:
            found[match["name"] or match["long"]] = name
    return found


@final
@dataclass(frozen=True, slots=True)
class SequenceForm:
    """What a sequence of symbols is given as, and the shape of the hidden state for a number of hidden units."""

    told: str
    given: Callable[[Sequence[int], int], Any]
    state: Callable[[int], Shape]


def _columns(symbols: Sequence[int], count: int) -> list[Array]:
    return [np.eye(count)[:, [k]] for k in symbols]


def _numbers(symbols: Sequence[int], count: int) -> list[int]:
    del count
    return [int(k) for k in symbols]


def _one_of_many(symbols: Sequence[int], count: int) -> list[list[int]]:
    return [_numbers(symbols, count)]


FORMS = (
    SequenceForm("a sequence of numbers", _numbers, lambda h: (h, 1)),
    SequenceForm("a sequence of numbers", _numbers, lambda h: (h,)),
    SequenceForm("a sequence of numbers", _numbers, lambda h: (1, h)),
    SequenceForm("a list of sequences of numbers", _one_of_many, lambda h: (h, 1)),
    SequenceForm("a sequence of one-hot columns", _columns, lambda h: (h, 1)),
)


class Held(Protocol):
    """Where the parameters of a recurrent network are: in global variables, or in an object."""

    def shapes(self, sizes: Sizes) -> Mapping[str, Shape]:
        """Return the shapes of the parameters."""

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The functions that are called one after the other."""

    def put(self, sizes: Sizes, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put parameters in place; return what the functions get beside the sequence, by name."""

    def written(self, sizes: Sizes, values: Mapping[str, Any]) -> list[str]:
        """Return the lines that put them there."""

    def widths(self, sizes: Sizes) -> tuple[int, int]:
        """Return how many symbols go in, and how many come out."""


@final
@dataclass(frozen=True, slots=True)
class OfObject:
    """Parameters that are attributes of an object, whose methods are called."""

    found: type
    functions: tuple[Callable[..., Any], ...]
    names: tuple[str, ...]
    constructor: Any
    made: dict[Sizes, Any] = field(default_factory=dict)

    def _made(self, sizes: Sizes) -> Any:
        seeded()
        return self.constructor.make(self.found, Made(sizes, None, None, 0.1))

    def shapes(self, sizes: Sizes) -> dict[str, Shape]:
        """Return the shapes of the parameters."""
        net = self._made(sizes)
        return {name: np.shape(getattr(net, name)) for name in self.names}

    def put(self, sizes: Sizes, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put parameters into an object, that of an earlier call; return it as what its methods get first."""
        if sizes not in self.made:
            self.made[sizes] = self._made(sizes)
        vars(self.made[sizes]).update(values)
        firsts = [(parameters(one) or [])[:1] for one in self.functions]
        return {p.name: self.made[sizes] for first in firsts for p in first}

    def written(self, sizes: Sizes, values: Mapping[str, Any]) -> list[str]:
        """Return the lines that make an object and put parameters into it."""
        lines = list(self.constructor.lines(self.found.__name__, Made(sizes, None, None, 0.1), {}))
        return lines + [f"net.{name} = np.array({np.asarray(w).tolist()})" for name, w in values.items()]

    def widths(self, sizes: Sizes) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""
        return sizes.n_in, sizes.n_out


@final
@dataclass(slots=True)
class _Recurrent:
    """A loss with its gradients over one sequence."""

    held: Held
    gradient: Mapping[str, str]
    form: SequenceForm
    names: tuple[str, ...]
    sizes: dict[tuple[Shape, ...], Sizes] = field(default_factory=dict)

    def shapes(self, n_in: int, hidden: int, n_out: int) -> dict[str, Shape]:
        """Return the shapes of the parameters."""
        sizes = Sizes(n_in, hidden, n_out)
        with quiet():
            found = dict(self.held.shapes(sizes))
        self.sizes[tuple(found.values())] = sizes
        return found

    def _sizes(self, params: Mapping[str, Any]) -> Sizes:
        return self.sizes[tuple(np.shape(w) for w in params.values())]

    def _given(self, sizes: Sizes, x: Array, y: Array) -> dict[Role, Any]:
        n_in, n_out = self.held.widths(sizes)
        steps = slice(0, MOST_STEPS)
        symbols = [int(k) % n_in for k in np.argmax(np.asarray(x)[steps], axis=1)]
        wanted = [int(k) % n_out for k in np.asarray(y)[steps]]
        given = {Role.DATA: self.form.given(symbols, n_in), Role.TARGETS: self.form.given(wanted, n_out)}
        return {**given, Role.ROWS: len(symbols)}

    def known(self, params: Mapping[str, Any], x: Array, y: Array, *, loss_only: bool = False) -> dict[str, Any]:
        """Return what the functions return, by the names of their return statements; ``loss_only``: until a loss is."""
        sizes = self._sizes(params)
        known = dict(self.held.put(sizes, {name: SCALE * w for name, w in params.items()}))
        asked = [p.name for one in self.held.functions for p in parameters(one) or []]
        start = 0.3 * spread(self.form.state(sizes.hidden), 5)
        known |= {name: start.copy() for name in asked if STATE.fullmatch(name)}
        known |= {name: sizes.hidden for name in asked if name in ("hidden_size", "n_h", "hidden_dim")}
        given = self._given(sizes, x, y)
        for function in self.held.functions:
            known |= bind(returned_names(function), bound_call(function, known, given))
            if loss_only and _loss_in(known) is not None:
                break
        return known

    def loss(self, params: Mapping[str, Any], x: Array, y: Array) -> Any:
        """Return the loss of one sequence."""
        found = _loss_in(self.known(params, x, y, loss_only=True))
        if found is None:
            raise Unbound("loss")
        return found if isinstance(found, np.ndarray) and type(found) is not np.ndarray else float(np.ravel(found)[0])

    def gradients(self, params: Mapping[str, Any], x: Array, y: Array) -> dict[str, Any]:
        """Return the gradients that the functions return."""
        known = self.known(params, x, y)
        return {name: SCALE * np.asarray(known[self.gradient[name]]) for name in params}

    def output(self, params: Mapping[str, Any], x: Array) -> Array:
        """Return no numbers: the loss is known, and no output is asked for."""
        return np.zeros((len(x), max(self.held.widths(self._sizes(params)))))

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that repeat one call by hand."""
        del rate
        sizes = self._sizes(params)
        given = self._given(sizes, x, y)
        values = {name: SCALE * np.asarray(w) for name, w in params.items()}
        start = 0.3 * spread(self.form.state(sizes.hidden), 5)
        lines = [
            f"inputs, targets = {given[Role.DATA]!r}, {given[Role.TARGETS]!r}",
            f"state = np.array({start.tolist()})",
        ]
        return [*lines, *self.held.written(sizes, values), *self._calls(sizes, values)]

    def _calls(self, sizes: Sizes, values: Mapping[str, Any]) -> Iterator[str]:
        """Yield the calls as Python text, each with the names of its return statement before it."""
        meant = {Role.DATA: "inputs", Role.TARGETS: "targets"}
        own = self.held.put(sizes, values)
        for name, function in zip(self.names, self.held.functions, strict=True):
            asked = [p.name for p in parameters(function) or [] if p.default is p.empty and p.name not in own]
            given = ["state" if STATE.fullmatch(one) else meant.get(role_of(one), one) for one in asked]
            returned = ", ".join(one or "_" for one in returned_names(function))
            holder = "net." if own else ""
            yield f"{returned} = {holder}{name}({', '.join(given)})"

    def reading(self, name: str, functions: Sequence[Any]) -> Reading:
        """Return it as a reading."""
        calls = ", ".join(f"{one}()" for one in self.names)
        return Reading(
            name=name,
            shapes=self.shapes,
            output=self.output,
            step=None,
            gradients=self.gradients,
            loss=self.loss,
            inputs=None,
            outputs=None,
            single=False,
            targets="labels",
            takes_rate=True,
            told=(f"{self.form.told} and the state before it; {calls} with the loss and its gradients",),
            script=self.script,
            functions=tuple(functions),
            returns_both=True,
            loss_told="judged by the loss that it returns",
        )


def _loss_in(known: Mapping[str, Any]) -> Any:
    return next((value for name, value in known.items() if plain(name) in LOSS and is_float(value)), None)


def object_readings(found: type, declared: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield the readings of a class whose methods run over a sequence."""
    methods = {
        n: getattr(found, n) for n in dir(found) if is_defined(found, n) and inspect.isfunction(getattr(found, n))
    }
    for names in pipelines_of(methods):
        functions = [methods[name] for name in names]
        gradient = gradient_names(functions)
        for constructor in constructors(found, declared):
            try:
                with quiet():
                    net = constructor.make(found, Made(Sizes(3, 4, 2), None, None, 0.1))
            except Exception:  # it is found out by trying
                continue
            held = [n for n, v in vars(net).items() if n in gradient and _is_floats(v)]
            if held and constructor.takes_sizes:
                yield from readings_of(
                    OfObject(found, tuple(functions), tuple(held), constructor), gradient, names, [found]
                )
                return


def _is_floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0


def pipelines_of(functions: Mapping[str, Callable[..., Any]]) -> Iterator[tuple[str, ...]]:
    """Yield functions that are called one after the other: one that does it all, or a forward and a backward pass."""
    starts = [name for name, one in functions.items() if starts_from_state(one)]
    for name in starts:
        if gradient_names([functions[name]]):
            yield (name,)
    for name in starts:
        given = set(returned_names(functions[name]))
        for other, one in functions.items():
            asked = {p.name for p in parameters(one) or [] if p.name != "self"}
            if other != name and given & asked and len(gradient_names([one])) > 1:
                yield name, other


def readings_of(
    held: Held, gradient: Mapping[str, str], names: tuple[str, ...], functions: Sequence[Any]
) -> Iterator[Reading]:
    """Yield the readings in the forms of a sequence that run, and give a loss with gradients of the right shapes."""
    for form in FORMS:
        one = _Recurrent(held, gradient, form, names)
        try:
            with quiet(), np.errstate(all="ignore"):
                shapes = one.shapes(3, 4, 3)
                params = {name: spread(shape, k) for k, (name, shape) in enumerate(shapes.items())}
                x, y = spread((MOST_STEPS, 3), 1), np.arange(MOST_STEPS) % 3
                fits = np.isfinite(one.loss(params, x, y)) and all(
                    np.shape(g) == shapes[name] for name, g in one.gradients(params, x, y).items()
                )
        except Exception:  # the user's code, called as it may not be meant
            continue
        if fits and shapes:
            yield one.reading(names[-1], functions)
            return
