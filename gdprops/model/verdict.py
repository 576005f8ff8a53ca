"""A verdict: what the examples of one clause showed about one subject, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, final

from gdprops.model.clause import Clause, Level
from gdprops.model.evidence import Compared, Location
from gdprops.model.note import Note, distinct

SPECIFICATION = 2
"""The version of the specification; a new clause raises it."""

SCHEMA = 1
"""The version of the JSON form."""


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
    """A shrunk case: its data, runnable Python that shows it, and the file it was saved in."""

    case: dict[str, Any]
    python: str
    path: str | None = None
    replay: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one clause. ``statement`` and ``level`` repeat the clause's, so that reports need no catalogue.

    ``stale``: a violation was accepted that no longer occurs. ``explained_as``: the clause that the explanation names.
    ``same_fault``: those clauses of ``also`` whose violation the explanation reproduces too.
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

    @property
    def failed(self) -> bool:
        """Whether the verdict fails the run, with and without ``--strict``."""
        red = self.status in RED
        return self.stale or (red and self.level is Level.REQUIRED)

    @property
    def failed_strictly(self) -> bool:
        """Whether the verdict fails the run with ``--strict``."""
        return self.stale or self.status in (*RED, Status.VACUOUS)


def unexamined(clause: Clause, about: About, status: Status, reason: str) -> Verdict:
    """Return the verdict of a clause that was not examined, or whose examination did not finish."""
    return Verdict(clause.id, about, clause.level, status, clause.statement, reason=reason)


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one run found out about one subject.

    ``min_clauses``: the run fails where fewer of the subject's clauses held. ``complete``: False where the run was
    interrupted. ``refused``: why the subject could not be used, where it is one of several.
    """

    subject: str
    seed: int | None
    profile: str
    verdicts: tuple[Verdict, ...]
    strict: bool = False
    timing: dict[str, float] = field(default_factory=dict)
    counted: About = About.SUBJECT
    min_clauses: int = 0
    complete: bool = True
    refused: str = ""

    def of(self, about: About) -> tuple[Verdict, ...]:
        """Return the subject's or the reference's verdicts."""
        return tuple(verdict for verdict in self.verdicts if verdict.about is about)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is told of the subject beside its verdicts, each once."""
        return distinct(note for verdict in self.of(About.SUBJECT) for note in verdict.notes)

    @property
    def held(self) -> int:
        """How many of the subject's clauses held."""
        return sum(verdict.status is Status.HELD for verdict in self.of(About.SUBJECT))

    @property
    def is_decided(self) -> bool:
        """Whether any required clause of the subject was decided; True where none was selected.

        A required clause counts as decided where it is held or violated, or where its violation is accepted.
        """
        required = [verdict for verdict in self.of(About.SUBJECT) if verdict.level is Level.REQUIRED]
        return not required or any(verdict.status in DECIDED for verdict in required)

    @property
    def exit_code(self) -> int:
        """0 nothing violated; 1 violated, aborted or too few held; 2 unusable; 3 a bug of gdprops; 5 nothing decided.

        0: nothing was violated; 1: a clause was violated or aborted, or too few clauses held; 2: the subject could not
        be used; 3: gdprops itself failed; 5: no clause held. Only the subject's verdicts count for 0, 1 and 5. A
        self-check counts the reference's verdicts instead, and gives 5 unless all of them held.
        """
        if self.refused:
            return 2
        if any(verdict.status is Status.ERROR for verdict in self.verdicts):
            return 3
        if any(v.about is About.REFERENCE and v.failed for v in self.verdicts):
            return 3
        subject = self.of(About.SUBJECT)
        if self.counted is About.REFERENCE:
            return 0 if all(v.status is Status.HELD for v in self.verdicts) else 5
        if any(v.failed_strictly if self.strict else v.failed for v in subject) or self.held < self.min_clauses:
            return 1
        return 0 if self.held and self.is_decided else 5


def to_dict(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON form of an outcome: plain dictionaries, lists, strings and numbers."""
    return {
        "schema": SCHEMA,
        "specification": SPECIFICATION,
        "subject": outcome.subject,
        "seed": outcome.seed,
        "profile": outcome.profile,
        "strict": outcome.strict,
        "complete": outcome.complete,
        "min_clauses": outcome.min_clauses,
        "ok": outcome.exit_code == 0,
        "exit_code": outcome.exit_code,
        "refused": outcome.refused,
        "notes": [asdict(note) for note in outcome.notes],
        "verdicts": [_untimed(verdict) for verdict in outcome.verdicts],
        "timing": {**outcome.timing, "clauses": {verdict.clause: verdict.seconds for verdict in outcome.verdicts}},
    }


def _untimed(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict without what stands elsewhere: its seconds under ``timing``, its notes under ``notes``."""
    return {key: value for key, value in verdict_to_dict(verdict).items() if key not in ("seconds", "notes")}


def outcomes_to_dict(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the JSON form of several subjects' outcomes."""
    return {
        "schema": SCHEMA,
        "specification": SPECIFICATION,
        "ok": all(outcome.exit_code == 0 for outcome in outcomes),
        "exit_code": worst_exit_code(outcomes),
        "complete": all(outcome.complete for outcome in outcomes),
        "runs": [to_dict(outcome) for outcome in outcomes],
    }


def worst_exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code of several runs together.

    An error of gdprops (3) comes before a violation (1), a violation before a subject that could not be used (2), and
    that before a run in which no clause held (5).
    """
    codes = {outcome.exit_code for outcome in outcomes}
    return next((code for code in (3, 1, 2, 5) if code in codes), 0)


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """Return the JSON form of one verdict."""
    return asdict(verdict)


def verdict_from_dict(data: dict[str, Any]) -> Verdict:
    """Return the verdict that `verdict_to_dict` wrote; verdicts travel between processes in that form.

    Surveys leave out notes and what has the same fault, and 0.1.0 wrote neither.
    """
    fields = dict(data)
    location, example = fields["location"], fields["counterexample"]
    if location is not None:
        fields["location"] = Location(**{**location, "index": tuple(location["index"])})
    if example is not None:
        fields["counterexample"] = Counterexample(**example)
    fields["notes"] = tuple(Note(**one) for one in fields.get("notes", ()))
    fields["compared"] = tuple(_compared_from(one) for one in fields["compared"])
    for key in ("blame", "also", "same_fault"):
        fields[key] = tuple(fields.get(key, ()))
    fields.update(about=About(fields["about"]), level=Level(fields["level"]), status=Status(fields["status"]))
    return Verdict(**fields)


def _compared_from(data: dict[str, Any]) -> Compared:
    tuples = ("shape", "start", "seen", "expected")
    return Compared(**{**data, **{key: None if data[key] is None else tuple(data[key]) for key in tuples}})


def names_of(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the clause ids of some verdicts."""
    return tuple(verdict.clause for verdict in verdicts)
