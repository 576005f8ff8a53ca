"""Networks that are not stacks of linear layers (convolution, attention, batch normalization, …), as plain data.

An `Architecture` lists the modules of a network in order, with their sizes and the shapes of their parameters. The
training-step adapter builds torch modules from it; nothing here imports torch.
"""

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
"""The kinds of architecture, each named for the module that it has beside linear layers."""
NOT_ADDITIVE = ("batch-norm", "dropout")
"""The kinds in which a batch's gradient is not the sum of its micro-batches' gradients: batch normalization takes its
mean over the whole batch, and dropout draws new masks at every forward pass."""


@final
@dataclass(frozen=True, slots=True)
class Block:
    """One module of an architecture: its kind, its constructor's sizes, and the shapes of its parameters in order."""

    kind: str
    sizes: tuple[int, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Architecture:
    """A network as a chain of blocks.

    ``form`` is the shape of one row of inputs. ``tokens`` is the number of different integers that the inputs may hold,
    0 where the inputs are real numbers. ``trains`` False puts the network in evaluation mode.
    """

    kind: str
    blocks: tuple[Block, ...]
    form: tuple[int, ...]
    loss: str
    tokens: int = 0
    trains: bool = True

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of all parameters, block by block."""
        return tuple(shape for block in self.blocks for shape in block.shapes)


@final
@dataclass(frozen=True, slots=True)
class ArchitectureCase:
    """An architecture with its weights, and the batches of a short training loop; the counterpart of `TrainCase`."""

    network: Architecture
    tensors: tuple[Array, ...]
    batches: tuple[Batch, ...]
    plan: Plan
    precision: int
    chunks: tuple[tuple[int, ...], ...] = ()
