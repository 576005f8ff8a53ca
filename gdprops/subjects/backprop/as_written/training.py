"""How a network's object is trained: which methods, in which order, with what.

One method may do it all (``train(X, y)``), or need the forward pass before it (``backward(X, y, output)``), or only
compute gradients that another method applies (``backward``, then ``update(lr)``), or return them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np

from gdprops.subjects.backprop.as_written.calls import ZERO, Plan, plans
from gdprops.subjects.backprop.as_written.data_forms import FORMS, LIST, VECTOR, DataForm, as_rows, classes_in, pairs_of
from gdprops.subjects.backprop.as_written.given_gradients import flat, gradients_of
from gdprops.subjects.backprop.as_written.leaves import AnyLeaf, leaves_of
from gdprops.subjects.backprop.as_written.met_errors import met, unmoved
from gdprops.subjects.backprop.as_written.output_in_loss import OUTPUT_IN_LOSS
from gdprops.subjects.backprop.as_written.roles import (
    LOSS,
    TRAIN,
    TRAIN_WORDS,
    UPDATE,
    Role,
    called,
    named,
    plain,
    role_of,
)

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.forward_pass import Forward

KNOWN = (
    *(Role.DATA, Role.TARGETS, Role.RATE, Role.EPOCHS, Role.BATCH, Role.PAIRS),
    *(Role.ROWS, Role.PENALTY, Role.CLASSES),
)
OPTIONAL = (Role.RATE, Role.EPOCHS, Role.BATCH, Role.TARGETS)
WHOLE = re.compile(r"(train|fit|learn|partial|sgd|gradient_descent|optimi|update_mini|training)", re.IGNORECASE)
"""How methods are called that make the forward pass themselves; all others are called after it."""


@final
@dataclass(frozen=True, slots=True)
class Way:
    """One way to train: the method and what it gets, what comes before and after it, the form of the data.

    ``together``: whether an argument for samples with their targets gets the pair (X, y), and no list of pairs.
    ``error``: 1 where a derivative by the output is output - target, -1 where it is target - output.
    """

    method: str
    plan: Plan
    form: DataForm
    forward: Forward | None = None
    update: str = ""
    update_plan: Plan | None = None
    together: bool = False
    error: int = 1

    @property
    def single(self) -> bool:
        """Whether it trains one sample at a time."""
        return self.form.single and not self.plan.uses(Role.PAIRS)

    @property
    def takes_rate(self) -> bool:
        """Whether a method gets the learning rate."""
        return self.plan.uses(Role.RATE) or (self.update_plan is not None and self.update_plan.uses(Role.RATE))

    @property
    def takes_batches(self) -> bool:
        """Whether the method is told how many rows a mini-batch has."""
        return self.plan.uses(Role.BATCH) and not self.single and self.forward is None and not self.update

    def run(self, net: Any, x: Array, y: Array, rate: float, rows: int = 0) -> Any:
        """Train once; return what the training method returned. ``rows``: those of a mini-batch, 0 for all."""
        values = self._values(x, y, rate)
        values[Role.BATCH] = rows or len(x)
        if self.forward is not None:
            raw = self.forward.plan.call(getattr(net, self.forward.method), values)
            values[Role.OUTPUT] = self.forward.pick.of(net, raw)
            values[Role.CACHE] = _rest(raw)
            if self.plan.uses(Role.GRADIENTS):
                values[Role.GRADIENTS] = self._error(values[Role.OUTPUT], y)
        found = self.plan.call(getattr(net, self.method), values)
        if self.update and self.update_plan is not None:
            values[Role.GRADIENTS] = found
            self.update_plan.call(getattr(net, self.update), values)
        return found

    def _error(self, output: Any, y: Array) -> Any:
        """Return the derivative of ½ Σ (output - target)² by the output, in the form of the targets."""
        rows = as_rows(self.form, output, len(y))
        targets = np.reshape(y, (len(y), -1))
        assert rows is not None, "outputs of the form of the samples"
        assert rows.shape == targets.shape, "targets of the form of the outputs"
        return self.form.given(self.error * self.form.error * (rows - targets))

    def _values(self, x: Array, y: Array, rate: float) -> dict[Any, Any]:
        given = self.form.given
        values: dict[Any, Any] = {
            Role.DATA: self.form.samples(x),
            Role.TARGETS: given(y),
            Role.RATE: rate,
            Role.EPOCHS: 1,
            Role.ROWS: len(x),
            Role.PENALTY: 0.0,
            Role.CLASSES: classes_in(y),
            ZERO: 0.0,
        }
        if self.plan.uses(Role.PAIRS):
            values[Role.PAIRS] = (self.form.samples(x), given(y)) if self.together else pairs_of(self.form, x, y)
        return values

    @property
    def told(self) -> str:
        """The calls in words."""
        calls = [] if self.forward is None else [self.forward.told.partition("), ")[0].removesuffix(")") + ")"]
        calls.append(f"{self.method}({self.plan.told})")
        if self.plan.uses(Role.GRADIENTS):
            calls[-1] += f" with {'output - target' if self.error > 0 else 'target - output'}"
            calls[-1] += f" times {self.form.error:g}" if self.form.error != 1 else ""
        if self.update and self.update_plan is not None:
            calls.append(f"{self.update}({self.update_plan.told})")
        return ", ".join(calls)


def _rest(raw: Any) -> Any:
    """Return what a forward pass returned beside the output: its cache."""
    if isinstance(raw, tuple) and len(raw) == 2:
        return raw[1]
    return raw


class Trained(Protocol):
    """What a way is tried on."""

    @property
    def forward(self) -> Forward:
        """How it is asked for its output."""

    def ready(self, x: Array, y: Array, rate: float) -> tuple[Any, Sequence[AnyLeaf]]:
        """Return an object to train, with its parameters in place, and these."""


def ways(
    methods: Sequence[str], net: Trained, x: Array, y: Array, *, defined: Sequence[str]
) -> Iterator[tuple[Way, str]]:
    """Yield the ways to train that run on some data, each with what it does: ``moves`` or ``gradients``.

    ``methods``: the names of the methods that may train; ``defined``: those of all methods.
    """
    example, _ = net.ready(x, y, 0.25)
    any_form = net.forward.plan.arguments and net.forward.form.steps is None
    others = [form for form in FORMS if form is not VECTOR or net.forward.form is not LIST]
    forms = dict.fromkeys((net.forward.form, *(others if any_form else ())))
    for method in methods:
        first_forward = not WHOLE.match(method)
        befores = (
            [None]
            if net.forward.method == OUTPUT_IN_LOSS
            else [net.forward, None]
            if first_forward
            else [None, net.forward]
        )
        if method == net.forward.method and method != "loss":
            continue
        for before in befores:
            found = list(_by_method(method, net, example, before, list(forms), x, y, defined))
            yield from found
            if found and any(what == "moves" for _, what in found):
                break


def _by_method(
    method: str,
    net: Trained,
    example: Any,
    before: Forward | None,
    forms: Sequence[DataForm],
    x: Array,
    y: Array,
    defined: Sequence[str],
) -> Iterator[tuple[Way, str]]:
    known = (*KNOWN, *((Role.OUTPUT, Role.CACHE, Role.GRADIENTS) if before is not None else ()))
    for plan in plans(getattr(example, method), known, optional=(*OPTIONAL, *((Role.OUTPUT,) * (before is not None)))):
        for form in forms if plan.arguments else forms[:1]:
            if before is not None and form != before.form:
                continue
            way = Way(method, plan, form, before)
            what = _does(way, net, x, y)
            if not what and plan.uses(Role.PAIRS) and not form.single:
                way = replace(way, together=True)
                what = _does(way, net, x, y)
            if what == "moves":
                yield way, what
                if plan.uses(Role.GRADIENTS):
                    yield replace(way, error=-1), what
            elif what:
                applied = list(_applied(way, net, example, x, y, defined))
                yield from applied
                if plan.uses(Role.GRADIENTS):
                    yield from ((replace(one, error=-1), what) for one, what in applied)
                if not applied and (what == "gradients" or (what == "rests" and _is_given_data(way, net))):
                    yield way, what
                elif not applied:
                    unmoved(f"{way.method}({way.plan.told}) moves no parameter and gives no gradient of one")


def _is_given_data(way: Way, net: Trained) -> bool:
    """Say whether a method that moves nothing is surely meant to train: the name of an argument says targets.

    ``train()`` alone may only set a mode, and ``backward(a)`` return the slope of an activation: that an argument gets
    the targets because of its place is a guess, which is no ground for an accusation; nor are words in a longer name.
    """
    if plain(way.method) not in TRAIN:
        return False
    given = any(
        role_of(name) is role or (role is Role.TARGETS and role_of(name) is Role.OUTPUT)
        for name, role in way.plan.arguments
        if role in (Role.TARGETS, Role.PAIRS)
    )
    return given or not net.forward.plan.arguments


def _applied(
    way: Way, net: Trained, example: Any, x: Array, y: Array, defined: Sequence[str]
) -> Iterator[tuple[Way, str]]:
    """Yield the way with a method behind it that moves the parameters."""
    for update in called(defined, UPDATE):
        if update in (way.method, net.forward.method):
            continue
        for plan in plans(getattr(example, update), (*KNOWN, Role.GRADIENTS), optional=OPTIONAL):
            longer = replace(way, update=update, update_plan=plan)
            if _does(longer, net, x, y) == "moves":
                yield longer, "moves"
                return


def _does(way: Way, net: Trained, x: Array, y: Array) -> str:
    """Say what a way does on some data: nothing, or it ``runs``, gives ``gradients``, or ``moves`` the parameters."""
    rows = slice(0, 1) if way.single else slice(None)
    try:
        trained, leaves = net.ready(x[rows], y[rows], 0.25)
        before = [np.array(leaf.array(trained)) for leaf in leaves]
        found = way.run(trained, x[rows], y[rows], 0.25)
        after = [np.asarray(leaf.array(trained)) for leaf in leaves]
    except Exception as error:  # it is found out by trying
        if way.forward is not None or WHOLE.match(way.method):  # else the forward pass is what it misses
            met(error, in_training=True)
        return ""
    if any(a.shape != b.shape or a.dtype.kind not in "fiu" for a, b in zip(after, before, strict=True)):
        return ""
    if any(not np.array_equal(a, b) for a, b in zip(after, before, strict=True)):
        return "moves"
    if gradients_of(found, trained, leaves) is not None:
        return "gradients"
    return "runs" if _holds_gradients(found, trained, leaves) else "rests"


def _holds_gradients(returned: Any, net: Any, leaves: Sequence[AnyLeaf]) -> bool:
    """Say whether anything that was returned or stored has the shape of a matrix that is a parameter.

    Or ends in that shape: ``delta[:, :, None] @ x[:, None, :]`` holds a gradient for each sample. Lists within lists,
    and dicts of them, may hold gradients in a form that nobody knows.
    """
    if isinstance(returned, dict | list | tuple) and _is_nested(returned):
        return True
    shapes = {leaf.shape for leaf in leaves if len(leaf.shape) > 1}
    paths = {leaf.path for leaf in leaves}
    stored = {leaf.shape for leaf in leaves_of(net) if leaf.path not in paths}
    given = list(flat([list(returned.values()) if isinstance(returned, dict) else returned]))
    every = stored | {np.shape(v) for v in given if isinstance(v, np.ndarray)}
    return any(one[-len(shape) :] == shape for one in every for shape in shapes)


def _is_nested(returned: Mapping[Any, Any] | Sequence[Any]) -> bool:
    """Say whether a list or dict holds lists, dicts or arrays that are not empty: no list of losses, one per epoch."""
    values = returned.values() if isinstance(returned, Mapping) else returned
    return any(len(one) > 0 for one in values if isinstance(one, dict | list | tuple) or np.ndim(one) > 0)


def trainers(defined: Sequence[str]) -> list[str]:
    """Return the names of the methods that may train, the most telling ones first."""
    trains = named(defined, TRAIN, TRAIN_WORDS) or called(defined, UPDATE)
    return [*trains, *(["loss"] if "loss" in defined else [])]


def losses(defined: Sequence[str]) -> list[str]:
    """Return the names of the methods that may compute the loss."""
    return called(defined, LOSS)
