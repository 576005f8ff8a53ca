"""Layer objects: ``forward(x)`` and ``backward(gradient)``, judged without any loss.

With J = Σ c · forward(x) and any numbers c, ``backward(c)`` must return ∂J/∂x at the weights of the forward pass, and
move the layer's parameters by -lr ∂J/∂w, or store ∂J/∂w, at the same weights. The input x is treated as a parameter of
its own, which moves along what ``backward`` returns: a layer that moves before it hands its error on is wrong in x. The
layers of a file are judged together; each keeps its name before that of its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.model.backprop_layout import Shape
from gdprops.numerics.decisions import LOSS_FOUND_SHARE
from gdprops.subjects.backprop.as_written.constructors import Made, Making, Sizes
from gdprops.subjects.backprop.as_written.data_forms import ROWS
from gdprops.subjects.backprop.as_written.found_loss import is_penalized, own_factors, own_fit
from gdprops.subjects.backprop.as_written.function_layers import called_by_hand
from gdprops.subjects.backprop.as_written.image_layers import MOST_ROWS, image_layer_of
from gdprops.subjects.backprop.as_written.layer_classes import BACKWARD, method_of
from gdprops.subjects.backprop.as_written.layer_links import LINKS, SOFTMAX
from gdprops.subjects.backprop.as_written.layer_object import (
    FACTORS,
    SINGLES,
    WIDTH,
    Layer,
    layer_of,
    mixes_rows,
    passes_through,
)
from gdprops.subjects.backprop.as_written.leaves import Leaf
from gdprops.subjects.backprop.as_written.observations import RATE, observed
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.roles import Role
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
MOST_KNOWN = 20_000
"""How many weighted sums of single layers are kept."""


def layer_reading(
    classes: Mapping[str, type], declared: Mapping[str, Any], makings: Sequence[Making] | None = None
) -> tuple[Reading | None, list[str]]:
    """Return the reading of all layers of a file together, and what was not judged, as sentences.

    ``makings``: the ways in which layers are made; None for the usual arguments of their constructors.
    """
    found, left_out = dict[str, Layer](), list[str]()
    for name, value in classes.items():
        layer = layer_of(value, declared, makings) or (None if makings else image_layer_of(value))
        if layer is not None and mixes_rows(layer) and not _Together({name: layer}).is_right(name, handed_on=True):
            layer = layer_of(value, declared, makings, SINGLES) or layer
        if layer is not None and layer.gives > 1 and not _Together({name: layer}).is_right(name, handed_on=True):
            others = (layer_of(value, declared, makings, picked=k) for k in range(1, layer.gives))
            right = (one for one in others if one and _Together({name: one}).is_right(name, handed_on=True))
            layer = next(right, layer)
        if layer is None:
            left_out.append(f"{name}: no way was found to make it and to call its forward and backward")
        elif passes_through(layer):
            left_out.append(
                f"{name} hands its gradient on as it is: no verdict, its loss may hand over both derivatives"
            )
        elif _is_linked(name, layer) and not layer.is_network:
            left_out.append(
                f"{name} is right for the derivative by what stands before its softmax, and wrong for that by its "
                "output: no verdict, its loss may hand over either"
            )
        elif _needs_one_entry(name, layer):
            left_out.append(
                f"{name} is right where one entry alone of the gradient is not 0, as behind the cross-entropy of one "
                "label, and wrong elsewhere: no verdict"
            )
        else:
            found[name] = layer
    return (_Together(found).reading() if found else None), left_out


def _needs_one_entry(name: str, layer: Layer) -> bool:
    """Say whether a softmax is wrong for any gradient but one of which a single entry in each row is not 0."""
    if not layer.ends_in(SOFTMAX) or _Together({name: layer}).is_right(name, handed_on=True):
        return False
    layer.one_entry = True
    found = _Together({name: layer}).is_right(name, handed_on=True)
    layer.one_entry = False
    return found


def _is_linked(name: str, layer: Layer) -> bool:
    """Say whether a layer is wrong for the derivative by its output, and right for that by what stands before it.

    It keeps the activation that is undone then. Of a single layer, only a softmax may be left to its loss: one that
    forgets the slope of its own sigmoid is wrong.
    """
    if _Together({name: layer}).is_right(name, handed_on=True):
        return False
    for link in LINKS if layer.is_network else LINKS[:1]:
        layer.link = link if layer.ends_in(link) else None
        if layer.link is not None and _Together({name: layer}).is_right(name, handed_on=True):
            return True
    layer.link = None
    _Together({name: layer})  # a factor that was found for the link is found anew
    return False


@final
@dataclass(slots=True)
class _Together:
    """The layers of a file as one loss: the sum of all their J = Σ c · forward(x)."""

    layers: Mapping[str, Layer]
    current: dict[str, tuple[Any, list[tuple[str, Leaf]]]] = field(default_factory=dict)
    known: dict[tuple[str, bytes, bytes], float] = field(default_factory=dict)
    widths: dict[tuple[str, int, int], int] = field(default_factory=dict)
    asked: dict[tuple[str, int, int], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, layer in self.layers.items():
            self._fit_factor(name, layer)

    def _names(self, name: str, layer: Layer, n_in: int, n_out: int) -> list[tuple[str, Leaf]]:
        return [(f"{name}.{leaf.name}", leaf) for leaf in layer.leaves(n_in, n_out)]

    def shapes(self, n_in: int, hidden: int, n_out: int) -> dict[str, Shape]:
        """Return the shapes of all parameters and inputs; as many rows as hidden units are asked for."""
        found: dict[str, Shape] = {}
        with quiet(), np.errstate(all="ignore"):
            for name, layer in self.layers.items():
                found |= {key: leaf.shape for key, leaf in self._names(name, layer, n_in, n_out)}
                if layer.returns:
                    rows = 1 if layer.form.single else min(hidden, MOST_ROWS) if layer.form.shape else hidden
                    found[f"{name}.x"] = (rows, layer.inputs(n_in))
        return found

    def _at(
        self, name: str, params: Mapping[str, Any], x: Array, y: Array, *, only_asked: bool = False
    ) -> tuple[Any, list[tuple[str, Leaf]], Any, Array]:
        """Return a layer with its parameters in place, these, its input and the numbers c that are handed back.

        ``only_asked``: whether nothing but its output is wanted, so that the layer may have been asked before.
        """
        layer = self.layers[name]
        n_in, n_out = np.shape(x)[1], np.shape(y)[1]
        net = self.asked.get((name, n_in, n_out)) if only_asked else None
        if net is None:
            net = layer.made(n_in, n_out)
            if only_asked:
                self.asked[name, n_in, n_out] = net
        names = self._names(name, layer, n_in, n_out)
        for key, leaf in names:
            leaf.put(net, params[key])
        rows = 1 if layer.form.single else len(x)
        given = params[f"{name}.x"] if layer.returns else np.resize(x, (rows, layer.inputs(n_in)))
        sizes = name, n_in, n_out
        if sizes not in self.widths:
            self.widths[sizes] = np.size(layer.output(net, given)) // np.shape(given)[0]
        width = self.widths[sizes]
        numbers = np.concatenate([np.ravel(y) + 0.7, np.ravel(x) - 0.4])
        c = layer.form.error * np.resize(numbers, (np.shape(given)[0], width))
        if layer.one_entry:
            c = np.where(np.arange(width) == np.arange(1, len(c) + 1)[:, None] % width, c, 0.0)
        c = c if layer.link is None else layer.link.handed(c)
        return net, names, given, c

    def loss(self, params: Mapping[str, Any], x: Array, y: Array) -> Any:
        """Return the sum of all outputs, weighted by c."""
        total: Any = 0.0
        if any(type(w) is not np.ndarray for w in params.values()):  # arrays that note what is done with them
            for name in self.layers:
                total = total + self._weighted(name, params, x, y)
            return total
        data = x.tobytes() + y.tobytes()
        if len(self.known) > MOST_KNOWN:
            self.known.clear()
        for name in self.layers:  # most differences move the parameters of one layer only
            own = b"".join(w.tobytes() for key, w in params.items() if key.startswith(f"{name}."))
            key = name, data, own
            if key not in self.known:
                self.known[key] = float(self._weighted(name, params, x, y))
            total += self.known[key]
        return total

    def _weighted(self, name: str, params: Mapping[str, Any], x: Array, y: Array) -> Any:
        plain = all(type(w) is np.ndarray for w in params.values())
        net, names, given, c = self._at(name, params, x, y, only_asked=plain)
        layer = self.layers[name]
        out = layer.output(net, given)
        total = layer.weighted(c, out)
        for key, _ in names if layer.penalty else ():
            if is_penalized(key, np.asarray(params[key])):
                total = total + layer.penalty / 2 * np.sum(params[key] * params[key])
        return total

    def step(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> dict[str, Any]:
        """Return what every layer leaves behind, and its input moved along what it hands back."""
        found = dict(params)
        for name, layer in self.layers.items():
            net, names, given, c = self._at(name, params, x, y)
            layer.set_rate(net, rate, len(given))
            self.current[name] = net, names
            back = layer.back(net, np.asarray(given), c, rate)
            divisor = layer.divisor(len(given), rate)
            if layer.moves:
                moved = {key: leaf.array(net) for key, leaf in names}
            else:
                stored = layer.stored(back, net, [leaf for _, leaf in names]) or {}
                moved = {key: params[key] - rate * np.asarray(stored[leaf.name]) for key, leaf in names if names}
            for key, value in moved.items():
                found[key] = value if divisor == 1 else params[key] + (value - params[key]) / divisor
            if layer.returns:
                handed = layer.as_rows(back, np.shape(given))
                found[f"{name}.x"] = given - rate * (np.zeros_like(given) if handed is None else handed)
        return found

    def watched(self, frame: Any) -> dict[str, Any]:
        """Return the parameters of the layers while a step runs."""
        del frame
        return {key: leaf.array(net) for net, names in self.current.values() for key, leaf in names}

    def _fit_factor(self, name: str, layer: Layer) -> None:
        """Find the factor that all parameters of a layer have in common, where one makes all of them right."""
        alone = object.__new__(_Together)
        alone.layers, alone.current, alone.known, alone.widths, alone.asked = {name: layer}, {}, {}, {}, {}
        layer.own_rate = layer.penalty = 0.0
        for told, factor in FACTORS:
            layer.factor, layer.factor_told = factor, told
            if not layer.leaves(WIDTH.n_in, WIDTH.n_out) or alone.is_right(name):
                return
        layer.factor, layer.factor_told = FACTORS[0][1], ""
        alone._fit_rate(name, layer)

    def _fit_rate(self, name: str, layer: Layer) -> None:
        """Find a rate of the layer's own, and a penalty on its matrices, in how its largest matrix moves."""
        matrices = [(np.prod(leaf.shape), key) for key, leaf in self._names(name, layer, WIDTH.n_in, WIDTH.n_out)]
        try:
            found = own_factors(self.reading(), observed(self.reading()), max(matrices)[1])
        except Exception:  # the user's code, called as it may not be meant
            return
        if found is None:
            return
        (rate, decay), acts = found, abs(found[0] - RATE) <= LOSS_FOUND_SHARE * RATE
        if not acts and not layer.moves:
            return
        layer.own_rate, layer.penalty = 0.0 if acts else rate, decay / rate
        told = [] if acts else [f"its rate is fixed at {rate:.6g}"]
        told += [f"with a penalty of {layer.penalty:.3g}/2 Σ W² of its own"] if decay else []
        layer.factor_told = ", ".join(told)

    def is_right(self, name: str, *, handed_on: bool = False) -> bool:
        """Say whether the parameters of a layer move along the derivative of J, and what is ``handed_on``, if asked."""
        reading = self.reading()
        try:
            seen = observed(reading)
            fit = own_fit(reading, seen)
        except Exception:
            return False
        return all(key in fit.right for key in fit.names if handed_on or key != f"{name}.x")

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that call the layers by hand."""
        lines = list[str]()
        for name, layer in self.layers.items():
            net, names, given, c = self._at(name, params, x, y)
            code, back = layer.form.code_of_samples, layer.form.code
            if layer.form.shape:
                back = "{}.reshape" + str(np.shape(layer.output(net, np.asarray(given))))
            pairs = ((code, given), (back, c))
            texts = [form.format(f"np.array({np.asarray(a).tolist()})") for form, a in pairs]
            by_hand = called_by_hand(layer.found, {leaf.name: params[key] for key, leaf in names}, *texts)
            if by_hand is not None:
                lines += by_hand
                continue
            made = Made(Sizes(np.shape(x)[1], np.shape(y)[1], np.shape(y)[1]), None, None, rate)
            lines += [*layer.constructor.lines(name, made, {}), "layer = net"]
            lines += [f"layer.{leaf.name} = np.array({np.asarray(params[key]).tolist()})" for key, leaf in names]
            lines.append(f"layer.{layer.forward_name}({texts[0]})")
            rated = ", rate" if any(role is Role.RATE for _, role in layer.backward.arguments) else ""
            lines.append(f"layer.{method_of(layer.found, BACKWARD)}({texts[1]}{rated.replace('rate', repr(rate))})")
        return lines

    def reading(self) -> Reading:
        """Return all layers as one reading."""
        told = [f"layers, each with J = Σ c · forward(x): {', '.join(self.layers)}"]
        told += [f"{n}: {layer.form.told}" for n, layer in self.layers.items() if layer.form is not ROWS]
        told += [f"{n}: {layer.factor_told}" for n, layer in self.layers.items() if layer.factor_told]
        told += [f"{n} is {layer.constructor.told}" for n, layer in self.layers.items() if layer.constructor.told]
        told += [
            f"{n} gets the derivative by what stands before its {layer.link.name}"
            for n, layer in self.layers.items()
            if layer.link is not None
        ]
        told += [
            f"{n} hands nothing back, as a first layer may" for n, layer in self.layers.items() if not layer.returns
        ]
        return Reading(
            name=", ".join(self.layers),
            shapes=self.shapes,
            output=lambda params, x: np.zeros((len(x), 2)),
            step=self.step,
            gradients=None,
            loss=self.loss,
            inputs=None,
            outputs=None,
            single=False,
            targets="numbers",
            takes_rate=True,
            told=tuple(told),
            script=self.script,
            functions=tuple(layer.found for layer in self.layers.values()),
            loss_told="",
            unbounded="J = Σ c · forward(x) of a layer alone has no least value",
            watched=self.watched,
        )
