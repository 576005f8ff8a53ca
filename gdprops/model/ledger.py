"""The ledger of a watched run: what happened to weights and gradients, in order, as plain data.

`gdprops.watching` writes it while somebody's training script runs; the chapter `live` of the specification reads it.
Parameters, backward calls, steps, optimizers and modules are numbers here, and what a weight contained is a number
too: two looks at a weight have the same number where its compared entries were the same (to rounding), so that "nobody
moved it between the look and the step" is a comparison of two numbers. Nothing in this file knows torch.

Example: ``Forward(reads={0: 7})``, ``BackwardBegins(call=1)``, ``Deposit(1, 0)``, ``StepBegins(weights={0: 7})`` is a
step from the weight at which its gradient was taken; with ``StepBegins(weights={0: 8})`` somebody wrote in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import final

from gdprops.model.code_place import Place
from gdprops.model.rank_record import RankRecord, RankStep

Contents = Mapping[int, int]
"""By parameter, the number of what it contained."""


class Holding(StrEnum):
    """What a ``.grad`` that is not None holds when it is looked at.

    ``KEPT``: what was last known of it. ``ZERO``: only zeros. ``EDITED``: somebody changed it in place. ``ASSIGNED``:
    somebody put another tensor there.
    """

    KEPT = "kept"
    ZERO = "zero"
    EDITED = "edited"
    ASSIGNED = "assigned"


Gradients = Mapping[int, Holding]
"""By parameter, what its ``.grad`` holds; parameters whose ``.grad`` is None are missing."""


class Ending(StrEnum):
    """Why the watching ended: the run was over, the asked number of steps was seen, or the run raised."""

    FINISHED = "finished"
    STOPPED = "stopped"
    RAISED = "raised"


@final
@dataclass(frozen=True, slots=True)
class Forward:
    """A forward pass of an outermost module: which parameters it reads, with which contents, right after it.

    ``found`` are the contents before it: embeddings and binary networks write to their weights while they run.
    ``inputs`` numbers the tensors that were put in, 0 where that is not known. ``varies`` says that some layer depends
    on the mode. ``region`` numbers the open autocast region whose cached copies are read, None where there is none.
    ``frozen`` are the parameters that ask for no gradient at that time. ``number`` counts the passes of the run.
    """

    module: int
    place: Place | None = None
    training: bool = True
    differentiated: bool = True
    varies: bool = False
    found: Contents = field(default_factory=dict)
    reads: Contents = field(default_factory=dict)
    inputs: int = 0
    region: int | None = None
    frozen: frozenset[int] = frozenset()
    number: int = 0


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """What is known of a loss that is a mean: over how many counts, and the factor by which it is weighted."""

    count: float
    weight: float


@final
@dataclass(frozen=True, slots=True)
class BackwardBegins:
    """A call of backward. ``gradients`` is what was there before.

    ``reaches`` are the parameters in the graph, None where the graph was not walked. ``elsewhere`` says that a leaf
    which is no known parameter gets a gradient. ``scaled`` says that a GradScaler scaled the loss, ``bare`` are the
    parameters that some part of the loss reaches which certainly nobody scaled. ``weight`` is the product of the
    numbers that the loss is multiplied by, the scale left out. ``looks`` are the numbers of the forward passes in the
    graph, and ``contains`` the earlier calls whose losses are in it. Where the graph was not walked, sets are empty.
    ``creates_graph`` says that what it deposits can be differentiated itself.
    """

    call: int
    place: Place | None = None
    gradients: Gradients = field(default_factory=dict)
    reaches: frozenset[int] | None = None
    elsewhere: bool = False
    scaled: bool = False
    bare: frozenset[int] = frozenset()
    weight: float = 1.0
    mean: Mean | None = None
    looks: frozenset[int] = frozenset()
    contains: frozenset[int] = frozenset()
    creates_graph: bool = False


@final
@dataclass(frozen=True, slots=True)
class Deposit:
    """A backward call is about to add to a parameter's gradient."""

    call: int
    parameter: int


