"""Write runs as SARIF 2.1.0, which code hosts and editors show at the line.

There is a rule for each clause and a result for each violation. A result says what the subject does instead. It has the
line of the user's file where that is known, else the file. Its fingerprint is made of the subject's identity and the
clause, so that a violation is recognized when lines have moved. An accepted violation is a suppressed result; a bug of
gdprops, or a subject that cannot be used, is a notification.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.model.clause import Level
from gdprops.model.site import clause_address
from gdprops.model.verdict import RED, About, Status
from gdprops.report.phrases import found_in_short
from gdprops.report.user_lines import file_of, lines_of
from gdprops.runner.written_file import write_file
from gdprops.version import __version__

if TYPE_CHECKING:
    from gdprops.model.note import Note
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "subjectAndClause/v1"
ROOT = "%SRCROOT%"
LEVELS = {Level.REQUIRED: "error", Level.RECOMMENDED: "warning"}


def write_sarif(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the runs to a SARIF file."""
    write_file(path, json.dumps(sarif(outcomes), indent=2, ensure_ascii=False) + "\n")


def sarif(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the runs as one SARIF log."""
    rules = _rules(verdict for outcome in outcomes for verdict in outcome.told)
    place = {rule["id"]: k for k, rule in enumerate(rules)}
    results = [_result(v, outcome, place[v.clause]) for outcome in outcomes for v in outcome.told if _is_result(v)]
    told = [notification for outcome in outcomes for notification in _notifications(outcome)]
    whole = not told and all(outcome.complete for outcome in outcomes)
    run = {
        "tool": {"driver": {"name": "gdprops", "semanticVersion": __version__, "version": __version__, "rules": rules}},
        "invocations": [{"executionSuccessful": whole, "toolExecutionNotifications": told}],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that gdprops was run in."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    found = dict[str, dict[str, Any]]()
    for verdict in verdicts:
        found.setdefault(verdict.clause, _rule(verdict))
    return list(found.values())


def _rule(verdict: Verdict) -> dict[str, Any]:
    known = next((clause for clause in catalogue() if clause.id == verdict.clause), None)
    level = verdict.level if known is None else known.level
    rule = {
        "id": verdict.clause,
        "shortDescription": {"text": verdict.statement},
        "defaultConfiguration": {"level": LEVELS[level]},
    }
    if known is None:
        return rule
    return {**rule, "help": {"text": f"{known.source} {known.decision}"}, "helpUri": clause_address(known.id)}


def _is_result(verdict: Verdict) -> bool:
    return verdict.status in (*RED, Status.ACCEPTED)


def _result(verdict: Verdict, outcome: Outcome, rule: int) -> dict[str, Any]:
    key = "\n".join((outcome.identity or outcome.subject, verdict.clause))
    result = {
        "ruleId": verdict.clause,
        "ruleIndex": rule,
        "level": "error" if verdict.status is Status.ABORTED else LEVELS[verdict.level],
        "message": {"text": f"{outcome.subject}: {found_in_short(verdict)}"},
        "locations": [_location(place) for place in _places(verdict, outcome)][:1],
        "relatedLocations": [_location(place) for place in _places(verdict, outcome)][1:],
        "partialFingerprints": {FINGERPRINT: hashlib.sha256(key.encode()).hexdigest()},
    }
    if verdict.status is Status.ACCEPTED and not verdict.stale:
        result["suppressions"] = [{"kind": "external", "justification": verdict.reason}]
    return result


def _places(verdict: Verdict, outcome: Outcome) -> tuple[Note, ...]:
    """Return the lines that a violation is in; where none is known, the subject's file."""
    own = file_of(outcome.subject)
    return lines_of(verdict) or (() if own is None else (own,))


def _location(place: Note) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(Path(place.file or ""))}
    if place.line is not None:
        physical["region"] = {"startLine": place.line}
    return {"physicalLocation": physical, "message": {"text": place.text}}


def _artifact(path: Path) -> dict[str, str]:
    """Return the address of a file: relative to the working directory where the file is below it."""
    whole = path.resolve()
    if whole.is_relative_to(Path.cwd()):
        return {"uri": _quoted(whole.relative_to(Path.cwd())), "uriBaseId": ROOT}
    return {"uri": whole.as_uri()}


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(path.as_posix())


def _notifications(outcome: Outcome) -> Iterator[dict[str, Any]]:
    """Yield what kept gdprops from judging: a subject that cannot be used, and bugs of its own."""
    if outcome.refused:
        yield _notification(f"{outcome.subject}: could not be used: {outcome.refused}")
    for verdict in outcome.verdicts:
        is_ours = verdict.about is About.REFERENCE and verdict.failed
        if verdict.status is Status.ERROR or is_ours:
            yield _notification(f"{outcome.subject}: a bug of gdprops in {verdict.clause}: {found_in_short(verdict)}")


def _notification(text: str) -> dict[str, Any]:
    return {"level": "error", "message": {"text": text}}
