"""One side of a comparison as data: the cases it was run on and where it went, to be compared in another environment.

``gdprops compare A --save a.json`` writes the file where A is installed; ``gdprops compare a.json B`` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import UsageError
from gdprops.model.case import UpdateCase
from gdprops.pairs.trajectories_apart import is_exact, side_allowances, walked
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.subject import FedSubject

FORM = "gdprops compare, version 1"


@final
@dataclass(frozen=True, slots=True)
class Record:
    """One case, where the recorded side went on it, and how far another correct computation may be from that."""

    case: UpdateCase
    weights: Sequence[Weights]
    allowed: Sequence[Sequence[float]]


@final
@dataclass(frozen=True, slots=True)
class Recorded:
    """A side that was run elsewhere."""

    name: str
    settings: dict[str, str]
    records: tuple[Record, ...]


def record(subject: FedSubject, cases: Sequence[UpdateCase], *, plain: bool) -> Iterator[Record]:
    """Yield where a subject goes on each case, and what rounding allows; a case on which it raises is left out."""
    for case in cases:
        seen, _ = walked(subject, case)
        if seen is None or not all(np.isfinite(w).all() for w in seen[-1]):
            continue
        exact = is_exact(subject, case, seen, plain=plain)
        rooms = [[0.0] * len(case.tensors)] * len(seen) if exact else side_allowances(subject, case, seen)
        yield Record(case, seen, rooms)


def save(path: str, subject: FedSubject, records: Sequence[Record]) -> None:
    """Write a side to a file. Raises `UsageError` where it cannot be written."""
    kept = [{"case": encode(r.case), "weights": encode(r.weights), "allowed": encode(r.allowed)} for r in records]
    settings = {name: repr(value) for name, value in subject.settings.items()}
    text = json.dumps({"form": FORM, "name": subject.name, "settings": settings, "records": kept}) + "\n"
    try:
        write_file(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}") from None


def is_recorded(spec: str) -> bool:
    """Say whether a side is named by a file of this form."""
    return spec.endswith(".json")


def load(path: str) -> Recorded:
    """Return a recorded side. Raises `UsageError` for a file that ``gdprops compare --save`` did not write."""
    try:
        data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("form") != FORM:
            raise UsageError(f"{path} is no file of gdprops compare --save")
        records = tuple(
            Record(*(decode(part[key]) for key in ("case", "weights", "allowed"))) for part in data["records"]
        )
        if not all(isinstance(r.case, UpdateCase) for r in records):
            raise UsageError(f"{path} is damaged: it holds other cases than those of compare")
        return Recorded(str(data["name"]), dict(data["settings"]), records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {type(error).__name__}: {error}") from None
