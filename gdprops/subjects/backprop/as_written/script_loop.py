"""A training loop without a callable step: its body, run once on our own numbers.

    for epoch in range(10000):
        l1 = sigmoid(X @ W1)
        out = sigmoid(l1 @ W2)
        d = (y - out) * out * (1 - out)
        ...

`training_loops.py` finds it in the text. Parameters are the floats that stand before the loop, are bound or changed in
it, and on which its output depends: no velocities, no caches. What stands before the loop and depends on the data, or
on sizes that our own replace, is computed anew.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.model.backprop_layout import Shape
from gdprops.numerics.decisions import MOST_BACKPROP_WEIGHTS
from gdprops.subjects.backprop.as_written.class_reading import spread, targets_for, targets_of
from gdprops.subjects.backprop.as_written.constructors import Sizes
from gdprops.subjects.backprop.as_written.data_forms import BATCHES, ROWS, SINGLES, DataForm, as_rows
from gdprops.subjects.backprop.as_written.leaves import Leaf, leaves_of
from gdprops.subjects.backprop.as_written.literal_sizes import shrunk
from gdprops.subjects.backprop.as_written.loop_objects import holds_objects
from gdprops.subjects.backprop.as_written.met_errors import met
from gdprops.subjects.backprop.as_written.probes import PROBE, probe_data, seeded
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.roles import Role, role_of, size_of
from gdprops.subjects.backprop.as_written.training_loops import (
    OUR_SIZES,
    OUTPUTS,
    Loop,
    bound_in,
    small_size,
    training_loops,
)
from gdprops.subjects.backprop.as_written.user_objects import has_rate, is_parameter_name, settle
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.user_code.definitions import Definitions

ROWS_TRIED = 6
TEMPLATE = (
    "put the body of its training loop into a function, for instance def step(p, X, y, lr): … with the arrays in a "
    "dict p, and the error into def loss(p, X, y): … return the number"
)
"""What is told of a script whose loop cannot be lifted."""


def loop_readings(definitions: Definitions) -> Iterator[Reading]:
    """Yield the readings of the training loops of a file: samples in rows, columns or one by one."""
    for loop in (one for found in training_loops(definitions) for one in _sized(found)):
        for form in SINGLES if loop.single else BATCHES:
            for n_in in _widths(loop, definitions):
                lifted = _lifted(loop, definitions, form, n_in)
                if lifted is not None:
                    yield from _of_targets(lifted)


def _sized(loop: Loop) -> Iterator[Loop]:
    """Yield a loop as it is; where it works on objects, first with small numbers of units."""
    small = tuple(shrunk(loop.setup)) if loop.objects else loop.setup
    yield from dict.fromkeys((replace(loop, setup=small), loop))


def _widths(loop: Loop, definitions: Definitions) -> list[int]:
    """Return the numbers of inputs to try: ours, then those that the file's own arrays allow."""
    known = vars(definitions.module)
    arrays = [known[name] for name in (*loop.bound, loop.data) if isinstance(known.get(name), np.ndarray)]
    sizes = [n for array in arrays for n in array.shape[-2:]]
    sizes += [v for name, v in known.items() if type(v) is int and size_of(name) == "in" and 0 < v <= 8]
    widths = [PROBE.n_in, *sizes, *(n - 1 for n in sizes if n > 1), 2]
    return [n for n in dict.fromkeys(widths) if n <= MOST_BACKPROP_WEIGHTS][:8]


