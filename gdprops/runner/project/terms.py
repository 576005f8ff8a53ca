"""What a project requires of a subject: the specification's version, the excluded clauses, the accepted violations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, final

from gdprops.model.verdict import RED, Status
from gdprops.runner.project.accepted import Accepted

if TYPE_CHECKING:
    from gdprops.model.clause import Clause
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """What a project requires of one subject.

    Attributes:
        specification: Clauses added after this version are reported, but do not fail (None: all count).
        exclude: The patterns of the ids of clauses that are not run.
        min_clauses: If fewer clauses of the subject hold, the run fails.
        source: The file that contains these terms.
        accepted: The accepted violations of all subjects.
    """

    specification: int | None = None
    exclude: tuple[str, ...] = ()
    min_clauses: int = 0
    source: str = ""
    accepted: tuple[Accepted, ...] = ()

    def accepts(self, subject: Subject, clause: str) -> Accepted | None:
        """Return the first entry that accepts a violation of this clause by this subject, None if there is none."""
        return next((a for a in self.accepted if a.clause == clause and a.is_about(subject)), None)

    def excluded(self, clause: Clause) -> str | None:
        """Return why a clause is not run, or None if it is run."""
        pattern = next((p for p in self.exclude if fnmatchcase(clause.id, p)), None)
        return None if pattern is None else f"excluded by {pattern!r} in {self.source}"

    def is_later(self, clause: Clause) -> bool:
        """Say whether a clause was added after the version of the specification that the project requires."""
        return self.specification is not None and clause.since > self.specification

    def judged(self, clause: Clause, verdict: Verdict, *, strict: bool) -> Verdict:
        """Return the verdict; a red one of a clause newer than the required specification becomes accepted."""
        red = verdict.failed_strictly if strict else verdict.status in RED
        if not self.is_later(clause) or not red:
            return verdict
        now = f"{verdict.status}: {verdict.reason}" if verdict.reason else verdict.status
        reason = f"{now} (new in specification {clause.since}; {self.source} holds to {self.specification})"
        return replace(verdict, status=Status.ACCEPTED, reason=reason)


def terms_from(data: Mapping[str, Any]) -> Terms:
    """Return the terms that `dataclasses.asdict` wrote."""
    accepted = tuple(Accepted(**entry) for entry in data["accepted"])
    return Terms(**{**data, "exclude": tuple(data["exclude"]), "accepted": accepted})
