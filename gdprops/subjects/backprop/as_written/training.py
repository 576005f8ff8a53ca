"""How a network's object is trained: which methods, in which order, with what.

One method may do it all (``train(X, y)``), or need the forward pass before it (``backward(X, y, output)``), or only
compute gradients that another method applies (``backward``, then ``update(lr)``), or return them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

import numpy as np

from gdprops.subjects.backprop.as_written.calls import ZERO, Plan, plans
from gdprops.subjects.backprop.as_written.data_forms import FORMS, DataForm, pairs_of
from gdprops.subjects.backprop.as_written.leaves import AnyLeaf, leaves_of
from gdprops.subjects.backprop.as_written.met_errors import met, unmoved
from gdprops.subjects.backprop.as_written.roles import LOSS, TRAIN, UPDATE, Role, called, role_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.network_class import Forward

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
    """One way to train: the method and what it gets, what comes before and after it, the form of the data."""

    method: str
    plan: Plan
    form: DataForm
    forward: Forward | None = None
    update: str = ""
    update_plan: Plan | None = None

    @property
    def single(self) -> bool:
        """Whether it trains one sample at a time."""
        return self.form.single and not self.plan.uses(Role.PAIRS)

    @property
    def takes_rate(self) -> bool:
        """Whether a method gets the learning rate."""
        return self.plan.uses(Role.RATE) or (self.update_plan is not None and self.update_plan.uses(Role.RATE))

    def run(self, net: Any, x: Array, y: Array, rate: float) -> Any:
        """Train once; return what the training method returned."""
        values = self._values(x, y, rate)
        if self.forward is not None:
            raw = self.forward.plan.call(getattr(net, self.forward.method), values)
            values[Role.OUTPUT] = self.forward.pick.of(net, raw)
            values[Role.CACHE] = _rest(raw)
        found = self.plan.call(getattr(net, self.method), values)
        if self.update and self.update_plan is not None:
            values[Role.GRADIENTS] = found
            self.update_plan.call(getattr(net, self.update), values)
        return found

    def _values(self, x: Array, y: Array, rate: float) -> dict[Any, Any]:
        given = self.form.given
        values: dict[Any, Any] = {
            Role.DATA: given(x),
            Role.TARGETS: given(y),
            Role.RATE: rate,
            Role.EPOCHS: 1,
            Role.BATCH: len(x),
            Role.ROWS: len(x),
            Role.PENALTY: 0.0,
            Role.CLASSES: classes_in(y),
            ZERO: 0.0,
        }
        if self.plan.uses(Role.PAIRS):
            values[Role.PAIRS] = pairs_of(self.form, x, y)
        return values

    @property
    def told(self) -> str:
        """The calls in words."""
        calls = [] if self.forward is None else [self.forward.told.partition(",")[0] + ")" * 0]
        calls.append(f"{self.method}({self.plan.told})")
        if self.update and self.update_plan is not None:
            calls.append(f"{self.update}({self.update_plan.told})")
        return ", ".join(calls)


def classes_in(y: Array) -> int:
    """Return the number of classes that targets tell: of labels, the largest one and 0; else the number of columns."""
    if np.ndim(y) < 2:
        return int(np.max(y, initial=0)) + 1
    return int(np.shape(y)[1])


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
    forms = dict.fromkeys((net.forward.form, *(FORMS if net.forward.plan.arguments else ())))
    for method in methods:
        first_forward = not WHOLE.match(method)
        befores = [net.forward, None] if first_forward else [None, net.forward]
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
    known = (*KNOWN, *((Role.OUTPUT, Role.CACHE) if before is not None else ()))
    for plan in plans(getattr(example, method), known, optional=(*OPTIONAL, *((Role.OUTPUT,) * (before is not None)))):
        for form in forms if plan.arguments else forms[:1]:
            if before is not None and form != before.form:
                continue
            way = Way(method, plan, form, before)
            what = _does(way, net, x, y)
            if what == "moves":
                yield way, what
            elif what:
                applied = list(_applied(way, net, example, x, y, defined))
                yield from applied
                if not applied and (what == "gradients" or (what == "rests" and _is_given_data(way, net))):
                    yield way, what
                elif not applied:
                    unmoved(f"{way.method}({way.plan.told}) moves no parameter and gives no gradient of one")


def _is_given_data(way: Way, net: Trained) -> bool:
    """Say whether a method that moves nothing is surely meant to train: the name of an argument says targets.

    ``train()`` alone may only set a mode, and ``backward(a)`` return the slope of an activation: that an argument gets
    the targets because of its place is a guess, which is no ground for an accusation.
    """
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
            longer = Way(way.method, way.plan, way.form, way.forward, update, plan)
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
        met(error)
        return ""
    if any(a.shape != b.shape or a.dtype.kind not in "fiu" for a, b in zip(after, before, strict=True)):
        return ""
    if any(not np.array_equal(a, b) for a, b in zip(after, before, strict=True)):
        return "moves"
    if gradients_of(found, trained, leaves) is not None:
        return "gradients"
    return "runs" if _holds_gradients(found, trained, leaves) else "rests"


def _holds_gradients(returned: Any, net: Any, leaves: Sequence[AnyLeaf]) -> bool:
    """Say whether anything that was returned or stored has the shape of a matrix that is a parameter."""
    shapes = {leaf.shape for leaf in leaves if len(leaf.shape) > 1}
    paths = {leaf.path for leaf in leaves}
    stored = {leaf.shape for leaf in leaves_of(net) if leaf.path not in paths}
    given = list(_flat([returned.values() if isinstance(returned, dict) else returned]))
    return bool(shapes & (stored | {np.shape(v) for v in given if isinstance(v, np.ndarray)}))


def gradients_of(returned: Any, net: Any, leaves: Sequence[AnyLeaf]) -> dict[str, Any] | None:
    """Return the gradients that a method returned, or stored in attributes, by the parameters' names."""
    shapes = {leaf.name: leaf.shape for leaf in leaves}
    return returned_gradients(returned, shapes) or _stored(net, leaves)


