"""Readings of plain functions: forward, cost, backward and update as a course teaches them, in any naming.

``parameters = initialize_parameters(3, 4, 2)``, ``A2, cache = forward_propagation(X, parameters)``,
``grads = backward_propagation(parameters, cache, X, Y)``, ``update_parameters(parameters, grads, learning_rate)``: each
function gets what its arguments are called or mean, and its result is bound to the names of its return statement. The
same covers functions over separate arrays (``W1, b1, W2, b2``) and a single function that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.model.backprop_layout import Shape
from gdprops.subjects.backprop.as_written.bound_calls import bind, bound_call, is_float, returned_names
from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.class_reading import spread, targets_for, targets_of
from gdprops.subjects.backprop.as_written.constructors import Sizes
from gdprops.subjects.backprop.as_written.data_forms import LIST, VECTOR, DataForm, as_rows, lists_first
from gdprops.subjects.backprop.as_written.function_parts import (
    GRADIENT,
    Functions,
    only_differentiates,
    parameter_sets,
    parts_of,
    pipelines,
    returns_moved,
    takes_rate,
)
from gdprops.subjects.backprop.as_written.function_script import step_lines
from gdprops.subjects.backprop.as_written.given_gradients import Order, can_spread, order_of, returned_gradients
from gdprops.subjects.backprop.as_written.global_parameters import in_globals, rebound
from gdprops.subjects.backprop.as_written.labelled_rows import forms_of
from gdprops.subjects.backprop.as_written.met_errors import met
from gdprops.subjects.backprop.as_written.output_in_loss import is_output_in
from gdprops.subjects.backprop.as_written.parameter_sets import ParameterSet
from gdprops.subjects.backprop.as_written.picked import Pick, picks
from gdprops.subjects.backprop.as_written.probes import PROBE, probe_data, seeded
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.roles import Role, role_of
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

ROWS_TRIED = 6


def function_readings(
    own: Mapping[str, Any], counts: tuple[str, ...] = (), classes: int | None = None
) -> Iterator[Reading]:
    """Yield the readings of a file's functions; ``counts``: its global variables that are the number of samples.

    ``classes``: the number of outputs, where the code fixes it.
    """
    ways = WAYS if classes is None else ((classes, True), (classes, False))
    functions = parts_of(own)
    for chosen in (replace(one, counts=counts) for one in pipelines(functions)):
        got = False
        for only, keeps_shapes in ways:
            for reading in _of_pipeline(functions, chosen, only, keeps_shapes=keeps_shapes):
                got = True
                yield reading
            if got:
                break


WAYS = ((None, True), (None, False), (1, True), (1, False))
"""Any number of outputs before one; shapes that stay: a bias (h,) that leaves as (1, h) was one of (1, h)."""


def _of_pipeline(
    functions: Mapping[str, Callable[..., Any]], chosen: Functions, only: int | None, *, keeps_shapes: bool
) -> Iterator[Reading]:
    """Yield the readings of some functions; ``only``: the number of outputs where they are tried with no other one."""
    got, has_loss = list[DataForm](), False
    for params in parameter_sets(functions, chosen):
        only_batches = bool(got)  # single samples hide a sum from a mean
        forms = forms_of(chosen.every)
        for form in lists_first(forms) if params.is_in_lists else forms:
            if (form.single and only_batches) or (form is VECTOR and params.is_in_lists and LIST in got):
                continue
            for pick, outputs in _outputs(chosen, params, form, only):
                for reading in _trained(chosen, params, form, pick, outputs or only, keeps_shapes=keeps_shapes):
                    got.append(form)
                    has_loss = has_loss or reading.loss is not None
                    if reading.loss is not None or not has_loss:  # else targets that the file's own loss does not take
                        yield reading
        if not all(form.single for form in got) and len(params.shapes(*PROBE)) > 2:
            break  # else a single unit, whose weights may be a vector


@final
@dataclass(frozen=True, slots=True)
class _Pipeline:
    """Functions called one after the other on parameters that are held in one way."""

    functions: Functions
    held: ParameterSet
    form: DataForm
    pick: Pick
    targets: str
    moves: bool = True
    order: Order | None = None
    current: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)

    @property
    def told(self) -> str:
        """The functions in the order in which they are called, and which variable of a loss is the output."""
        if not is_output_in(self.functions.forward):
            return self.functions.told
        return f"the output is {self.pick.path[-1]} in {self.functions.told}"

    def watched(self, frame: Any) -> dict[str, Any]:
        """Return the parameters while a step runs: locals of their names, else what the functions were given."""
        found = dict[str, Any]()
        for root, params in self.current:
            found |= self.held.taken(root, params) or {}
            for name, w in params.items():
                local = frame.f_locals.get(name)
                if np.shape(local) == np.shape(w):
                    found[name] = local
        return found

    def roles(self, root: Any, x: Array, rate: float) -> dict[Role, Any]:
        """Return what arguments get by what they mean."""
        found = {
            Role.DATA: self.form.samples(x),
            Role.RATE: rate,
            Role.EPOCHS: 1,
            Role.BATCH: len(x),
            Role.ROWS: len(x),
            Role.PENALTY: 0.0,
        }
        return found if self.held.names else {**found, Role.PARAMS: root}

    def forward(self, root: Any, x: Array, rate: float = 0.25) -> tuple[Any, dict[str, Any], dict[Role, Any]]:
        """Return what the forward pass returned, and what is then known by names and by roles."""
        names, roles = self.held.by_name(root) | self.held.beside(root), self.roles(root, x, rate)
        self.functions.forward.__globals__.update(dict.fromkeys(self.functions.counts, len(x)))
        self.functions.forward.__globals__.update(in_globals(self.functions.every, self.held, root))
        seeded()
        raw = bound_call(self.functions.forward, names, roles)
        found = bind(returned_names(self.functions.forward), raw)
        names |= {name: value for name, value in found.items() if role_of(name) is not Role.DATA}  # return inputs
        roles[Role.OUTPUT] = self.pick.of(None, raw)
        roles[Role.CACHE] = raw[1] if isinstance(raw, tuple) and len(raw) == 2 else raw
        return raw, names, roles

    def output(self, params: Mapping[str, Any], x: Array) -> Any:
        """Return the output as rows."""
        root = self.held.filled(params)
        if self.form.single and len(x) > 1:
            return np.concatenate([self.output(params, x[k : k + 1]) for k in range(len(x))])
        return as_rows(self.form, self.forward(root, x)[2][Role.OUTPUT], len(x))

    def _backward(
        self, params: Mapping[str, Any], x: Array, y: Array, rate: float
    ) -> tuple[Any, Any, dict[str, Any], dict[Role, Any]]:
        root = self.held.filled(params)
        self.current[:] = [(root, dict(params))]
        _, names, roles = self.forward(root, x, rate)
        roles[Role.TARGETS] = self.form.given(y)
        assert self.functions.backward is not None
        seeded()
        found = bound_call(self.functions.backward, names, roles)
        return root, found, names, roles

    def step(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> dict[str, Any]:
        """Return the parameters after the functions were called once."""
        root, found, names, roles = self._backward(params, x, y, rate)
        last = self.functions.backward
        for update in self.functions.updates:
            if update is self.functions.update:
                names |= self._named(found)
                roles[Role.GRADIENTS] = found
            else:  # what the update before it has returned
                root = self._moved(root, found, last)
            found, last = bound_call(update, names, roles), update
        assert last is not None
        return self._after(root, found, last, params)

    def _named(self, found: Any) -> dict[str, Any]:
        """Return what the backward pass returned under the names by which it, or the update, calls it."""
        assert self.functions.backward is not None
        assert self.functions.update is not None
        asked = [p.name for p in parameters(self.functions.update) or [] if GRADIENT.fullmatch(p.name)]
        in_order = bind(asked, found) if len(asked) > 1 else {}
        return in_order | bind(returned_names(self.functions.backward), found)

    def _after(self, root: Any, returned: Any, last: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that a function returned, else those that it moved in place."""
        if not self.held.names:
            for offered in (returned, *(returned if isinstance(returned, tuple) else ())):
                taken = self.held.taken(offered, params) if isinstance(offered, dict | list) else None
                if taken is not None and all(np.shape(taken[n]) == np.shape(w) for n, w in params.items()):
                    return taken
        root = self._moved(root, returned, last, [np.shape(w) for w in params.values()])
        found = self.held.taken(rebound(self.functions.every, self.held, root), params)
        assert found is not None, "the parameters are where they were put"
        return found

    def _moved(self, root: Any, returned: Any, last: Callable[..., Any], shapes: Sequence[Shape] = ()) -> Any:
        """Return the parameters with those that a function returned in place of the ones that it got."""
        named = bind(returned_names(last), returned)
        if self.held.names:
            if set(self.held.names) & named.keys():
                return [named.get(name, value) for name, value in zip(self.held.names, root, strict=True)]
            if isinstance(returned, tuple | list) and len(returned) == len(self.held.names):
                return list(returned)
            if shapes == [np.shape(returned)] and returns_moved(last):
                return [returned]
        return root

    def gradients(self, params: Mapping[str, Any], x: Array, y: Array) -> dict[str, Any]:
        """Return the gradients that the backward pass returned."""
        shapes: dict[str, Shape] = {name: np.shape(w) for name, w in params.items()}
        _, found, _, _ = self._backward(params, x, y, 0.25)
        assert self.functions.backward is not None
        named = bind(returned_names(self.functions.backward), found)
        if isinstance(found, np.ndarray) and [found.shape] == list(shapes.values()):
            return dict.fromkeys(shapes, found)
        return (
            returned_gradients(named, shapes)
            or returned_gradients(found, shapes, self.order)
            or self._inside(found, shapes)
            or self._alike(found, params)
        )

    def in_order(self, params: Mapping[str, Any], x: Array, y: Array) -> _Pipeline:
        """Return the pipeline that knows which array belongs to which parameter, from sizes that tell them apart."""
        with quiet(), np.errstate(all="ignore"):
            found = self._backward(params, x.copy(), y.copy(), 0.25)[1]
        return replace(self, order=order_of(found, {name: np.shape(w) for name, w in params.items()}))

    def _alike(self, found: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return gradients that are held in lists and dicts as the parameters are."""
        taken = self.held.taken(found, params) if isinstance(found, dict | list) else None
        alike = taken is not None and all(np.shape(taken[name]) == np.shape(w) for name, w in params.items())
        return taken if taken is not None and alike else {}

    def _inside(self, found: Any, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        for inside in found if isinstance(found, tuple) else ():
            taken = returned_gradients(inside, shapes) if isinstance(inside, dict | list | tuple) else None
            if taken is not None:
                return taken
        return {}

    def loss(self, params: Mapping[str, Any], x: Array, y: Array) -> Any:
        """Return the loss that the file's own function computes."""
        root = self.held.filled(params)
        _, names, roles = self.forward(root, x)
        roles[Role.TARGETS] = self.form.given(y)
        assert self.functions.cost is not None
        found = bound_call(self.functions.cost, names, roles)
        found = found[0] if isinstance(found, tuple | list) and found and is_float(found[0]) else found
        return (
            found
            if isinstance(found, np.ndarray) and type(found) is not np.ndarray
            else float(np.asarray(found).reshape(()))
        )

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that set the arrays of one step, and make it."""
        return step_lines(self.functions, self.held, self.form, params, (x, y), rate)


def _outputs(
    chosen: Functions, held: ParameterSet, form: DataForm, only: int | None
) -> Iterator[tuple[Pick, int | None]]:
    """Yield what of the forward pass is the output, and how many outputs there are where that is fixed."""
    usual, other = (PROBE.n_out, 3) if only in (None, 1) else (only, only)
    try:
        with quiet(), np.errstate(all="ignore"):
            found = list(_picks(chosen, held, form, Sizes(held.inputs or PROBE.n_in, PROBE.hidden, usual)))
            others = list(_picks(chosen, held, form, Sizes(held.inputs or 2, 5, other)))
    except Exception as error:  # it is found out by trying
        met(error)
        return
    widths = dict(others)
    for pick, width in found:
        if width == usual != other == widths.get(pick):
            yield pick, None
        elif width == widths.get(pick):
            yield pick, width


def _picks(chosen: Functions, held: ParameterSet, form: DataForm, sizes: Sizes) -> Iterator[tuple[Pick, int]]:
    shapes = held.shapes(*sizes)
    root = held.filled({name: 0.5 * spread(shape, k) for k, (name, shape) in enumerate(shapes.items())})
    x, _ = probe_data(sizes, ROWS_TRIED)
    pipeline = _Pipeline(chosen, held, form, Pick(), "")
    raw, _, _ = pipeline.forward(root, x)
    rows = 1 if form.single else ROWS_TRIED
    for pick in picks(None, raw, form, rows):
        yield pick, int(np.shape(as_rows(form, pick.of(None, raw), rows))[1])


def _trained(
    chosen: Functions, held: ParameterSet, form: DataForm, pick: Pick, outputs: int | None, *, keeps_shapes: bool
) -> Iterator[Reading]:
    sizes = Sizes(held.inputs or PROBE.n_in, PROBE.hidden, outputs or PROBE.n_out)
    shapes = held.shapes(*sizes)
    params = {name: 0.5 * spread(shape, k) for k, (name, shape) in enumerate(shapes.items())}
    x, y = probe_data(sizes, 1 if form.single else ROWS_TRIED)
    pipeline = _Pipeline(chosen, held, form, pick, "")
    try:
        with quiet(), np.errstate(all="ignore"):
            out = np.asarray(pipeline.output(params, x), dtype=np.float64)
    except Exception:
        return
    for kind in targets_for(out, outputs):
        one = replace(pipeline, targets=kind.removeprefix("signed "))
        given = targets_of(one.targets, y)
        moves = _does(one, params, x, given, keeps_shapes=keeps_shapes)
        if moves is False:
            one = one.in_order({n: w.copy() for n, w in params.items()}, x, given)
        if moves is not None:
            yield _reading(replace(one, moves=moves), held, outputs, params, x, given, signed=kind.startswith("signed"))


def _does(pipeline: _Pipeline, params: Mapping[str, Array], x: Array, y: Array, *, keeps_shapes: bool) -> bool | None:
    """Say whether functions move the parameters (True) or return gradients (False); None where they do neither.

    What a backward pass without a learning rate returns, one array for each parameter, are gradients.
    """
    backward, alone = pipeline.functions.backward, pipeline.functions.update is None
    differentiates = alone and backward is not None and only_differentiates(backward)
    if differentiates and _gives_gradients(pipeline, params, x, y, keeps_shapes=keeps_shapes):
        return False
    after: Mapping[str, Any] = {}
    try:
        with quiet(), np.errstate(all="ignore"):
            after = pipeline.step({n: w.copy() for n, w in params.items()}, x.copy(), y.copy(), 0.25)
    except Exception as error:  # it is found out by trying
        met(error)
    if any(
        np.shape(after[name]) != w.shape
        for name, w in params.items()
        if name in after and (keeps_shapes or _is_matrix(w))
    ):
        return None
    if any(not np.array_equal(after[name], params[name]) for name in after):
        return True
    return False if alone and _gives_gradients(pipeline, params, x, y, keeps_shapes=keeps_shapes) else None


def _is_matrix(w: Array) -> bool:
    """Say whether an array is no bias: a bias alone may leave in another shape, spread over rows."""
    return w.ndim > 1 and min(w.shape) > 1


def _gives_gradients(
    pipeline: _Pipeline, params: Mapping[str, Array], x: Array, y: Array, *, keeps_shapes: bool
) -> bool:
    """Say whether the backward pass returns one gradient for each parameter."""
    try:
        with quiet(), np.errstate(all="ignore"):
            found = pipeline.gradients({n: w.copy() for n, w in params.items()}, x.copy(), y.copy())
    except Exception as error:  # it is found out by trying
        met(error)
        return False
    return found.keys() == params.keys() and (not keeps_shapes or all(map(can_spread, found.values(), params.values())))


def _reading(
    pipeline: _Pipeline,
    held: ParameterSet,
    outputs: int | None,
    params: Mapping[str, Array],
    x: Array,
    y: Array,
    *,
    signed: bool,
) -> Reading:
    functions = pipeline.functions
    has_loss = False
    if functions.cost is not None:
        try:
            with quiet(), np.errstate(all="ignore"):
                has_loss = bool(np.isfinite(pipeline.loss(params, x.copy(), y.copy())))
        except Exception:
            pipeline = replace(pipeline, functions=replace(functions, cost=None))
    calls = [f for f in (functions.backward, *functions.updates) if f is not None]
    return Reading(
        name=functions.forward.__name__,
        shapes=held.shapes,
        output=pipeline.output,
        step=pipeline.step if pipeline.moves else None,
        gradients=None if pipeline.moves else pipeline.gradients,
        loss=pipeline.loss if has_loss else None,
        returns_both=has_loss and functions.cost is functions.backward,
        inputs=held.inputs,
        outputs=1 if pipeline.targets in ("vector", "binary-vector") else outputs,
        single=pipeline.form.single,
        targets=pipeline.targets,
        takes_rate=any(map(takes_rate, calls)) or not pipeline.moves,
        told=(pipeline.form.told, pipeline.told),
        script=pipeline.script,
        functions=tuple(f for f in (functions.forward, *calls, functions.cost) if f is not None),
        signed=signed,
        watched=pipeline.watched,
        batch_told=functions.backward.__name__ if functions.backward is not None else "",
    )
