"""A verdict: what the examples of one clause showed about one subject, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, final

from gdprops.model.clause import Clause, Level
from gdprops.model.evidence import Compared, Location
from gdprops.model.live_finding import LiveFinding
from gdprops.model.note import Note

SPECIFICATION = 3
"""The version of the specification; a new clause raises it."""


class Status(StrEnum):
    """The outcome of one clause for one subject.

    ``held``: enough decisive examples, and none violated the clause. ``violated``: an example refuted it. ``aborted``:
    the subject ran out of time or memory, or ended its process. ``vacuous``: too few examples were decisive.
    ``not-applicable``: the clause does not apply to the subject. ``accepted``: violated, as the user has accepted.
    ``error``: gdprops itself failed.
    """

    HELD = "held"
    VIOLATED = "violated"
    ABORTED = "aborted"
    VACUOUS = "vacuous"
    NOT_APPLICABLE = "not-applicable"
    ACCEPTED = "accepted"
    ERROR = "error"


RED = (Status.VIOLATED, Status.ABORTED)
"""The statuses that show a fault of the subject."""
DECIDED = (Status.HELD, Status.VIOLATED, Status.ACCEPTED)
"""The statuses that say something about the subject."""
ALARMING = (*RED, Status.ERROR)
"""The statuses that show a fault of the subject or a bug of gdprops."""


class About(StrEnum):
    """What a verdict is about: the user's subject, or the reference system that gdprops itself relies on."""

    SUBJECT = "subject"
    REFERENCE = "reference"


@final
@dataclass(frozen=True, slots=True)
class Counterexample:
    """A shrunk case: its data, runnable Python that shows it, and the file it was saved in.

    ``doubt`` says in one line why a script or a replay may not show the violation; it is empty where both were tried.
    """

    case: dict[str, Any]
    python: str
    path: str | None = None
    replay: str | None = None
    doubt: str = ""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one clause. ``statement`` and ``level`` repeat the clause's, so that reports need no catalogue.

    ``stale``: a violation was accepted that no longer occurs. ``explained_as``: the clause that the explanation names.
    ``same_fault``: those clauses of ``also`` whose violation the explanation reproduces too. ``findings``: what a
    clause on watched runs has found. ``places``: the lines of the user's file that the violation is in, the most
    telling one first.
    """

    clause: str
    about: About
    level: Level
    status: Status
    statement: str
    examples: int = 0
    decisive: int = 0
    worst_ratio: float | None = None
    blame: tuple[str, ...] = ()
    first_wrong_step: int | None = None
    location: Location | None = None
    explanation: str | None = None
    counterexample: Counterexample | None = None
    also: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0.0
    vacuous_reasons: dict[str, int] = field(default_factory=dict)
    stale: bool = False
    compared: tuple[Compared, ...] = ()
    explained_as: str = ""
    notes: tuple[Note, ...] = ()
    same_fault: tuple[str, ...] = ()
    findings: tuple[LiveFinding, ...] = ()
    places: tuple[Note, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether it was kept from an earlier run: it took no time in this one, and is otherwise as it was."""
        return self.about is About.REFERENCE and bool(self.examples) and not self.seconds

    @property
    def failed(self) -> bool:
        """Whether the verdict fails the run, with and without ``--strict``.

        A violated recommendation does not; a subject that ended its process or had to be stopped does, at any clause.
        """
        violated = self.status is Status.VIOLATED and self.level is Level.REQUIRED
        return self.stale or violated or self.status is Status.ABORTED

    @property
    def failed_strictly(self) -> bool:
        """Whether the verdict fails the run with ``--strict``."""
        return self.stale or self.status in (*RED, Status.VACUOUS)


def unexamined(clause: Clause, about: About, status: Status, reason: str) -> Verdict:
    """Return the verdict of a clause that was not examined, or whose examination did not finish."""
    return Verdict(clause.id, about, clause.level, status, clause.statement, reason=reason)


def names_of(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the clause ids of some verdicts."""
    return tuple(verdict.clause for verdict in verdicts)