def returned_gradients(returned: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Return gradients by the parameters' names, from a dict, a sequence or a pair of lists."""
    if isinstance(returned, tuple) and len(returned) == 2 and _is_number(returned[0]) and not _is_number(returned[1]):
        returned = returned[1]  # (loss, gradients)
    if isinstance(returned, dict):
        return _from_dict(returned, shapes)
    if isinstance(returned, tuple | list):
        flat = list(_flat(returned))
        if _are_like(flat, shapes):
            return dict(zip(shapes, flat, strict=True))
        if len(flat) == len(shapes) and len(returned) == 2:
            half = len(flat) // 2
            for first, second in ((flat[:half], flat[half:]), (flat[half:], flat[:half])):
                turned = [v for pair in zip(first, second, strict=True) for v in pair]
                if _are_like(turned, shapes):
                    return dict(zip(shapes, turned, strict=True))
    return None


def _are_like(values: Sequence[Any], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Say whether values can be taken away from parameters of some shapes, one after the other."""
    if len(values) != len(shapes) or any(np.asarray(v).dtype.kind not in "fiu" for v in values):
        return False
    return all(map(can_spread, values, map(np.empty, shapes.values())))


def can_spread(value: Any, w: Array) -> bool:
    """Say whether a value can be taken away from an array in place: it has its shape, or is spread over it."""
    try:
        return bool(np.broadcast_shapes(np.shape(value), w.shape) == w.shape)
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.ndim == 0)


def _flat(value: Any) -> Iterator[Any]:
    for inside in value:
        if isinstance(inside, tuple | list):
            yield from _flat(inside)
        else:
            yield inside


def _from_dict(returned: Mapping[Any, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    found = {}
    for name in shapes:
        short = bare(name)
        for alias in (short, *(form.format(short) for form in GRADIENT_NAMES)):
            if alias in returned:
                found[name] = returned[alias]
                break
    return found if len(found) == len(shapes) else None


GRADIENT_NAMES = ("d{}", "d_{}", "grad_{}", "{}_grad", "grad{}", "D{}", "delta_{}", "nabla_{}", "{}_gradient", "dL_d{}")
"""How the gradient of a parameter is called."""


def bare(name: str) -> str:
    """Return the last word of a parameter's name: ``params['W1']`` is W1, ``layers[0].weights`` weights."""
    key = re.search(r"\['([^']*)'\]$", name)
    return key.group(1) if key else name.rpartition(".")[2]


HOLDS_GRADIENTS = ("grads", "gradients", "grad", "_grads")
"""How a dict of gradients is called, beside the parameters."""


def _stored(net: Any, leaves: Sequence[AnyLeaf]) -> dict[str, Any] | None:
    held = {leaf.name: leaf for leaf in leaves_of(net)}
    found = {}
    for leaf in leaves:
        short = bare(leaf.name)
        names = [form.format(short) for form in GRADIENT_NAMES]
        holder = leaf.name.removesuffix(f"[{short!r}]").rpartition(".")[0]  # layers[0] of layers[0].params['w']
        before = f"{holder}." if holder else ""
        offered = [f"{before}{n}" for n in names]
        places = [f"{at}{place}" for at in dict.fromkeys((before, "")) for place in HOLDS_GRADIENTS]
        offered += [f"{place}[{n!r}]" for place in places for n in (short, *names)]
        at = next((held[n] for n in offered if n in held and held[n].shape == leaf.shape), None)
        if at is None:
            return None
        found[leaf.name] = np.array(at.array(net))
    return found


def trainers(defined: Sequence[str]) -> list[str]:
    """Return the names of the methods that may train, the most telling ones first."""
    return [*called(defined, TRAIN), *(["loss"] if "loss" in defined else [])]


def losses(defined: Sequence[str]) -> list[str]:
    """Return the names of the methods that may compute the loss."""
    return called(defined, LOSS)
