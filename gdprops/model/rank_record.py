"""What one process of a distributed run tells the others of its watched steps, as plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from gdprops.model.clause import Level
from gdprops.model.code_place import Place
from gdprops.model.live_finding import LiveFinding

Digests = Mapping[str, str]
"""By name of a parameter, a digest of what it contained."""


@final
@dataclass(frozen=True, slots=True)
class RankStep:
    """A step of one process: its line, and what it left."""

    place: Place | None
    left: Digests


@final
@dataclass(frozen=True, slots=True)
class RankRecord:
    """The watched steps of one process.

    ``before`` is what the parameters contained before the first step, ``replicated`` the names of those that
    DistributedDataParallel keeps equal, ``collectives`` the calls of torch.distributed on all processes, in order.
    """

    rank: int
    before: Digests = field(default_factory=dict)
    steps: tuple[RankStep, ...] = ()
    replicated: frozenset[str] = frozenset()
    collectives: tuple[tuple[str, Place | None], ...] = ()
    findings: tuple[LiveFinding, ...] = ()


def to_json(record: RankRecord) -> dict[str, Any]:
    """Return a record as JSON holds it."""
    return {
        "rank": record.rank,
        "before": dict(record.before),
        "steps": [[step.place, dict(step.left)] for step in record.steps],
        "replicated": sorted(record.replicated),
        "collectives": [list(one) for one in record.collectives],
        "findings": [
            [found.clause, found.level.value, found.sentence, list(found.parameters), found.step, list(found.places)]
            for found in record.findings
        ],
    }


def from_json(data: Mapping[str, Any]) -> RankRecord:
    """Return the record that `to_json` has written."""
    return RankRecord(
        data["rank"],
        data["before"],
        tuple(RankStep(_place(place), left) for place, left in data["steps"]),
        frozenset(data["replicated"]),
        tuple((name, _place(place)) for name, place in data["collectives"]),
        tuple(
            LiveFinding(clause, Level(level), sentence, tuple(names), step, tuple(Place(*place) for place in places))
            for clause, level, sentence, names, step, places in data["findings"]
        ),
    )


def _place(value: Any) -> Place | None:
    return None if value is None else Place(*value)
