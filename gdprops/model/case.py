"""Cases: everything that one example needs, as data that can be shrunk, saved and replayed.

Hypothesis draws a case, and a clause examines the subject on it. There is one class for every way to examine:
`LookCase` for the gradients of a network at one point, `UpdateCase` for an optimizer that is fed gradients, `TrainCase`
and `OwnCase` for training steps, `RanksCase` for a step on several processes, and `BackpropCase` for hand-written
backprop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

from gdprops.model.rank_mesh import DATA, Mesh, place_of, world_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Batch, Network, Point


class Regime(StrEnum):
    """How a comparison decides whether two results are equal; a case fixes it before the subject runs.

    ``EXACT``: no operation of the case rounds, so results must be equal. ``ROUNDED``: differences of rounding are
    allowed. No strategy draws the other two.
    """

    EXACT = "exact"
    IDENTICAL = "identical"
    RATIONAL = "rational"
    ROUNDED = "rounded"


TRANSPOSED, STRIDED, CHANNELS_LAST = "transposed", "strided", "channels last"
"""Layouts in memory other than the contiguous one."""
IMAGES = 4
"""The dimensions of a batch of images, and of the weights that it is convolved with; only they can be channels last."""

Block = tuple[int, ...]
"""A block: indices into the flat vector of all trainable weights."""


@final
@dataclass(frozen=True, slots=True)
class LookCase:
    """A network at one point, partitions of its weights into blocks, and the order in which a sweep visits the blocks.

    ``partitions`` maps a name (weight, tensor, layer, random) to blocks. ``order`` holds random sort keys: blocks are
    visited by ascending ``order[b % len(order)]``. ``chunks`` are the sizes of micro-batches. ``coordinates`` choose
    the weights that a clause examines one by one. ``claim`` names the claim about sweeps that the case is drawn for.
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
    """How a run sets up an optimizer: its parameter groups, a learning rate per group, and further hyperparameters.

    ``groups`` lists the indices of the tensors in each group. ``rates`` None leaves the user's own learning rate
    untouched. A tensor in no group is not handed to the optimizer; a tensor in ``frozen`` is handed over with
    ``requires_grad=False``. ``options`` are hyperparameters for the constructor's call, ``of_groups`` are
    hyperparameters that stand in each parameter group instead. ``seed`` seeds the global random numbers. ``layout``
    says how the parameters lie in memory. ``wide`` makes float64 torch's default dtype while a step runs. ``dtype``
    names a torch dtype for the parameters that differs from the dtype of the arrays.
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
        """The indices of all tensors that are handed over, in the order of the groups."""
        return tuple(i for group in self.groups for i in group)


@final
@dataclass(frozen=True, slots=True)
class TrainCase:
    """A network with its weights, and the batches of a short training loop.

    ``chunks`` holds, for each batch, the numbers of rows of its micro-batches.
    """

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
    """The user's own model: the random bytes that its weights are drawn from, and what its training step is given.

    ``cards`` are these random bytes. ``batches`` holds, for each logical step, its micro-batches: each is an index for
    ``batches=``, or a pair (inputs, targets). ``model`` is the module that the user's strategy has drawn, None where
    ``models=`` is a function. Only a saved case has ``arrays``, the model's parameters and buffers by name, which are
    then not drawn again, and ``form``, the printed form of a module that a strategy has drawn.
    """

    cards: bytes
    batches: tuple[tuple[Any, ...], ...]
    plan: Plan
    precision: int
    model: Any = None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    form: str = ""


BRANCH = "branch"
"""A parameter that is added to the inputs of the rows whose first one is positive, and that no other row reaches."""

WITNESS = "witness"
"""A module that hands on its inputs as they are, keeps statistics of them in buffers, and draws random numbers."""


@final
@dataclass(frozen=True, slots=True)
class RanksCase:
    """A training case whose batches are dealt to several ranks: each has the next rows of every batch.

    ``train`` is a `TrainCase`, or an `OwnCase` whose batches are one index for each logical step.

    ``parts`` holds how many rows each rank gets. ``window`` is the number of micro-batches of a logical step; every
    rank's rows are divided evenly into so many. ``sets_rate``: the plan's rate is put into the user's optimizer.

    ``resumed`` holds the rows of the ranks that load what the first ones have saved after ``saved_after`` steps, and
    take the other steps; it is empty where nothing is saved.

    ``added`` names what stands before the first layer of the network: `BRANCH`, `WITNESS`, or nothing.

    ``mesh`` holds the sizes of the ranks' mesh by name, where some of them have the same rows: ``parts`` is then along
    its dimension ``data``. ``resumed_mesh`` is that of the ranks that load. Both are empty where all rows are dealt.
    """

    train: Any
    parts: tuple[int, ...]
    window: int = 1
    sets_rate: bool = True
    resumed: tuple[int, ...] = ()
    saved_after: int = 0
    added: str = ""
    mesh: Mesh = ()
    resumed_mesh: Mesh = ()

    @property
    def world(self) -> int:
        """How many ranks there are."""
        return world_of(self.mesh) if self.mesh else len(self.parts)

    def part_of(self, rank: int) -> int:
        """Return which part of every batch a rank is given."""
        return place_of(self.mesh, rank, DATA) if self.mesh else rank

    @property
    def has_parts(self) -> bool:
        """Whether any two ranks have different rows."""
        return len(self.parts) > 1

    @property
    def is_own(self) -> bool:
        """Whether it is about the user's own model."""
        return isinstance(self.train, OwnCase)

    def rows_of(self, rank: int) -> slice:
        """Return the rows of every batch that a rank is given."""
        part = self.part_of(rank)
        start = sum(self.parts[:part])
        return slice(start, start + self.parts[part])

    def micro_batches(self, rank: int) -> tuple[slice, ...]:
        """Return the rows of each call of a rank's step in one logical step."""
        rows = self.rows_of(rank)
        start, size = rows.start, (rows.stop - rows.start) // self.window
        return tuple(slice(start + k * size, start + (k + 1) * size) for k in range(self.window))

    def alone(self) -> RanksCase:
        """Return the same training on one process, which gets all rows."""
        return replace(self, parts=(sum(self.parts),), resumed=(), mesh=(), resumed_mesh=())

    def uninterrupted(self) -> RanksCase:
        """Return the same training on the ranks that would load it, from its first step."""
        return replace(self, parts=self.resumed, resumed=(), mesh=self.resumed_mesh, resumed_mesh=())


@final
@dataclass(frozen=True, slots=True)
class UpdateCase:
    """Tensors, and the gradients that an optimizer is fed, step by step; None stands for a missing gradient."""

    tensors: tuple[Array, ...]
    gradients: tuple[tuple[Array | None, ...], ...]
    plan: Plan
    precision: int
    order: tuple[int, ...] = ()
    factor: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class BackpropCase:
    """The parameters of hand-written backprop by name, the batches, and the learning rate."""

    names: tuple[str, ...]
    tensors: tuple[Array, ...]
    batches: tuple[Batch, ...]
    rate: float
