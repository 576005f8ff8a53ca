"""Functions called one after the other on parameters that are held in one way: forward, backward, update, cost.

Each function gets what its arguments are called or mean, and its result is bound to the names of its return statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.model.backprop_layout import Shape
from gdprops.subjects.backprop.as_written.bound_calls import bind, bound_call, is_float, returned_names
from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.data_forms import DataForm, as_rows
from gdprops.subjects.backprop.as_written.function_parts import GRADIENT, Functions, returns_moved
from gdprops.subjects.backprop.as_written.function_script import step_lines
from gdprops.subjects.backprop.as_written.given_gradients import Order, order_of, returned_gradients
from gdprops.subjects.backprop.as_written.global_parameters import in_globals, rebound
from gdprops.subjects.backprop.as_written.output_in_loss import is_output_in
from gdprops.subjects.backprop.as_written.parameter_sets import ParameterSet
from gdprops.subjects.backprop.as_written.picked import Pick
from gdprops.subjects.backprop.as_written.probes import seeded
from gdprops.subjects.backprop.as_written.roles import Role, role_of
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
@dataclass(frozen=True, slots=True)
class Pipeline:
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
        inside = is_output_in(self.functions.forward)  # it returns its variables by name
        found = raw if inside else bind(returned_names(self.functions.forward), raw)
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

    def _moved(self, root: Any, returned: Any, last: Callable[..., Any] | None, shapes: Sequence[Shape] = ()) -> Any:
        """Return the parameters with those that a function returned in place of the ones that it got."""
        assert last is not None, "a function has returned it"
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

    def in_order(self, params: Mapping[str, Any], x: Array, y: Array) -> Pipeline:
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
        found = next(filter(is_float, found), found) if isinstance(found, tuple | list) else found
        return (
            found
            if isinstance(found, np.ndarray) and type(found) is not np.ndarray
            else float(np.asarray(found).reshape(()))
        )

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that set the arrays of one step, and make it."""
        return step_lines(self.functions, self.held, self.form, params, (x, y), rate)
