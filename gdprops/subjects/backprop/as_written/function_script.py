"""One step of plain functions as Python text: the arrays, and the calls with the names of their return statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.subjects.backprop.as_written.bound_calls import returned_names
from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.output_in_loss import is_output_in
from gdprops.subjects.backprop.as_written.roles import Role, role_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.data_forms import DataForm
    from gdprops.subjects.backprop.as_written.function_parts import Functions
    from gdprops.subjects.backprop.as_written.parameter_sets import ParameterSet


def step_lines(
    functions: Functions,
    held: ParameterSet,
    form: DataForm,
    params: Mapping[str, Any],
    batch: tuple[Array, Array],
    rate: float,
) -> list[str]:
    """Return the lines that set the arrays of one step."""
    x, y = batch
    lines = held.lines(params)
    given = form.code_of_samples.format(f"np.array({x.tolist()})"), form.code.format(f"np.array({y.tolist()})")
    lines.append(f"X, Y = {', '.join(given)}")
    if not held.names and all(name.isidentifier() for name in params):
        lines.append(f"parameters = {{{', '.join(f'{name!r}: {name}' for name in params)}}}")
    elif not held.names:
        lines.append(f"parameters = {held.written(params)}")
    lines += [f"{name} = {value!r}" for name, value in held.beside(held.filled(params)).items()]
    every = functions.forward, functions.backward, *functions.updates
    calls = [f for f in every if f is not None and not is_output_in(f)]
    return [*lines, *_calls(calls, form, {*params, *held.names}, rate)]


def _calls(calls: Sequence[Callable[..., Any]], form: DataForm, known: set[str], rate: float) -> Iterator[str]:
    """Yield the calls as Python text, each with the names of its return statement before it."""
    meant = {
        Role.DATA: "X",
        Role.TARGETS: "Y",
        Role.RATE: repr(rate),
        Role.PARAMS: "parameters",
        Role.EPOCHS: "1",
        Role.BATCH: "len(X)",
        Role.ROWS: "X.shape[1]" if form.code.endswith(".T") else "len(X)",
        Role.CACHE: "cache",
        Role.GRADIENTS: "gradients",
    }
    for function in calls:
        given = [
            (p.name, p.name if p.name in known else meant.get(role_of(p.name), "X" if function is calls[0] else None))
            for p in parameters(function) or []
            if p.name in known or p.default is p.empty or role_of(p.name) is Role.RATE
        ]
        names = [name or "_" for name in returned_names(function)]
        known |= {name for name in names if role_of(name) is not Role.DATA}
        yield f"{', '.join(names) or 'found'} = {function.__name__}({', '.join(f'{k}={v}' for k, v in given)})"
