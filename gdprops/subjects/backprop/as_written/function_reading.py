"""Readings of plain functions: forward, cost, backward and update as a course teaches them, in any naming.

``parameters = initialize_parameters(3, 4, 2)``, ``A2, cache = forward_propagation(X, parameters)``,
``grads = backward_propagation(parameters, cache, X, Y)``, ``update_parameters(parameters, grads, learning_rate)``: each
function gets what its arguments are called or mean, and its result is bound to the names of its return statement. The
same covers functions over separate arrays (``W1, b1, W2, b2``) and a single function that trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.subjects.backprop.as_written.class_reading import spread, targets_for, targets_of
from gdprops.subjects.backprop.as_written.constructors import Sizes
from gdprops.subjects.backprop.as_written.data_forms import LIST, VECTOR, DataForm, as_rows, lists_first
from gdprops.subjects.backprop.as_written.function_parts import (
    Functions,
    only_differentiates,
    parameter_sets,
    parts_of,
    pipelines,
    takes_rate,
)
from gdprops.subjects.backprop.as_written.given_gradients import can_spread
from gdprops.subjects.backprop.as_written.labelled_rows import forms_of
from gdprops.subjects.backprop.as_written.met_errors import met
from gdprops.subjects.backprop.as_written.parameter_sets import ParameterSet
from gdprops.subjects.backprop.as_written.picked import Pick, picks
from gdprops.subjects.backprop.as_written.pipeline import Pipeline
from gdprops.subjects.backprop.as_written.probes import PROBE, probe_data
from gdprops.subjects.backprop.as_written.reading import Reading
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
    pipeline = Pipeline(chosen, held, form, Pick(), "")
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
    pipeline = Pipeline(chosen, held, form, pick, "")
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


def _does(pipeline: Pipeline, params: Mapping[str, Array], x: Array, y: Array, *, keeps_shapes: bool) -> bool | None:
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
    pipeline: Pipeline, params: Mapping[str, Array], x: Array, y: Array, *, keeps_shapes: bool
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
    pipeline: Pipeline,
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
