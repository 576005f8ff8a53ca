"""The surveys that tests make of the small package beside them."""

from __future__ import annotations

from pathlib import Path

from gdprops.model.verdict import Status
from gdprops.survey.matrix_file import read_survey

HERE = "tests.survey.optimizers"
QUICK = ("--examples", "3")
Cell = tuple[str, str, str, int]


def cells(path: Path) -> list[Cell]:
    """Return what a survey found, of which nothing was aborted."""
    found = read_survey(str(path)).entries
    assert not [(e.key, e.aborted, v.reason) for e in found for v in e.outcome.verdicts if v.status is Status.ABORTED]
    return [(e.key, v.clause, v.status.value, v.decisive) for e in found for v in e.outcome.verdicts]
