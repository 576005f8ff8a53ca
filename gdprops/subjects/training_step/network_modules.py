"""Networks as torch modules: what a training step is given to train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdprops.numerics.activations import LEAK

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Network


@final
class Square(nn.Module):
    """z²."""

    def forward(self, z: Tensor) -> Tensor:
        """Return the square of every entry."""
        return z.square()


@final
class Residual(nn.Module):
    """h + f(h)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, h: Tensor) -> Tensor:
        """Return the input plus the inner module's output."""
        out: Tensor = h + self.inner(h)
        return out


@final
class Scaled(nn.Module):
    """The output times a trainable 0-d parameter."""

    def __init__(self, scale: nn.Parameter) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, h: Tensor) -> Tensor:
        """Return the scaled output."""
        return h * self.scale


@final
class Recomputed(nn.Module):
    """The inner module as a checkpointed segment, which is computed once more during backward."""

    def __init__(self, inner: nn.Module, *, reentrant: bool) -> None:
        super().__init__()
        self.inner, self._reentrant, self.recomputes = inner, reentrant, True

    def forward(self, h: Tensor) -> Tensor:
        """Return what the inner module makes of the input; a re-entrant segment needs one that has a gradient."""
        if not self.recomputes:
            plain: Tensor = self.inner(h)
            return plain
        if self._reentrant and torch.is_grad_enabled() and not h.requires_grad:
            h = h.detach().requires_grad_()
        out: Tensor = checkpoint(self.inner, h, use_reentrant=self._reentrant)
        return out


_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "square": Square, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class HalfSumOfSquares(nn.Module):
    """½ Σ (output - target)²."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a batch."""
        return ((outputs - targets) ** 2).sum() / 2


class HalfSumOfSquaresPerRow(nn.Module):
    """½ Σ (output - target)² / rows."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of a batch, a mean over its rows."""
        return ((outputs - targets) ** 2).sum() / (2 * len(outputs))


_LOSSES: dict[str, type[nn.Module]] = {
    "half-sse": HalfSumOfSquares,
    "half-sse-per-row": HalfSumOfSquaresPerRow,
    "mse": nn.MSELoss,
    "bce": nn.BCEWithLogitsLoss,
    "cross-entropy": nn.CrossEntropyLoss,
}


def criterion(loss: str) -> nn.Module:
    """Return the loss as the user's code gets it: ``loss_fn(outputs, targets) -> scalar``."""
    return _LOSSES[loss]()


def module_of(network: Network, tensors: Sequence[Array], *, recomputed: bool = True) -> nn.Sequential:
    """Return a network with one tower as a fresh ``nn.Sequential`` of ``nn.Linear`` and activations.

    Tied layers share one parameter; an unused tensor is registered as a parameter that no layer uses.
    """
    parameters = [
        nn.Parameter(torch.from_numpy(w.copy()), requires_grad=trains)
        for w, trains in zip(tensors, network.trainable, strict=True)
    ]
    model = nn.Sequential()
    for k, layer in enumerate(network.layers, start=1):
        linear = _linear(parameters[layer.weight], None if layer.bias is None else parameters[layer.bias])
        inner: nn.Module = linear
        if network.recomputed and recomputed:
            inner = Recomputed(linear, reentrant=network.recomputed == "re-entrant")
        if layer.activation != "identity":
            inner = nn.Sequential(inner, _activation(layer.activation)) if layer.residual else inner
        model.add_module(f"layer{k}", Residual(inner) if layer.residual else inner)
        if layer.activation != "identity" and not layer.residual:
            model.add_module(f"activation{k}", _activation(layer.activation))
    if network.scale is not None:
        model.add_module("scaled", Scaled(parameters[network.scale]))
    for i in set(range(len(tensors))) - network.used:
        model.register_parameter(network.names[i], parameters[i])
    return model


def _linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    """Return a layer that holds these parameters, without an initialization that would be thrown away."""
    linear = nn.Linear.__new__(nn.Linear)
    nn.Module.__init__(linear)
    linear.out_features, linear.in_features = weight.shape
    linear.weight = weight
    linear.bias = bias  # type: ignore[assignment] # None where there is no bias
    return linear


def _activation(name: str) -> nn.Module:
    return nn.LeakyReLU(LEAK) if name == "leaky-relu" else _ACTIVATIONS[name]()


def layers_of(model: nn.Module) -> tuple[tuple[int, ...], ...]:
    """Return the parameters' indices module by module; a shared parameter stands in every module that uses it."""
    index = {id(p): i for i, p in enumerate(model.parameters())}
    found: dict[str, list[int]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        found.setdefault(name.rpartition(".")[0], []).append(index[id(p)])
    return tuple(tuple(layer) for layer in found.values())
