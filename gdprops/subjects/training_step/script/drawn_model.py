"""A drawn network as plain torch code: the lines that build a counterexample's model and loss without gdprops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.numerics.activations import LEAK
from gdprops.subjects import script_lines

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Layer, Network

_ACTIVATIONS = {
    "identity": "{}",
    "relu": "torch.relu({})",
    "tanh": "torch.tanh({})",
    "sigmoid": "torch.sigmoid({})",
    "square": "torch.square({})",
    "leaky-relu": f"torch.nn.functional.leaky_relu({{}}, {LEAK})",
}
_MODULES = {"relu": "torch.nn.ReLU()", "tanh": "torch.nn.Tanh()", "sigmoid": "torch.nn.Sigmoid()", "identity": ""}
_LOSSES = {
    "half-sse": "lambda outputs, targets: ((outputs - targets) ** 2).sum() / 2",
    "half-sse-per-row": "lambda outputs, targets: ((outputs - targets) ** 2).sum() / (2 * len(outputs))",
    "mse": "torch.nn.MSELoss()",
    "bce": "torch.nn.BCEWithLogitsLoss()",
    "cross-entropy": "torch.nn.CrossEntropyLoss()",
}


def script_model(network: Network, tensors: Sequence[Array], before: Sequence[str] = ()) -> list[str]:
    """Return the lines that build ``model`` and ``loss_fn``, with a `torch.nn.Sequential` where that suffices.

    ``before``: what the forward pass does with its inputs ``x`` before the first layer.
    """
    plain = _is_plain_stack(network) and not before
    return [*(_stack(network, tensors) if plain else _module(network, tensors, before)), loss_line(network.loss)]


def loss_line(loss: str) -> str:
    """Return the line that builds ``loss_fn``."""
    return f"loss_fn = {_LOSSES[loss]}"


def _is_plain_stack(network: Network) -> bool:
    """Say whether the network consists of linear layers and known activations, one after the other."""
    layers = network.layers
    tied = len({layer.weight for layer in layers}) < len(layers)
    special = any(layer.residual or layer.activation not in _MODULES for layer in layers)
    unused = len(network.used) < len(network.names)
    return not (tied or special or unused or network.recomputed or network.scale is not None)


def _stack(network: Network, tensors: Sequence[Array]) -> list[str]:
    lines, parts = list[str](), list[str]()
    for layer in network.layers:
        rows, columns = tensors[layer.weight].shape
        dtype = tensors[layer.weight].dtype
        parts.append(f"torch.nn.Linear({columns}, {rows}, bias={layer.bias is not None}, dtype=torch.{dtype})")
        for kind, i in (("weight", layer.weight), ("bias", layer.bias)):
            if i is not None:
                where = f"model[{len(parts) - 1}].{kind}"
                lines.append(f"{where}.data = {_tensor(tensors[i])}")
                lines += [] if network.trainable[i] else [f"{where}.requires_grad_(False)"]
        parts += [_MODULES[layer.activation]] if layer.activation != "identity" else []
    return [f"model = torch.nn.Sequential({', '.join(parts)})", *lines]


def _module(network: Network, tensors: Sequence[Array], before: Sequence[str]) -> list[str]:
    """Return the lines of a module class; its parameters stand in the order in which the layers use them."""
    parameters = [f"        self.{network.names[i]} = {_parameter(network, tensors, i)}" for i in in_order(network)]
    forward = [line for layer in network.layers for line in _forward(network, layer)]
    result = "x" if network.scale is None else f"x * self.{network.names[network.scale]}"
    return [
        *(["from torch.utils.checkpoint import checkpoint"] if network.recomputed else []),
        "class Model(torch.nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *parameters,
        "    def forward(self, x):",
        *(f"        {line}" for line in before),
        *(f"        {line}" for line in forward),
        f"        return {result}",
        "model = Model()",
    ]


def in_order(network: Network) -> list[int]:
    """Return the tensors' indices in the order of `named_parameters()`: unused tensors, layer by layer, the scale."""
    unused = [i for i in range(len(network.names)) if i not in network.used]
    used = [i for layer in network.layers for i in (layer.weight, layer.bias) if i is not None]
    return list(dict.fromkeys([*unused, *used, *([] if network.scale is None else [network.scale])]))


def _parameter(network: Network, tensors: Sequence[Array], i: int) -> str:
    frozen = "" if network.trainable[i] else ", requires_grad=False"
    return f"torch.nn.Parameter({_tensor(tensors[i])}{frozen})"


def _tensor(values: Array) -> str:
    return f"torch.tensor({script_lines.literal(values)}, dtype=torch.{values.dtype})"


def _forward(network: Network, layer: Layer) -> list[str]:
    bias = "" if layer.bias is None else f", self.{network.names[layer.bias]}"
    linear = f"torch.nn.functional.linear({{}}, self.{network.names[layer.weight]}{bias})"
    lines, z = [], linear.format("x")
    if network.recomputed:
        reentrant = network.recomputed == "re-entrant"
        lines += ["x = x if x.requires_grad else x.detach().requires_grad_()"] if reentrant else []
        z = f"checkpoint(lambda h: {linear.format('h')}, x, use_reentrant={reentrant})"
    h = _ACTIVATIONS[layer.activation].format(z)
    return [*lines, f"x = {'x + ' if layer.residual else ''}{h}"]