@final
@dataclass(slots=True)
class _Lifted:
    """The body of a loop as functions of parameters, samples and targets."""

    loop: Loop
    definitions: Definitions
    form: DataForm
    n_in: int
    names: dict[str, Any]
    leaves: tuple[tuple[str, Leaf], ...] = ()
    anew: tuple[ast.stmt, ...] = ()
    held: tuple[str, ...] = ()
    out: Any = None
    current: list[dict[str, Any]] = field(default_factory=list)
    compiled: dict[str, Any] = field(default_factory=dict)

    def code(self, what: str, statements: Sequence[ast.stmt]) -> Any:
        """Return statements as code of the user's own file."""
        if what not in self.compiled:
            file = str(self.definitions.source.path)
            self.compiled[what] = compile(ast.Module(list(statements), []), file, "exec")
        return self.compiled[what]

    def ready(self, params: Mapping[str, Any], x: Array, y: Array | None, rate: float | None) -> dict[str, Any]:
        """Return the names that the body works on, with our parameters and data in the place of its own."""
        found = dict(self.names)
        targets = np.zeros((len(x), 1)) if y is None else y
        _put_data(found, self.loop, self.form, x, targets)
        for k, node in enumerate(self.anew):
            try:
                exec(self.code(f"anew {k}", [node]), found)
            except Exception:  # what is needed of it is missed in the body
                continue
        _put_data(found, self.loop, self.form, x, targets)
        for name in {str(leaf.path[0][1]) for _, leaf in self.leaves}:
            found[name] = _copied(self.names[name])
        own = copy.deepcopy({name: self.names[name] for name in self.held})  # what they share, they go on sharing
        found |= own
        known = vars(self.definitions.module)
        known |= {name: value for name, value in own.items() if name in known}
        for name, leaf in self.leaves:
            leaf.put(found, params[name])
        if rate is not None:
            found |= dict.fromkeys(self.rates, rate)
            for one in own.values():
                settle(one, rate, len(x))
        return found

    @property
    def takes_rate(self) -> bool:
        """Whether the learning rate is a name, or stands in one of the objects."""
        return bool(self.rates) or any(has_rate(self.names[name]) for name in self.held)

    @property
    def rates(self) -> list[str]:
        """The names under which the learning rate stands."""
        held = self.names.items()
        return [n for n, v in held if role_of(n) is Role.RATE and isinstance(v, int | float) and self.uses(n)]

    def uses(self, name: str) -> bool:
        """Say whether the body uses a name."""
        return any(isinstance(n, ast.Name) and n.id == name for node in self.loop.body for n in ast.walk(node))

    def output(self, params: Mapping[str, Any], x: Array) -> Any:
        """Return the output as rows."""
        if self.form.single and len(x) > 1:
            return np.concatenate([self.output(params, x[k : k + 1]) for k in range(len(x))])
        names = self.ready(params, x, None, None)
        seeded()
        names[OUTPUTS] = noted = list[Any]()
        exec(self.code("forward", self.loop.forward), names)
        if noted:
            return as_rows(ROWS, np.array([np.asarray(one, dtype=np.float64).reshape(-1) for one in noted]), len(x))
        if "output" not in self.compiled:
            self.compiled["output"] = compile(self.loop.output, "<output>", "eval")
        return as_rows(self.form, eval(self.compiled["output"], names), len(x))

    def step(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> dict[str, Any]:
        """Return the parameters after the body ran once."""
        names = self.ready(params, x, y, rate)
        self.current[:] = [names]
        seeded()
        exec(self.code("body", self.loop.body), names)
        return {name: leaf.array(names) for name, leaf in self.leaves}

    def watched(self, frame: Any) -> dict[str, Any]:
        """Return the parameters while the body runs."""
        del frame
        return {name: leaf.array(names) for names in self.current for name, leaf in self.leaves}

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that set what the body then works on."""
        code = self.form.code
        lines = [ast.unparse(node) for node in self.loop.setup if {*self.held} & _touched(node)]
        lines += [f"{name} = np.array({np.asarray(w).tolist()})" for name, w in params.items()]
        lines.append(f"{self.loop.data} = {code.format(f'np.array({x.tolist()})')}")
        lines.append(f"{self.loop.targets} = {code.format(f'np.array({y.tolist()})')}")
        lines += [f"{name} = {rate!r}" for name in self.rates]
        lines += [f"{name} = 0" for name in self.loop.once if self.uses(name)]
        return [*lines, *(ast.unparse(node) for node in (*self.anew, *self.loop.body))]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(v) for v in value)
    return value.copy() if isinstance(value, np.ndarray) else value


def _put_data(names: dict[str, Any], loop: Loop, form: DataForm, x: Array, y: Array) -> None:
    names[loop.data], names[loop.targets] = form.given(x), form.given(y)
    names |= dict.fromkeys(loop.once, 0)
    numbers = [name for name, value in names.items() if type(value) is int]
    names |= {name: len(x) for name in numbers if role_of(name) is Role.BATCH}


def _lifted(loop: Loop, definitions: Definitions, form: DataForm, n_in: int) -> _Lifted | None:
    """Return a loop with the names that its body needs; None where the body does not run on our data."""
    names = dict(vars(definitions.module))
    if loop.function is not None:
        names |= _arguments(loop, names.get(loop.function.name))
    x, y = probe_data(Sizes(n_in, PROBE.hidden, PROBE.n_out), 1 if form.single else ROWS_TRIED)
    lifted = _Lifted(loop, definitions, form, n_in, names)
    try:
        with quiet(), np.errstate(all="ignore"):
            seeded()
            anew = _set_up(loop, names, form, x, targets_of("one-hot", y))
            lifted.held = tuple(n for n, v in names.items() if loop.objects and n[:2] != "__" and holds_objects(v))
            lifted.leaves = tuple(_parameters(lifted, loop, x))
            lifted.anew = tuple(
                n
                for n in anew
                if not {*lifted.held, *(str(leaf.path[0][1]) for _, leaf in lifted.leaves)} & _touched(n)
            )
            found = {name: 0.5 * spread(leaf.shape, k) for k, (name, leaf) in enumerate(lifted.leaves)}
            lifted.out = np.asarray(lifted.output(found, x), dtype=np.float64)
    except Exception as error:  # it is found out by trying
        met(error)
        return None
    weights = sum(int(np.prod(leaf.shape)) for _, leaf in lifted.leaves)
    usable = lifted.out.ndim == 2 and lifted.out.size and bool(lifted.leaves) and weights <= MOST_BACKPROP_WEIGHTS
    return lifted if usable else None


def _touched(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds, or the object that it adds something to."""
    return (
        {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} if isinstance(node, ast.Expr) else {*bound_in(node)}
    )


def _arguments(loop: Loop, held: Any) -> dict[str, Any]:
    """Return values for the arguments of the function that a loop stands in; what no name tells is a small number."""
    assert loop.function is not None
    defaults = getattr(held, "__defaults__", None) or ()
    taken = [a.arg for a in loop.function.args.args]
    given = dict(zip(taken[len(taken) - len(defaults) :], defaults, strict=True)) if defaults else {}
    given |= getattr(held, "__kwdefaults__", None) or {}
    for name in taken:
        role, size = role_of(name), size_of(name)
        if name in (loop.data, loop.targets):
            continue
        if role is Role.RATE and not isinstance(given.get(name), float):
            given[name] = 0.25
        elif role in (Role.EPOCHS, Role.BATCH):
            given[name] = 1
        elif name not in given and size in OUR_SIZES:
            given[name] = OUR_SIZES[size]
        elif name not in given:
            given[name] = 0.0 if role is Role.PENALTY else OUR_SIZES["hidden"]
    return given


def _set_up(loop: Loop, names: dict[str, Any], form: DataForm, x: Array, y: Array) -> list[ast.stmt]:
    """Run what stands before a loop and depends on the data, on sizes of ours, or on what was not run; return it."""
    anew, changed = list[ast.stmt](), {loop.data, loop.targets}
    _put_data(names, loop, form, x, y)
    for node in loop.setup:
        bound, own = set(bound_in(node)), small_size(node)
        if bound & {loop.data, loop.targets}:
            continue
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        if own:
            names |= own
            changed |= own.keys()
        elif loop.function is not None or used & changed or bound - names.keys() or bound & loop.objects:
            try:
                exec(compile(ast.Module([node], []), "<setup>", "exec"), names)
                anew.append(node)
            except Exception:  # a size of data that are not there is ours; what else is needed is missed in the body
                names |= {name: _our_size(name, x) for name in bound if size_of(name) in OUR_SIZES}
            changed |= bound
    _put_data(names, loop, form, x, y)
    return anew


def _our_size(name: str, x: Array) -> int:
    size = str(size_of(name))
    return int(x.shape[1]) if size == "in" else OUR_SIZES[size]


def _parameters(lifted: _Lifted, loop: Loop, x: Array) -> Iterator[tuple[str, Leaf]]:
    """Yield the numbers that the loop changes, or that its output depends on and it changes a part of."""
    names = dict.fromkeys((*(n for n in lifted.held if n in loop.objects), *loop.bound))
    held = {n: lifted.names[n] for n in names if n in lifted.names and n not in (loop.data, loop.targets)}
    leaves = [
        leaf
        for leaf in leaves_of({n: v for n, v in held.items() if not callable(v)})
        if is_parameter_name(str(leaf.path[0][1]), leaf.shape) and role_of(str(leaf.path[0][1])) is not Role.RATE
    ]
    order = list(lifted.names)
    leaves.sort(key=lambda leaf: order.index(str(leaf.path[0][1])))
    named = [(_name(leaf), leaf) for leaf in leaves]
    lifted.leaves = tuple(named)
    at = {name: 0.5 * spread(leaf.shape, k) for k, (name, leaf) in enumerate(named)}
    out = np.asarray(lifted.output(at, x))
    for name, leaf in named:
        other = np.asarray(lifted.output({**at, name: at[name] + 0.3 * spread(leaf.shape, 3)}, x))
        if other.shape == out.shape and not np.array_equal(other, out):
            yield name, leaf


def _name(leaf: Leaf) -> str:
    inside = Leaf(leaf.path[1:], leaf.shape, leaf.form).name if len(leaf.path) > 1 else ""
    return str(leaf.path[0][1]) + ("." if inside and not inside.startswith("[") else "") + inside


def _of_targets(lifted: _Lifted) -> Iterator[Reading]:
    rows = 1 if lifted.form.single else ROWS_TRIED
    n_out = lifted.out.shape[1]
    x, y = probe_data(Sizes(lifted.n_in, 1, n_out), rows)
    params = {name: 0.5 * spread(leaf.shape, k) for k, (name, leaf) in enumerate(lifted.leaves)}
    for kind in targets_for(lifted.out, n_out):
        if kind.startswith("signed"):
            continue
        try:
            with quiet(), np.errstate(all="ignore"):
                after = lifted.step(params, x.copy(), targets_of(kind, y), 0.25)
        except Exception:  # it is found out by trying
            continue
        if all(np.shape(after[name]) == np.shape(w) for name, w in params.items()):
            yield _reading(lifted, n_out, kind)


def _reading(lifted: _Lifted, n_out: int, kind: str) -> Reading:
    loop = lifted.loop
    shapes: dict[str, Shape] = {name: leaf.shape for name, leaf in lifted.leaves}
    where = f" of {loop.function.name}()" if loop.function is not None else ""
    told = (
        lifted.form.told,
        f"the body of the loop in line {loop.line}{where}, with {', '.join(shapes)} as parameters, {loop.data} and "
        f"{loop.targets} as data, and {loop.output} as the output",
    )
    return Reading(
        name=f"the loop in line {loop.line}",
        shapes=lambda *sizes: shapes,
        output=lifted.output,
        step=lifted.step,
        gradients=None,
        loss=None,
        inputs=lifted.n_in,
        outputs=n_out,
        single=lifted.form.single,
        targets=kind,
        takes_rate=lifted.takes_rate,
        told=told,
        script=lifted.script,
        watched=lifted.watched,
        batch_told=str(id(loop.function)) if loop.function else "the script",
    )
