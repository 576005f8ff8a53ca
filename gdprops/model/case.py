"""Cases: what Hypothesis draws, as data that can be saved and replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Batch, Network, Point


class Regime(StrEnum):
    """How equality is decided; known before the subject runs."""

    EXACT = "exact"
    IDENTICAL = "identical"
    RATIONAL = "rational"
    ROUNDED = "rounded"


TRANSPOSED, STRIDED, CHANNELS_LAST = "transposed", "strided", "channels last"
IMAGES = 4
"""Dimensions of a batch of images, and of the weights that it is convolved with."""
"""Layouts in memory beside the contiguous one."""

Block = tuple[int, ...]
"""Indices into the flat vector of all trainable weights."""


@final
@dataclass(frozen=True, slots=True)
class LookCase:
    """One point, ways to divide its weights into blocks, and an order to visit them in.

    ``partitions`` maps a name (weight, tensor, layer, random) to blocks; ``order`` is a sequence of random keys:
    block b is visited in the order of ``order[b % len(order)]``. ``chunks`` are sizes of micro-batches.
    """

    point: Point
    regime: Regime
    precision: int
    rate: float
    partitions: Mapping[str, tuple[Block, ...]]
    order: tuple[int, ...]
    chunks: tuple[int, ...] = ()
    coordinates: tuple[int, ...] = ()
    claim: str = ""


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """How an optimizer is set up: its groups of tensor indices in order, a rate per group, further hyperparameters.

    ``rates`` None leaves the user's own learning rate untouched. Tensors in no group are not handed over; those in
    ``frozen`` are, with ``requires_grad`` False. ``seed`` is where the global random numbers start. ``layout`` is how
    the parameters lie in memory; ``of_groups``: options that stand in each group, not in the constructor's call;
    ``wide`` makes float64 the default dtype of what the step computes beside the tensors;
    ``dtype`` keeps the parameters in a dtype of torch that is not the arrays' own.
    """

    groups: tuple[tuple[int, ...], ...]
    rates: tuple[float, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    frozen: frozenset[int] = frozenset()
    seed: int = 0
    layout: str = ""
    of_groups: tuple[Mapping[str, Any], ...] = ()
    wide: bool = False
    dtype: str = ""

    @property
    def indices(self) -> tuple[int, ...]:
        """Every tensor handed over, in the order of the groups."""
        return tuple(i for group in self.groups for i in group)


@final
@dataclass(frozen=True, slots=True)
class TrainCase:
    """A network and the batches of a short training loop; ``chunks``: for each, the rows of its micro-batches."""

    network: Network
    tensors: tuple[Array, ...]
    batches: tuple[Batch, ...]
    plan: Plan
    precision: int
    chunks: tuple[tuple[int, ...], ...] = ()


def evened(case: Any) -> Any:
    """Return a training case whose micro-batches all have as many rows; the rows that are left over are left out."""
    if not case.chunks:
        return case
    size = min(len(b.inputs) // len(sizes) for b, sizes in zip(case.batches, case.chunks, strict=True))
    chunks = tuple((size,) * len(sizes) for sizes in case.chunks)
    batches = tuple(b.rows(slice(sum(sizes))) for b, sizes in zip(case.batches, chunks, strict=True))
    return replace(case, batches=batches, chunks=chunks)


@final
@dataclass(frozen=True, slots=True)
class OwnCase:
    """The user's own model: the cards that its weights are drawn from, and what its step is given.

    ``batches``: for each logical step the micro-batches of its window, each an index for ``batches=`` or a pair;
    ``model``: the module that a strategy has drawn, None where ``models=`` is called. Of a saved case also ``arrays``,
    the model's parameters and buffers by name, which are not drawn again, and ``form``, how a module that a strategy
    has drawn prints itself.
    """

    cards: bytes
    batches: tuple[tuple[Any, ...], ...]
    plan: Plan
    precision: int
    model: Any = None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    form: str = ""


@final
@dataclass(frozen=True, slots=True)
class UpdateCase:
    """Tensors and the gradients that are fed to the optimizer, step by step; None is a missing gradient."""

    tensors: tuple[Array, ...]
    gradients: tuple[tuple[Array | None, ...], ...]
    plan: Plan
    precision: int
    order: tuple[int, ...] = ()
    factor: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class BackpropCase:
    """The parameters of a hand-written network by name, its batches, and the learning rate."""

    names: tuple[str, ...]
    tensors: tuple[Array, ...]
    batches: tuple[Batch, ...]
    rate: float