@final
@dataclass(frozen=True, slots=True)
class BackwardEnds:
    """A backward call is over."""

    call: int


@final
@dataclass(frozen=True, slots=True)
class ZeroGrad:
    """A call of ``zero_grad`` of an optimizer or a module."""

    place: Place | None = None


@final
@dataclass(frozen=True, slots=True)
class StepBegins:
    """An optimizer is about to step; nested steps of other optimizers on its parameters belong to it.

    ``rates`` are the learning rates by parameter, where a group has one. ``shrunk`` are the parameters that somebody
    multiplied by one number near 1 since they were last looked at, ``rounded`` those that changed by rounding only.
    ``twice`` are those that the optimizer holds twice, ``frozen`` those that ask for no gradient at that time.
    ``copied`` names, for gradients that the user has put there, the parameters whose gradients they are copies of.
    ``averaged`` says that somebody has put an average of the weights after several earlier steps in their place.
    ``norm`` is the norm of all gradients, where clipping was seen and it was measured. ``by_scaler``: inside
    ``GradScaler.step``. ``digests`` are of what the parameters contain, in distributed runs.
    """

    step: int
    optimizer: int
    place: Place | None = None
    gradients: Gradients = field(default_factory=dict)
    weights: Contents = field(default_factory=dict)
    rates: Mapping[int, float] = field(default_factory=dict)
    shrunk: frozenset[int] = frozenset()
    rounded: frozenset[int] = frozenset()
    twice: frozenset[int] = frozenset()
    frozen: frozenset[int] = frozenset()
    copied: Mapping[int, int] = field(default_factory=dict)
    averaged: bool = False
    norm: float | None = None
    by_scaler: bool = False
    region: int | None = None
    digests: Mapping[int, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class StepEnds:
    """An optimizer has stepped. ``stuck`` did not move, though rate times gradient is more than rounding.

    ``lost`` are weights of two bytes that did not move, though their gradients are of the size of the others'.
    ``digests`` are of what the parameters contain, in distributed runs.
    """

    step: int
    weights: Contents = field(default_factory=dict)
    moved: frozenset[int] = frozenset()
    stuck: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()
    digests: Mapping[int, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True)
class Clip:
    """A call that clips gradients. ``acted`` says whether it changed anything; ``limit`` is the norm or the value.

    ``spent`` says that it was given an iterator that had run out.
    """

    place: Place | None = None
    parameters: frozenset[int] = frozenset()
    gradients: Gradients = field(default_factory=dict)
    limit: float | None = None
    acted: bool = True
    by_norm: bool = True
    spent: bool = False


@final
@dataclass(frozen=True, slots=True)
class Unscale:
    """A GradScaler divides the gradients of an optimizer by its scale, None where it scales in a way of its own."""

    parameters: frozenset[int] = frozenset()
    place: Place | None = None
    gradients: Gradients = field(default_factory=dict)
    scale: float | None = None


@final
@dataclass(frozen=True, slots=True)
class SkippedStep:
    """A GradScaler has met a gradient that is not finite, and did not let the optimizer step."""

    optimizer: int


@final
@dataclass(frozen=True, slots=True)
class SchedulerStep:
    """A learning-rate scheduler steps.

    ``by_library`` says that a library called it, not the user's own line, ``after_update`` that its optimizer had been
    asked to step before, though perhaps not while it was watched.
    """

    scheduler: int
    optimizer: int
    place: Place | None = None
    by_library: bool = False
    after_update: bool = False


@final
@dataclass(frozen=True, slots=True)
class EpochBegins:
    """A data loader is iterated from its start; ``alone``: no other one is in the middle of its batches."""

    loader: int
    alone: bool = True


@final
@dataclass(frozen=True, slots=True)
class CopiedUpdate:
    """Copies of an optimizer, one per tensor, have made a step again; ``reason`` says why they have not.

    ``differs`` are the parameters that they have left otherwise.
    """

    step: int
    optimizer: int
    differs: frozenset[int] = frozenset()
    reason: str = ""


@final
@dataclass(frozen=True, slots=True)
class Collective:
    """User code calls a collective of torch.distributed on all processes."""

    name: str
    place: Place | None = None


@final
@dataclass(frozen=True, slots=True)
class Pulled:
    """Somebody has moved all changed weights of a module the same share of the way to those of another module.

    ``still`` says that the other module's weights are what they were at an earlier pull.
    """

    module: int
    name: str
    towards: str
    share: float
    still: bool


@final
@dataclass(frozen=True, slots=True)
class Resumes:
    """The watching goes on right after a step that was not watched, in which an optimizer has used these gradients."""

    optimizer: int
    parameters: frozenset[int] = frozenset()


Event = (
    Resumes
    | Pulled
    | Collective
    | CopiedUpdate
    | Forward
    | BackwardBegins
    | Deposit
    | BackwardEnds
    | ZeroGrad
    | StepBegins
    | StepEnds
    | Clip
    | Unscale
    | SkippedStep
    | SchedulerStep
    | EpochBegins
)


@final
@dataclass(frozen=True, slots=True)
class Parameter:
    """What is known of a parameter. ``module`` is the outermost module that has it, None where none was seen.

    ``idle`` says that it belongs to a module whose forward never ran, such as an expert that was not chosen,
    ``replicated`` that DistributedDataParallel keeps it equal in all processes, ``meant_frozen`` that a module that has
    it was given an attribute ``requires_grad`` that is False.
    """

    name: str
    module: int | None = None
    trainable: bool = True
    idle: bool = False
    replicated: bool = False
    meant_frozen: bool = False


@final
@dataclass(frozen=True, slots=True)
class Optimizer:
    """What is known of an optimizer: where it was made, what it holds, and whether it remembers anything.

    ``nested`` says that it stepped inside the steps of another one.
    """

    name: str
    holds: frozenset[int] = frozenset()
    made_at: Place | None = None
    remembers: bool = False
    nested: bool = False


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """Everything that was seen of one thread of training. Two ledgers are never equal: each is a run of its own.

    ``stretch`` is 0 where the watching began with the run, else it counts the later stretches that were watched.
    ``unseen`` says in sentences what could not be seen. ``frozen`` are the patterns of names that the user declares not
    to be trained. ``rank`` is the number of this process in a distributed run, ``ranks`` what the others have told.
    """

    events: tuple[Event, ...] = ()
    parameters: Mapping[int, Parameter] = field(default_factory=dict)
    optimizers: Mapping[int, Optimizer] = field(default_factory=dict)
    ending: Ending = Ending.FINISHED
    unseen: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    stretch: int = 0
    rank: int = 0
    ranks: tuple[RankRecord, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps of optimizers were seen from their begin to their end."""
        return sum(isinstance(event, StepEnds) for event in self.events)

    def is_declared_frozen(self, parameter: int) -> bool:
        """Say whether the user has declared that a parameter is not to be trained."""
        return any(fnmatchcase(self.name(parameter), pattern) for pattern in self.frozen)

    def name(self, parameter: int) -> str:
        """Return how a parameter is called in the model."""
        known = self.parameters.get(parameter)
        return known.name if known else f"parameter {parameter}"


def record_of(ledger: Ledger) -> RankRecord:
    """Return what one process tells the others of its steps."""

    def named(digests: Mapping[int, str]) -> dict[str, str]:
        known = (p for p in digests if ledger.parameters[p].module is not None)
        return {ledger.name(p): digests[p] for p in known}

    before: dict[str, str] = {}
    places, steps = dict[int, Place | None](), list[RankStep]()
    for event in ledger.events:
        if isinstance(event, StepBegins):
            places[event.step] = event.place
            before = {**named(event.digests), **before}
        elif isinstance(event, StepEnds):
            steps.append(RankStep(places.get(event.step), named(event.digests)))
    replicated = frozenset(one.name for one in ledger.parameters.values() if one.replicated)
    collectives = tuple((event.name, event.place) for event in ledger.events if isinstance(event, Collective))
    return RankRecord(ledger.rank, before, tuple(steps), replicated, collectives)
