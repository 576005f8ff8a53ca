"""A network as data: stacks of linear layers over a list of tensors, and the batch that it is evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """``h = f(h_in W^T + b)``, plus ``h_in`` where residual. ``weight`` and ``bias`` index the network's tensors."""

    weight: int
    bias: int | None
    activation: str
    residual: bool = False


@final
@dataclass(frozen=True, slots=True)
class Network:
    """Towers of layers over the same inputs; with several towers, each predicts its own columns of the targets.

    Two layers with the same tensor index are tied. ``scale`` is the index of a 0-d tensor that multiplies the output. A
    tensor that no layer names is unused; a tensor whose ``trainable`` is False is frozen. ``recomputed`` makes every
    layer a checkpointed segment, ``"re-entrant"`` or ``"not re-entrant"``.
    """

    towers: tuple[tuple[Layer, ...], ...]
    names: tuple[str, ...]
    trainable: tuple[bool, ...]
    loss: str
    scale: int | None = None
    recomputed: str = ""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, tower after tower, front to back."""
        return tuple(layer for tower in self.towers for layer in tower)

    @property
    def moving(self) -> tuple[int, ...]:
        """The indices of the trainable tensors."""
        return tuple(i for i, trains in enumerate(self.trainable) if trains)

    @property
    def used(self) -> frozenset[int]:
        """The indices of the tensors that the loss depends on."""
        found = {layer.weight for layer in self.layers}
        found |= {layer.bias for layer in self.layers if layer.bias is not None}
        return frozenset(found | ({self.scale} if self.scale is not None else set()))


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of shape (rows, features) and targets of shape (rows, outputs), or (rows,) class labels."""

    inputs: Array
    targets: Array

    def rows(self, chosen: slice) -> Batch:
        """Return some rows as another batch."""
        return Batch(self.inputs[chosen], self.targets[chosen])


@final
@dataclass(frozen=True, slots=True)
class Point:
    """A network at certain weights, on a certain batch: where a gradient is evaluated."""

    network: Network
    tensors: tuple[Array, ...]
    batch: Batch

    def at(self, tensors: Sequence[Array]) -> Point:
        """Return this point at other weights."""
        return Point(self.network, tuple(tensors), self.batch)

    def on(self, batch: Batch) -> Point:
        """Return this point on another batch."""
        return Point(self.network, self.tensors, batch)
