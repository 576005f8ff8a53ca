"""``gdprops accept``: write the present violations, with reason and counterexample, to gdprops-accepted.json."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gdprops.errors import UsageError
from gdprops.model.verdict import About, Status
from gdprops.report import consoles
from gdprops.report.progress import progress
from gdprops.runner.project import accepted
from gdprops.runner.project.accepted import Accepted
from gdprops.runner.project.configuration import find as find_configuration

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict
    from gdprops.runner.request import RunRequest
    from gdprops.runner.settings import Settings


class Acceptance(NamedTuple):
    """The result of ``gdprops accept``.

    Attributes:
        path: The file that was written.
        subject: The subject's name.
        accepted: The clauses whose violations are accepted now.
        dropped: The clauses whose entries were removed, because they do not fail any more.
        refused: The clauses that fail but cannot be accepted.
    """

    path: Path
    subject: str
    accepted: tuple[str, ...]
    dropped: tuple[str, ...]
    refused: tuple[str, ...]


def accept(request: RunRequest, reason: str, *, workers: str | None = None) -> Acceptance:
    """Run a request and accept the clauses that fail.

    Entries of the subject whose clauses were run and do not fail any more are dropped. Raises `UsageError` for an empty
    reason, a subject that no later run recognizes, or a file that cannot be written.
    """
    from gdprops.runner.run import run

    if not reason.strip():
        raise UsageError("--reason: expected why the violations are accepted, a text that is not empty")
    subject = _recognized_later(request.resolve())
    path = _path(Path.cwd())
    before = accepted.load(path) if path.exists() else ()
    afresh = replace(request, settings=_afresh(request))
    with progress(consoles.console(stderr=True)) as seen:
        outcome = run(afresh, seen, workers=workers)
    if seen.interrupted:
        raise KeyboardInterrupt
    red = [v for v in outcome.of(About.SUBJECT) if (v.failed_strictly if request.settings.strict else v.failed)]
    entries = {v.clause: _entry(v, subject, reason, afresh) for v in red}
    kept = {name: entry for name, entry in entries.items() if entry is not None}
    ran = {v.clause for v in outcome.of(About.SUBJECT)}
    mine = [a.clause for a in before if a.is_about(subject) and a.clause in ran]
    others = [a for a in before if not (a.is_about(subject) and a.clause in ran)]
    if kept or mine:
        accepted.save(path, [*others, *kept.values()])
    dropped = tuple(name for name in mine if name not in kept)
    return Acceptance(path, subject.name, tuple(kept), dropped, tuple(name for name in entries if name not in kept))


def _recognized_later(subject: Subject) -> Subject:
    """Return a subject. Raises `UsageError` if a later run cannot tell it from others."""
    if not subject.identity.is_lasting:
        raise UsageError(
            f"{subject.name} has a part that cannot be imported by a name, so that a later run does not recognize it: "
            "bind the subject to a name in its module, or give it one with name='…'"
        )
    return subject


def _afresh(request: RunRequest) -> Settings:
    return replace(request.settings, terms=replace(request.settings.terms, accepted=(), min_clauses=0))


def _path(folder: Path) -> Path:
    """Return the nearest existing file of accepted violations, or the path of a new one.

    A new file is put beside the project's pyproject.toml, or into this folder if there is none.
    """
    project = find_configuration(folder)
    return accepted.find(folder) or (project.folder if project else folder) / accepted.FILE


def _entry(verdict: Verdict, subject: Subject, reason: str, request: RunRequest) -> Accepted | None:
    """Return the entry for a red verdict, None if no saved case reproduces the violation."""
    from gdprops.clauses import catalogue
    from gdprops.model.item import Item
    from gdprops.runner.counterexamples.encoding import decode
    from gdprops.runner.session import run_case

    clause, example = catalogue()[verdict.clause], verdict.counterexample
    if verdict.status is not Status.VIOLATED or example is None:
        return None
    case = example.case["case"]
    try:
        again = run_case(subject, Item(clause, About.SUBJECT), decode(case), request.settings)
    except UsageError:  # the case contains objects from the user's own strategy, which no file can hold
        return None
    if again.status is not Status.VIOLATED:
        return None
    return Accepted(subject.name, clause.id, clause.revision, reason, case, subject.identity.key)


def told(result: Acceptance) -> Iterable[str]:
    """Yield sentences that say what was accepted, dropped and refused."""
    if result.accepted:
        yield f"{result.path.name}: accepted of {result.subject}: {', '.join(result.accepted)}."
    if result.dropped:
        yield f"{result.path.name}: removed, because they do not fail any more: {', '.join(result.dropped)}."
    if result.refused:
        yield f"cannot be accepted, because no saved case reproduces the violation: {', '.join(result.refused)}."
    if not (result.accepted or result.dropped or result.refused):
        yield f"{result.subject}: nothing fails, hence there is nothing to accept."
