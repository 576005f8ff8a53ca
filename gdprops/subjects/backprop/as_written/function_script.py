"""One step of plain functions as Python text: the arrays, and the calls with the names of their return statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
    later = [f for f in (functions.backward, *functions.updates) if f is not None]
    first = functions.forward
    if is_output_in(first):  # the loss that it was made of, where that returns what comes after it asks for
        first = first.__wrapped__  # type: ignore[attr-defined] # set where it is made
        asked = {p.name for f in later for p in parameters(f) or []}
        calls = [*([first] if first not in later and asked & set(returned_names(first)) else []), *later]
    else:
        calls = [first, *later]
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
    for k, function in enumerate(calls):
        given = [
            (p.name, p.name if p.name in known else meant.get(role_of(p.name), "X" if function is calls[0] else None))
            for p in parameters(function) or []
            if p.name in known or p.default is p.empty or role_of(p.name) is Role.RATE
        ]
        names = [name or "_" for name in returned_names(function)]
        known |= {name for name in names if role_of(name) is not Role.DATA}
        left = [", ".join(names), "gradients" if _asks_for_gradients(calls[k + 1 : k + 2], known) else ""]
        target = " = ".join(filter(None, left)) or "found"
        yield f"{target} = {function.__name__}({', '.join(f'{key}={text}' for key, text in given)})"


def _asks_for_gradients(functions: Sequence[Callable[..., Any]], known: set[str]) -> bool:
    """Say whether a function gets all gradients as one object, under a name that no function before it has returned."""
    asked = [p.name for f in functions for p in parameters(f) or []]
    return any(role_of(name) is Role.GRADIENTS and name not in known for name in asked)
