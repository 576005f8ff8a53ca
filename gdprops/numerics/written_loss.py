"""The loss of a network as NumPy code, for scripts in which a loss must fall.

A network of one layer with half the sum of squared errors becomes ``def loss(w): x = …; x = x @ np.array(w[0]).T;
return ((x - targets) ** 2).sum() / 2``, where ``w`` holds the tensors as nested lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.evidence import Demand
from gdprops.numerics.activations import LEAK

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Batch, Layer, Network

_ACTIVATIONS = {
    "identity": "z",
    "relu": "np.maximum(z, 0)",
    "leaky-relu": f"np.where(z > 0, z, {LEAK} * z)",
    "square": "z * z",
    "tanh": "np.tanh(z)",
    "sigmoid": "1 / (1 + np.exp(-z))",
}
_LOSSES = {
    "half-sse": "((x - t) ** 2).sum() / 2",
    "half-sse-per-row": "((x - t) ** 2).sum() / (2 * {rows})",
    "mse": "((x - t) ** 2).sum() / {size}",
    "bce": "(np.logaddexp(0, x) - x * t).sum() / {size}",
    "cross-entropy": "(np.logaddexp.reduce(x, axis=1) - x[np.arange({rows}), t]).sum() / {rows}",
}


def must_fall(network: Network, batch: Batch, before: float) -> Demand:
    """Return the demand that the loss of a batch is below what it was before, with the lines that define the loss."""
    return Demand(f"loss(seen) < {before!r}", ("import numpy as np", "def loss(w):", *_body(network, batch)))


def _body(network: Network, batch: Batch) -> Iterator[str]:
    width = batch.targets.shape[-1] // len(network.towers)
    yield f"    inputs, targets, found = {_array(batch.inputs)}, {_array(batch.targets)}, 0.0"
    for k, tower in enumerate(network.towers):
        columns = "targets" if len(network.towers) == 1 else f"targets[:, {k * width} : {(k + 1) * width}]"
        yield f"    x, t = inputs, {columns}"
        for layer in tower:
            yield from _layer(layer)
        if network.scale is not None:
            yield f"    x = x * np.array(w[{network.scale}])"
        size = batch.targets.size // len(network.towers)
        yield f"    found += {_LOSSES[network.loss].format(size=size, rows=len(batch.targets))}"
    yield "    return found"


def _layer(layer: Layer) -> Iterator[str]:
    bias = "" if layer.bias is None else f" + np.array(w[{layer.bias}])"
    yield f"    z = x @ np.array(w[{layer.weight}]).T{bias}"
    yield f"    x = {_ACTIVATIONS[layer.activation]}{' + x' if layer.residual else ''}"


def _array(values: Array) -> str:
    return f"np.array({np.asarray(values).tolist()!r})"
