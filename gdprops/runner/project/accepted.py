"""Accepted violations: the file ``gdprops-accepted.json``, and the verdicts of its entries.

A project accepts a known violation with a reason. The entry pins the counterexample: every run tries that case again
instead of a search. If the case passes now, or if the clause has changed, the verdict is red until the entry is
removed; in this way no entry outlives its violation.
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
"""The largest file that is read, in bytes; a pinned case has a few hundred."""
REMOVE = "remove the entry"
AGAIN = f"{REMOVE}, or run gdprops accept again"

Reasons = Mapping[str, str] | Callable[["Subject"], Mapping[str, str]]
"""The reasons by clause, or a function that returns them for a subject."""


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """A violation that the owner of a subject has accepted.

    ``subject`` is the subject's name, for readers. ``identity`` is the key of its identity; it is empty in an entry of
    an earlier version, which is about every subject with its name. ``case`` is the pinned case, None if there is none.
    """

    subject: str
    clause: str
    revision: int
    reason: str
    case: Any = None
    identity: str = ""

    @property
    def key(self) -> str:
        """What the subject is recognized by: its identity or, in an entry of an earlier version, its name."""
        return self.identity or self.subject

    def is_about(self, subject: Subject) -> bool:
        """Say whether the entry is about a subject, however that is named."""
        if not self.identity:
            return self.subject == subject.name
        return subject.identity.is_lasting and self.identity == subject.identity.key

    def outdated(self, clause: Clause) -> str | None:
        """Return a message if the clause has changed since the violation was accepted, else None."""
        if self.revision == clause.revision:
            return None
        return f"accepted at revision {self.revision} of {clause.id}, which is now {clause.revision}: {AGAIN}"

    def settle(self, verdict: Verdict) -> Verdict:
        """Return the verdict as the entry changes it: a violation becomes accepted, and a pass becomes red."""
        if verdict.status is Status.VIOLATED:
            return replace(verdict, status=Status.ACCEPTED, reason=self.reason)
        if verdict.status is Status.NOT_APPLICABLE:
            return self.stale(verdict, f"the clause does not apply ({verdict.reason})")
        if verdict.status is Status.HELD or (verdict.status is Status.VACUOUS and self.case is not None):
            return self.stale(verdict, "it passes now" if self.case is None else "the pinned case passes now")
        return verdict

    def stale(self, verdict: Verdict, why: str) -> Verdict:
        """Return a red verdict that says why the entry is out of date."""
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
    """Read a file of accepted violations. Raises `UsageError`, in one line, for anything that is wrong in it."""
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
    if not isinstance(data.get("identity", ""), str):
        raise UsageError(f"{path}: {data['clause']}: identity={data['identity']!r}; expected a text")
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
        if (entry.key, entry.clause) in seen:
            raise UsageError(f"{path}: {entry.clause} of {entry.subject} is accepted twice")
        seen.add((entry.key, entry.clause))


def save(path: Path, entries: Iterable[Accepted]) -> None:
    """Write a file of accepted violations, sorted by subject and clause. Raises `UsageError` if that fails."""
    ordered = sorted(entries, key=lambda entry: (entry.subject, entry.clause, entry.identity))
    data = {"gdprops": FORM, "accepted": [asdict(entry) for entry in ordered]}
    try:
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def from_reasons(subject: Subject, accepted: Reasons) -> tuple[Accepted, ...]:
    """Return the entries for ``accepted={clause: reason}``, which are used with this subject only.

    Raises `UsageError` for a wrong clause or reason.
    """
    reasons = accepted(subject) if callable(accepted) else accepted
    found = []
    for name, reason in reasons.items():
        clause = _require_clause(name, "accepted")
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(f"accepted[{name!r}]={reason!r}; expected the reason, a text that is not empty")
        found.append(Accepted(subject.name, name, clause.revision, reason))
    return tuple(found)


def require_matches(entries: Iterable[Accepted], subject: Subject, clauses: Iterable[Clause]) -> None:
    """Raise `UsageError` for an entry about this subject whose clause does not apply to its kind."""
    known = {clause.id for clause in clauses}
    for entry in entries:
        if entry.is_about(subject) and entry.clause not in known:
            raise UsageError(f"{FILE}: {entry.clause} is not about subjects like {subject.name}: {REMOVE}")


def unmatched(entries: Iterable[Accepted], ran: Collection[tuple[str, str]]) -> list[str]:
    """Return a message for every entry whose clause and subject a whole run did not contain.

    ``ran`` holds every clause that ran, with the key of the subject's identity and with its name.
    """
    return [
        f"{FILE}: the run did not contain {entry.clause} of {entry.subject}: {REMOVE}"
        for entry in entries
        if (entry.key, entry.clause) not in ran
    ]
