"""Accepted violations: ``gdprops-accepted.json``, and what becomes of them.

An accepted violation is pinned: its counterexample is run again instead of a search, so that it is known at every run
whether it is still there. It is strict: one that passes now, or whose clause has changed, is red.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.verdict import Status

if TYPE_CHECKING:
    from gdprops.model.clause import Clause
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict

FILE = "gdprops-accepted.json"
FORM = 1
LARGEST = 16_000_000
"""Bytes: a pinned case has a few hundred."""
REMOVE = "remove the entry"
AGAIN = f"{REMOVE}, or run gdprops accept again"

Reasons = Mapping[str, str] | Callable[["Subject"], Mapping[str, str]]
"""Reasons by clause, or what returns them for a subject."""


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """A violation that the owner of a subject has accepted; ``case`` None is one that no case was pinned of."""

    subject: str
    clause: str
    revision: int
    reason: str
    case: Any = None

    def outdated(self, clause: Clause) -> str | None:
        """Return that the clause has changed since, or None."""
        if self.revision == clause.revision:
            return None
        return f"accepted at revision {self.revision} of {clause.id}, which is now {clause.revision}: {AGAIN}"

    def settle(self, verdict: Verdict) -> Verdict:
        """Return what a verdict is in view of the acceptance: accepted, or red where there is nothing to accept."""
        if verdict.status is Status.VIOLATED:
            return replace(verdict, status=Status.ACCEPTED, reason=self.reason)
        if verdict.status is Status.NOT_APPLICABLE:
            return self.stale(verdict, f"the clause does not apply ({verdict.reason})")
        if verdict.status is Status.HELD or (verdict.status is Status.VACUOUS and self.case is not None):
            return self.stale(verdict, "it passes now" if self.case is None else "the pinned case passes now")
        return verdict

    def stale(self, verdict: Verdict, why: str) -> Verdict:
        """Return a red verdict: what was accepted is not so any more."""
        reason = f"accepted ({self.reason}), but {why}: {AGAIN}"
        return replace(verdict, status=Status.ACCEPTED, reason=reason, stale=True)


def find(start: Path) -> Path | None:
    """Return the nearest file of accepted violations, in this folder or above it."""
    here = start.resolve()
    return next((folder / FILE for folder in (here, *here.parents) if (folder / FILE).is_file()), None)


def near(start: Path) -> tuple[Accepted, ...]:
    """Return the violations that the nearest file accepts."""
    found = find(start)
    return () if found is None else load(found)


def load(path: Path) -> tuple[Accepted, ...]:
    """Read a file of accepted violations. Raises `UsageError` in one line for whatever is wrong with it."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than any file that gdprops accept writes")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    if not isinstance(data, dict) or data.get("gdprops") != FORM or not isinstance(data.get("accepted"), list):
        raise UsageError(f'{path}: expected {{"gdprops": {FORM}, "accepted": […]}}, as gdprops accept writes it')
    entries = tuple(_entry(path, one) for one in data["accepted"])
    _require_each_once(path, entries)
    return entries


def _entry(path: Path, data: Any) -> Accepted:
    keys = [field.name for field in fields(Accepted)]
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected entries with the keys {', '.join(keys)}")
    for key in data:
        if key not in keys:
            raise UsageError(f"{path}: unknown key {key!r}{nearest(key, keys)}")
    for key in ("subject", "clause", "reason"):
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise UsageError(f"{path}: {data.get('clause', 'an entry')}: {key} is required, a text that is not empty")
    if not isinstance(data.get("revision"), int):
        raise UsageError(f"{path}: {data['clause']}: revision is required, a whole number")
    _require_clause(data["clause"], str(path))
    return Accepted(**data)


def _require_clause(name: str, where: str) -> Clause:
    from gdprops.clauses import catalogue

    try:
        return catalogue()[name]
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _require_each_once(path: Path, entries: Iterable[Accepted]) -> None:
    seen = set()
    for entry in entries:
        if (entry.subject, entry.clause) in seen:
            raise UsageError(f"{path}: {entry.clause} of {entry.subject} is accepted twice")
        seen.add((entry.subject, entry.clause))


def save(path: Path, entries: Iterable[Accepted]) -> None:
    """Write a file of accepted violations, sorted. Raises `UsageError` where it cannot be written."""
    ordered = sorted(entries, key=lambda entry: (entry.subject, entry.clause))
    data = {"gdprops": FORM, "accepted": [asdict(entry) for entry in ordered]}
    try:
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def from_reasons(subject: Subject, accepted: Reasons) -> tuple[Accepted, ...]:
    """Return what ``accepted={clause: reason}`` accepts. Raises `UsageError` for what is no clause or no reason."""
    reasons = accepted(subject) if callable(accepted) else accepted
    found = []
    for name, reason in reasons.items():
        clause = _require_clause(name, "accepted")
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f"accepted[{name!r}]={reason!r}; expected the reason, a text that is not empty")
        found.append(Accepted(subject.name, name, clause.revision, reason))
    return tuple(found)


def require_matches(entries: Iterable[Accepted], subject: Subject, clauses: Iterable[Clause]) -> None:
    """Raise `UsageError` for an entry about a subject whose clause is not about such subjects."""
    known = {clause.id for clause in clauses}
    for entry in entries:
        if entry.subject == subject.name and entry.clause not in known:
            raise UsageError(f"{FILE}: {entry.clause} is not about subjects like {subject.name}: {REMOVE}")


def unmatched(entries: Iterable[Accepted], ran: Collection[tuple[str, str]]) -> list[str]:
    """Return a line for every entry that no subject and clause of a whole run matches."""
    return [
        f"{FILE}: nothing that was run is {entry.clause} of {entry.subject}: {REMOVE}"
        for entry in entries
        if (entry.subject, entry.clause) not in ran
    ]
