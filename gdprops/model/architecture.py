"""Networks of other kinds than stacks of linear layers, as data: blocks one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan
    from gdprops.model.network import Batch

KINDS = (
    "conv1d",
    "conv2d",
    "embedding",
    "layer-norm",
    "batch-norm",
    "batch-norm-evaluated",
    "dropout",
    "attention",
    "checkpointed",
)
"""What an architecture is there for."""
NOT_ADDITIVE = ("batch-norm", "dropout")
"""A batch's gradient is not the sum of its micro-batches': the mean runs over the batch, or masks are drawn anew."""


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One module: its name, the sizes that it is made with, and the tensors of its own in their order."""

    kind: str
    sizes: tuple[int, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Architecture:
    """Blocks one after the other; ``trains`` False: in evaluation mode. ``tokens``: inputs are so many integers."""

    kind: str
    blocks: tuple[Block, ...]
    form: tuple[int, ...]
    loss: str
    tokens: int = 0
    trains: bool = True

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of all tensors."""
        return tuple(shape for block in self.blocks for shape in block.shapes)


@final
@dataclass(frozen=True, slots=True)
class ArchitectureCase:
    """An architecture at certain weights and the batches of a short training loop, as in `TrainCase`."""

    network: Architecture
    tensors: tuple[Array, ...]
    batches: tuple[Batch, ...]
    plan: Plan
    precision: int
    chunks: tuple[tuple[int, ...], ...] = ()
