"""What travels between the judging process and a rank: plain data and NumPy arrays, pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, final

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import RanksCase
    from gdprops.subjects.distributed_step.user_objects import Where


@final
@dataclass(frozen=True, slots=True)
class Meet:
    """Asks a rank to join the process group of its world, through a store at a port of this machine."""

    port: int
    prefix: str
    seconds: float


@final
@dataclass(frozen=True, slots=True)
class Ask:
    """Asks a rank to run a case: which functions of the user's to call, on which rows.

    ``given``: the user's parts by name, such as ``build``; ``folders``: where modules are looked for; ``here``: the
    folder in which the judging process runs; ``traced``: the lines at which collectives are issued are told;
    ``apart``: the ranks begin at unequal weights. ``save_to``, ``load_from``: the path to which the training is saved
    after the first steps of the case, or from which a fresh build takes the others; empty where nothing is saved.
    """

    given: Mapping[str, Where]
    case: RanksCase
    folders: tuple[str, ...]
    here: str
    traced: bool = False
    apart: bool = False
    save_to: str = ""
    load_from: str = ""


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a parameter that a rank holds: where it begins in the whole one, and its numbers."""

    shape: tuple[int, ...]
    offset: tuple[int, ...]
    values: Array

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where the part stands in the whole parameter."""
        return tuple(slice(a, a + n) for a, n in zip(self.offset, self.values.shape, strict=True))

    @property
    def is_whole(self) -> bool:
        """Whether the rank holds the whole parameter."""
        return tuple(self.values.shape) == tuple(self.shape)


@final
@dataclass(frozen=True, slots=True)
class Seen:
    """What a rank shows after one logical step.

    ``pieces``: the parameters by name; ``settings``: each group's hyperparameters when the optimizer was called, None
    if it was not; ``met``: the buffers that the first forward pass of the step has found; ``masks``: what the model's
    witness has drawn in the passes of the step.
    """

    pieces: Mapping[str, Piece]
    settings: tuple[Mapping[str, Any], ...] | None = None
    met: Mapping[str, Array] | None = None
    masks: tuple[Array, ...] = ()
    gradients: Mapping[str, Piece] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class OptimizerSeen:
    """The optimizer that ``build`` returned on a rank: its class, its defaults, and its groups.

    A group is the names of its parameters, and its hyperparameters.
    """

    found: Where | None
    told: str
    defaults: Mapping[str, Any]
    groups: tuple[tuple[tuple[str, ...], Mapping[str, Any]], ...]


@final
@dataclass(frozen=True, slots=True)
class Raised:
    """An exception of the user's code on a rank: what was called, its type and text, and the user's line."""

    doing: str
    type: str
    text: str
    place: str
    at: float
    usage: bool = False


class Collective(NamedTuple):
    """One collective that a rank has issued: the ranks of its group, its name, its numbers, and the user's line."""

    group: str
    op: str
    numel: int | None
    place: str


@final
@dataclass(frozen=True, slots=True)
class Ran:
    """What a rank tells of a case.

    ``start``: the parameters as ``build`` left them, of a pipeline's rank those of its stage; ``trainable``: which of
    them require gradients; ``collectives``: those that the steps have issued, None where this torch does not record
    them; ``groups``: how many process groups the rank holds by now; ``saves``: ``build`` returns ``save(path)`` and
    ``load(path)``; ``sent`` and ``received``: how often the steps have sent to each rank, and received from each.
    """

    rank: int
    start: Mapping[str, Piece] = field(default_factory=dict)
    trainable: Mapping[str, bool] = field(default_factory=dict)
    steps: tuple[Seen, ...] = ()
    optimizer: OptimizerSeen | None = None
    has_optimizer: bool = False
    step_at: str = ""
    told_last: bool = False
    saves: bool = False
    collectives: tuple[Collective, ...] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    sent: Mapping[int, int] = field(default_factory=dict)
    received: Mapping[int, int] = field(default_factory=dict)
    raised: Raised | None = None
    groups: int = 1
    layout: Mapping[str, str] = field(default_factory=dict)
