"""The processes of a distributed run keep what is replicated equal, and call the same collectives in one order."""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import Told, lines, live_clause
from gdprops.clauses.support.provenance import Story
from gdprops.model.ledger import Ledger, record_of
from gdprops.model.rank_record import RankRecord
from gdprops.model.wording import plural

MOST_NAMES = 4
"""So many parameters are named; of more, their number."""


@live_clause(
    id="live.replicas",
    statement="With torch.distributed: replicated parameters are byte-equal after every watched step, and no "
    "collective is skipped by one rank.",
    source="karpathy/build-nanogpt#30, modelscope/FunASR#3472: gradients of windows are not reduced; "
    "ecmwf/WeatherGenerator#2724: one rank alone decides to skip.",
    decision="Under torchrun, on one machine: digests of the compared entries of parameters of one name after each "
    "step, and the order of collectives that user code calls on all processes. Wrong where "
    "DistributedDataParallel holds the parameters without a communication hook of the user's; a note where all "
    "parameters began equal, since processes may be meant to drift apart (local SGD), and where the processes made "
    "different numbers of steps. Sharded parameters are not compared.",
    refuted_by=(
        *("script-steps-without-reducing", "script-skips-a-collective"),
        *("script-replaces-what-is-reduced", "script-loses-what-is-reduced"),
    ),
    undecided=lambda read: "" if read.ledger.ranks else "one process",
)
def replicas(read: Story) -> Iterator[Told]:
    own = record_of(read.ledger)
    for other in read.ledger.ranks:
        yield from _drift(read.ledger, own, other)
        yield from _skipped(own, other)
        if len(own.steps) != len(other.steps):
            yield Told(
                f"rank {own.rank} made {plural(len(own.steps), 'step')} and rank {other.rank} made "
                f"{plural(len(other.steps), 'step')} while they were watched",
                note=True,
            )


def _drift(ledger: Ledger, own: RankRecord, other: RankRecord) -> Iterator[Told]:
    common = set(own.before) & set(other.before)
    began_equal = bool(common) and all(own.before[name] == other.before[name] for name in common)
    declared = own.replicated & other.replicated
    for number, (mine, theirs) in enumerate(zip(own.steps, other.steps, strict=False), 1):
        differ = [n for n, digest in mine.left.items() if theirs.left.get(n, digest) != digest]
        wrong = [name for name in differ if name in declared]
        if wrong or (differ and began_equal):
            names = wrong or differ
            keeps = "DistributedDataParallel keeps them equal" if wrong else "they were equal before the first step"
            yield Told(
                f"after the step at {lines([mine.place])} ranks {own.rank} and {other.rank} have different weights in "
                f"{_listed(names)}: {keeps}",
                tuple(p for p in ledger.parameters if ledger.name(p) in names),
                number,
                (mine.place,),
                note=not wrong,
            )
            return


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _skipped(own: RankRecord, other: RankRecord) -> Iterator[Told]:
    for number, (mine, theirs) in enumerate(zip(own.collectives, other.collectives, strict=False), 1):
        if mine[0] != theirs[0]:
            yield Told(
                f"collective {number} of rank {own.rank} is {mine[0]} at {lines([mine[1]])}, that of rank {other.rank} "
                f"is {theirs[0]} at {lines([theirs[1]])}: one of them has skipped one",
                places=(mine[1], theirs[1]),
            )
            return
