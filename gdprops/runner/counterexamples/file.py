"""Saved counterexamples: written for a violation, run again without a search."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.errors import UsageError
from gdprops.model.case import OwnCase
from gdprops.model.verdict import SPECIFICATION, About
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.encoding import decode, encode

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.clause import Clause
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Outcome
    from gdprops.runner.settings import Settings

FORM = 1
LARGEST = 4_000_000
"""Bytes: a shrunk case has a few hundred, an unshrunk one a few thousand."""


def as_data(clause: Clause, about: About, subject: str, case: Any) -> dict[str, Any]:
    """Return what is saved of a counterexample."""
    return {
        "gdprops": FORM,
        "specification": SPECIFICATION,
        "clause": clause.id,
        "revision": clause.revision,
        "about": about.value,
        "subject": subject,
        "case": encode(case),
    }


def save(data: dict[str, Any], folder: str, arrays: Mapping[str, Array] | None = None) -> str | None:
    """Write a counterexample, its arrays beside it, and return its path; None where the folder cannot be written."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", data["subject"]).strip("-.")[:60]
    path = Path(folder) / f"{slug}-{data['clause']}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrays:
            arrays_file.write(arrays_file.beside(path), arrays)
            data = {**data, "arrays": arrays_file.stated(arrays)}
        else:
            arrays_file.beside(path).unlink(missing_ok=True)
        path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError:
        return None
    return str(path)


def load(path: str) -> dict[str, Any]:
    """Read a saved counterexample. Raises `UsageError` in one line for a file that is not one."""
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"no such file: {path}")
    if file.stat().st_size > LARGEST:
        raise UsageError(f"{path} is larger than any counterexample that gdprops saves")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UsageError(f"{path} is not a counterexample saved by gdprops: it is not JSON") from error
    wanted = ("gdprops", "clause", "about", "subject", "case")
    if not isinstance(data, dict) or any(key not in data for key in wanted):
        raise UsageError(f"{path} is not a counterexample saved by gdprops: expected the keys {', '.join(wanted)}")
    if data["gdprops"] != FORM:
        raise UsageError(f"{path} was saved in form {data['gdprops']!r}; this gdprops reads form {FORM}")
    return data


def replay(path: str, subject: Subject, settings: Settings) -> Outcome:
    """Run exactly the saved case again on a subject.

    Raises `UsageError` where the file is not ours, or is about another subject or a clause that has changed.
    """
    from gdprops.runner.conclude import conclude
    from gdprops.runner.items import Item
    from gdprops.runner.session import run_case

    data = load(path)
    if data["subject"] != subject.name:
        raise UsageError(f"{path} is about {data['subject']}, not about {subject.name}")
    clause = catalogue()[str(data["clause"])]
    if data.get("revision") != clause.revision:
        raise UsageError(
            f"{path} is for revision {data.get('revision')} of {clause.id}, which is now {clause.revision}"
        )
    try:
        item = Item(clause, About(data["about"]))
    except ValueError as error:
        raise UsageError(f"{path} is damaged: about={data['about']!r}") from error
    verdict = run_case(subject, item, _case(path, data), settings)
    return conclude(subject.name, settings, [verdict], {"seconds": verdict.seconds})


def _case(path: str, data: dict[str, Any]) -> Any:
    """Return the saved case, with the arrays that are beside it."""
    case = decode(data["case"])
    if "arrays" not in data:
        return case
    if not isinstance(case, OwnCase):
        raise UsageError(f"{path} is damaged: only models of somebody's own have arrays beside them")
    return replace(case, arrays=arrays_file.read(arrays_file.beside(Path(path)), data["arrays"]))
