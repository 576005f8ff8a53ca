"""Verdicts and outcomes as JSON data, and verdicts back from it: they travel between processes in that form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gdprops.model import exit_codes
from gdprops.model.clause import Level
from gdprops.model.code_place import Place
from gdprops.model.evidence import Compared, Location
from gdprops.model.live_finding import LiveFinding
from gdprops.model.note import Note
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import SPECIFICATION, About, Counterexample, Status, Verdict

SCHEMA = 1
"""The version of the JSON form."""


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
        "counts": {ending.value: count for ending, count in outcome.counts.items()},
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
        "exit_code": exit_codes.worst(outcome.exit_code for outcome in outcomes),
        "complete": all(outcome.complete for outcome in outcomes),
        "runs": [to_dict(outcome) for outcome in outcomes],
    }


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """Return the JSON form of one verdict."""
    return asdict(verdict)


def verdict_from_dict(data: dict[str, Any]) -> Verdict:
    """Return the verdict that `verdict_to_dict` wrote; verdicts travel between processes in that form.

    Surveys leave out notes and what has the same fault, 0.1.0 wrote neither, and both wrote no findings.
    """
    fields = dict(data)
    location, example = fields["location"], fields["counterexample"]
    if location is not None:
        fields["location"] = Location(**{**location, "index": tuple(location["index"])})
    if example is not None:
        fields["counterexample"] = Counterexample(**example)
    for key in ("notes", "places"):
        fields[key] = tuple(Note(**one) for one in fields.get(key, ()))
    fields["compared"] = tuple(_compared_from(one) for one in fields["compared"])
    fields["findings"] = tuple(_finding_from(one) for one in fields.get("findings", ()))
    for key in ("blame", "also", "same_fault"):
        fields[key] = tuple(fields.get(key, ()))
    fields.update(about=About(fields["about"]), level=Level(fields["level"]), status=Status(fields["status"]))
    return Verdict(**fields)


def _finding_from(data: dict[str, Any]) -> LiveFinding:
    places = tuple(Place(*place) for place in data["places"])
    return LiveFinding(
        **{**data, "level": Level(data["level"]), "parameters": tuple(data["parameters"]), "places": places}
    )


def _compared_from(data: dict[str, Any]) -> Compared:
    tuples = ("shape", "start", "seen", "expected")
    return Compared(**{**data, **{key: None if data[key] is None else tuple(data[key]) for key in tuples}})
