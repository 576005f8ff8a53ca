"""Readings of a class for a whole network: every way to make, ask and train it that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.constructors import Made, Making, Sizes
from gdprops.subjects.backprop.as_written.forward_pass import Forward
from gdprops.subjects.backprop.as_written.found_forms import gives_both
from gdprops.subjects.backprop.as_written.given_gradients import Order, gradients_of, order_of
from gdprops.subjects.backprop.as_written.leaves import AnyLeaf
from gdprops.subjects.backprop.as_written.loss_method import Loss, loss_method
from gdprops.subjects.backprop.as_written.network_class import Network, networks
from gdprops.subjects.backprop.as_written.output_in_loss import give_output
from gdprops.subjects.backprop.as_written.probes import PROBE, ROWS, draws, probe_data, seeded
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.training import Way, losses, trainers, ways
from gdprops.subjects.backprop.as_written.user_objects import has_rate, is_defined
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Shape

RATE = 0.25


def class_readings(
    found: type, declared: Mapping[str, Any], makings: Iterable[Making] | None = None, outputs: int | None = None
) -> Iterator[Reading]:
    """Yield the readings of a class, whose objects are made in some ways, or in the usual ones.

    ``outputs``: their number, where the code around the class fixes it.
    Raises `UsageError` where no object of it can be made.
    """
    give_output(found)
    defined = [name for name in dir(found) if is_defined(found, name) and callable(getattr(found, name, None))]
    for network in networks(found, declared, makings, outputs):
        for targets in _targets(network):
            sizes = _sizes(network, targets)
            for way, what in _ways(network, sizes, targets.removeprefix("signed "), defined):
                yield _Bridge(
                    network, way, targets.removeprefix("signed "), what, targets.startswith("signed")
                ).reading(defined)


def _sizes(network: Network, targets: str) -> Sizes:
    targets = targets.removeprefix("signed ")
    n_out = 1 if targets in ("vector", "binary-vector") else network.outputs or PROBE.n_out
    return Sizes(network.inputs or PROBE.n_in, PROBE.hidden, network.outputs or n_out)


def _targets(network: Network) -> list[str]:
    """Return the forms of targets that the outputs suggest, the most likely first."""
    sizes = Sizes(network.inputs or PROBE.n_in, PROBE.hidden, network.outputs or PROBE.n_out)
    x, y = probe_data(sizes, ROWS)
    with quiet(), np.errstate(all="ignore"):
        out = np.asarray(network.forward.output(network.made(sizes, x, y), x), dtype=np.float64)
    return targets_for(out, network.outputs)


def targets_for(out: Array, outputs: int | None) -> list[str]:
    """Return the forms of targets that some outputs suggest, the most likely first."""
    flat = [] if outputs not in (None, 1) else ["vector"]
    if out.shape[1] > 1 and np.allclose(out.sum(axis=1), 1) and (out >= 0).all():
        return ["one-hot", "labels"]
    if set(np.unique(out)) == {-1.0, 1.0}:
        return ["signed binary", *(f"signed binary-{one}" for one in flat)]
    if ((out >= 0) & (out <= 1)).all():
        binary = ["binary", *(f"binary-{one}" for one in flat)]
        return [*binary, "labels"] if out.shape[1] > 1 else binary
    return ["numbers", *flat, *(["one-hot", "labels"] if out.shape[1] > 1 else [])]


def targets_of(kind: str, y: Array) -> Array:
    """Return one-hot rows as targets of another form."""
    labels = y.argmax(axis=1)
    if kind == "labels":
        return np.asarray(labels)
    if kind in ("vector", "binary-vector"):
        return np.asarray((np.arange(len(y)) % 2).astype(np.float64))
    if y.shape[1] == 1:
        return np.asarray((np.arange(len(y)) % 2).astype(np.float64)[:, None])
    return y


@final
@dataclass(slots=True)
class _Probed:
    """A network with drawn parameters in place, for trying how it is trained."""

    network: Network
    sizes: Sizes

    @property
    def forward(self) -> Forward:
        """How the network is asked for its output."""
        return self.network.forward

    def ready(self, x: Array, y: Array, rate: float) -> tuple[Any, Sequence[AnyLeaf]]:
        """Return an object to train, with its parameters in place, and these."""
        net, leaves = self.network.made(self.sizes, x, y, rate), self.network.leaves(self.sizes)
        for k, leaf in enumerate(leaves):
            leaf.put(net, spread(leaf.shape, k))
        seeded()
        return net, leaves


def spread(shape: Shape, start: int) -> Array:
    """Return numbers from -1 to 1 of which no small sum is zero."""
    golden, count = (5**0.5 - 1) / 2, int(np.prod(shape, dtype=np.int64))
    return np.asarray(2 * ((np.arange(count) + 1 + 7 * start) * golden % 1) - 1).reshape(shape)


def _ways(network: Network, sizes: Sizes, targets: str, defined: Sequence[str]) -> Iterator[tuple[Way, str]]:
    x, y = probe_data(sizes, ROWS)
    y = targets_of(targets, y)
    try:
        with quiet(), np.errstate(all="ignore"):
            both = [name for name in defined if gives_both(network.found, name)]
            methods = dict.fromkeys((*trainers(defined), *both))
            found = list(ways(list(methods), _Probed(network, sizes), x, y, defined=defined))
    except Exception:  # the user's code, with targets of a form that it does not take
        return
    for wanted in ("moves", "gradients"):
        if any(what == wanted for _, what in found):
            yield from (one for one in found if one[1] == wanted)
            yield from (
                one for one in found if one[1] == "gradients" != wanted and gives_both(network.found, one[0].method)
            )
            return
    yield from found[:1]


@final
@dataclass(slots=True)
class _Bridge:
    """Functions over parameters that make an object, put the parameters in place, and let it work."""

    network: Network
    way: Way
    targets: str
    what: str
    signed: bool = False
    current: list[tuple[Any, Sequence[AnyLeaf]]] = field(default_factory=list)
    asked: dict[tuple[Shape, ...], tuple[Any, list[tuple[str, AnyLeaf]], Forward]] = field(default_factory=dict)
    remembers: list[bool] = field(default_factory=list)
    orders: list[Order | None] = field(default_factory=list)

    def shapes(self, n_in: int, hidden: int, n_out: int) -> dict[str, Shape]:
        """Return the shapes of the parameters."""
        sizes = Sizes(self.network.inputs or n_in, hidden, self.network.outputs or n_out)
        with quiet(), np.errstate(all="ignore"):
            return {leaf.name: leaf.shape for leaf in self.network.leaves(sizes)}

    def _net(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> tuple[Any, Sequence[AnyLeaf]]:
        sizes = self.network.sizes_of(params)
        net, leaves = self.network.made(sizes, x, y, rate), self.network.leaves(sizes)
        for leaf in leaves:
            leaf.put(net, params[leaf.name])
        return net, leaves

    def output(self, params: Mapping[str, Any], x: Array) -> Any:
        """Return the output for some samples."""
        if self.network.constructor.takes_data or any(self.remembers):
            sizes = self.network.sizes_of(params)
            net, _ = self._net(params, x, np.zeros((len(x), sizes.n_out)), RATE)
            return self.network.forward.output(net, x)
        shapes = tuple(w.shape for w in params.values())
        if any(type(w) is not np.ndarray for w in params.values()):  # arrays that are followed stay in what holds them
            if shapes not in self.asked:
                self.output({name: w.view(np.ndarray).copy() for name, w in params.items()}, x)
            net, _ = self._net(params, x, np.zeros((len(x), 1)), RATE)
            return self.asked[shapes][2].output(net, x)
        if shapes not in self.asked:
            net, leaves = self._net(params, x, np.zeros((len(x), 1)), RATE)
            forward = self.network.forward
            forward = replace(forward, draws=draws(lambda: forward.output(net, x)))
            self.asked[shapes] = net, [(leaf.name, leaf) for leaf in leaves], forward
            if not self.remembers:
                self.remembers.append(not np.array_equal(forward.output(net, x), forward.output(net, x)))
                return self.output(params, x)
        net, named, forward = self.asked[shapes]
        for name, leaf in named:
            leaf.put(net, params[name])
        out = forward.output(net, x)
        return np.array(out) if type(out) is np.ndarray else out

    def step(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> dict[str, Any]:
        """Return the parameters after one call of the training code."""
        net, leaves = self._net(params, x, y, rate)
        self.current[:] = [(net, leaves)]
        seeded()
        self.way.run(net, x, self._given(y), rate)
        return {leaf.name: leaf.array(net) for leaf in leaves}

    def again(
        self, params: Mapping[str, Any], batches: Sequence[tuple[Array, Array]], rate: float, reset: bool
    ) -> dict[str, Any]:
        """Return the parameters after several calls of the training code on one object."""
        net, leaves = self._net(params, *batches[0], rate)
        for k, (x, y) in enumerate(batches):
            for leaf in leaves if k and reset else ():
                leaf.put(net, np.array(params[leaf.name]))
            seeded()
            self.way.run(net, x, self._given(y), rate)
        return {leaf.name: leaf.array(net) for leaf in leaves}

    def in_batches(
        self, params: Mapping[str, Any], batches: Sequence[tuple[Array, Array]], rate: float
    ) -> dict[str, Any]:
        """Return the parameters after one call of the training code on several mini-batches."""
        x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        net, leaves = self._net(params, x, y, rate)
        self.current[:] = [(net, leaves)]
        seeded()
        self.way.run(net, x, self._given(y), rate, len(batches[0][0]))
        return {leaf.name: leaf.array(net) for leaf in leaves}

    def _given(self, y: Array) -> Array:
        return 2 * y - 1 if self.signed else y

    def gradients(self, params: Mapping[str, Any], x: Array, y: Array) -> dict[str, Any]:
        """Return the gradients that the training code computes."""
        if not self.orders:
            self.orders.append(self._order())
        net, leaves = self._net(params, x, y, RATE)
        seeded()
        return gradients_of(self.way.run(net, x, self._given(y), RATE), net, leaves, self.orders[0]) or {}

    def _order(self) -> Order | None:
        """Return which of the arrays that are returned belongs to which parameter, at sizes that differ."""
        sizes = _sizes(self.network, self.targets)
        x, y = probe_data(sizes, 1 if self.way.single else ROWS)
        net, leaves = _Probed(self.network, sizes).ready(x, y, RATE)
        found = self.way.run(net, x, self._given(targets_of(self.targets, y)), RATE)
        return order_of(found, {leaf.name: leaf.shape for leaf in leaves})

    def watched(self, frame: Any) -> dict[str, Any]:
        """Return the parameters while a step runs."""
        del frame
        return {leaf.name: leaf.array(net) for net, leaves in self.current for leaf in leaves}

    def loss(self, params: Mapping[str, Any], x: Array, y: Array) -> Any:
        """Return the loss that is returned together with the gradients."""
        net, _ = self._net(params, x, y, RATE)
        seeded()
        found = self.way.run(net, x, self._given(y), RATE)
        return found[0] if isinstance(found, tuple | list) else found

    def takes_rate(self) -> bool:
        """Say whether the learning rate can be chosen."""
        if self.way.takes_rate or self.network.constructor.takes_rate:
            return True
        x, y = probe_data(PROBE, ROWS)
        sizes = Sizes(self.network.inputs or PROBE.n_in, PROBE.hidden, self.network.outputs or PROBE.n_out)
        x, y = probe_data(sizes, ROWS)
        return has_rate(self.network.made(sizes, x, y))

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that repeat one step by hand."""
        sizes, form = self.network.sizes_of(params), self.network.forward.form
        name = self.network.found.__name__
        made = Made(sizes, form.samples(x), form.given(y), rate)
        data = {"x": self.way.form.code_of_samples.format("X"), "y": self.way.form.code.format("y")}
        lines = [f"X, y = np.array({x.tolist()}), np.array({y.tolist()})"]
        lines += self.network.constructor.lines(name, made, data)
        net = self.network.made(sizes, x, y, rate)
        for leaf in self.network.leaves(sizes):
            lines += leaf.written(params[leaf.name])
        if not self.way.takes_rate and not self.network.constructor.takes_rate and has_rate(net):
            lines += [f"net.{n} = {rate!r}" for n in vars(net) if _is_rate(net, n)]
        if self.way.forward is not None:
            lines.append(
                f"output = net.{self.way.forward.method}({written_call(self.way, self.way.forward.plan, rate)})"
            )
        lines.append(f"net.{self.way.method}({written_call(self.way, self.way.plan, rate)})")
        if self.way.update and self.way.update_plan is not None:
            lines[-1] = f"gradients = {lines[-1]}"
            lines.append(f"net.{self.way.update}({written_call(self.way, self.way.update_plan, rate)})")
        return lines

    def _stated(self, defined: Sequence[str]) -> Callable[[Mapping[str, Any], Array, Array], Any] | None:
        """Return what a method of the class computes as the loss, None where none does."""
        x, y = probe_data(PROBE, ROWS)
        sizes = Sizes(self.network.inputs or PROBE.n_in, PROBE.hidden, self.network.outputs or PROBE.n_out)
        x, y = probe_data(sizes, ROWS)
        for name in losses(defined):
            if name in (self.way.method, self.network.forward.method, self.way.update):
                continue
            try:
                with quiet(), np.errstate(all="ignore"):
                    net = self.network.made(sizes, x, y)
                    found = loss_method(net, self.network.forward, name, x, targets_of(self.targets, y))
            except Exception:  # the user's code, with data that it does not take
                continue
            if found is not None:
                return partial(self._stated_loss, found)
        return None

    def _stated_loss(self, loss: Loss, params: Mapping[str, Any], x: Array, y: Array) -> Any:
        net, _ = self._net(params, x, y, RATE)
        return loss(net, x, self._given(y))

    def reading(self, defined: Sequence[str]) -> Reading:
        """Return the functions as a reading; ``defined``: the names of all methods."""
        moves = self.what != "gradients"
        both = gives_both(self.network.found, self.way.method)
        calls = [*filter(None, [self.network.constructor.told]), self.network.forward.told, self.way.told]
        calls += [f"{name} is declared as frozen" for name in self.network.frozen]
        return Reading(
            name=self.network.found.__name__,
            shapes=self.shapes,
            output=self.output,
            step=self.step if moves else None,
            gradients=None if moves else self.gradients,
            loss=self.loss if both else None,
            returns_both=both,
            inputs=self.network.inputs,
            outputs=1 if self.targets in ("vector", "binary-vector") else self.network.outputs,
            single=self.way.single,
            targets=self.targets,
            takes_rate=self.takes_rate(),
            told=(self.way.form.told, *calls),
            script=self.script,
            functions=(self.network.found,),
            again=self.again if moves and not self.network.constructor.takes_data else None,
            in_batches=self.in_batches if moves and self.way.takes_batches else None,
            signed=self.signed,
            batch_told=self.way.method,
            watched=self.watched,
            stated=None if both or self.way.single else self._stated(defined),
        )


def _is_rate(net: Any, name: str) -> bool:
    from gdprops.subjects.backprop.as_written.roles import Role, role_of

    return role_of(name) is Role.RATE and isinstance(vars(net)[name], int | float)


def written_call(way: Way, plan: Any, rate: float) -> str:
    """Return the arguments of a call as Python text, for data that are called X and y."""
    from gdprops.subjects.backprop.as_written.roles import Role

    form = way.form.code
    texts = {
        Role.DATA: way.form.code_of_samples.format("X"),
        Role.TARGETS: form.format("y"),
        Role.RATE: repr(rate),
        Role.EPOCHS: "1",
        Role.BATCH: "len(X)",
        Role.ROWS: "len(X)",
        Role.PAIRS: "[*zip(X, y)]",
        Role.OUTPUT: "output",
        Role.CACHE: "output[1]",
        Role.GRADIENTS: "gradients",
    }
    parts = [(name, texts.get(role, "0.0")) for name, role in plan.arguments]
    return ", ".join(f"{name}={text}" if name in plan.keywords else text for name, text in parts)
