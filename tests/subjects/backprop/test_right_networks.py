"""No right file is accused: random networks of every form with any loss hold, or get no verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model import exit_codes
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from tests.subjects.backprop.right_networks import right_network

CLAUSES = ("step.plain", "step.moves-all", "gradient.matches-loss")
OFTEN = [17 * k for k in range(12)]
"""A few of them in every run: of every form, most of the losses."""
NOT_ACCUSED = ("held", "no verdict", "refused")
NIGHTS = 1000
PARTS = 20


def outcome_of(seed: int, folder: Path) -> str:
    """Return ``held``, ``no verdict``, ``refused``, or what a right network is accused of."""
    file = folder / f"network_{seed}.py"
    file.write_text(right_network(seed))
    try:
        subject = resolve(str(file))
    except UsageError as error:
        hinge = "hinge" in file.read_text()  # whose targets are subtracted from nothing
        return "refused" if hinge else f"{seed} refused: {error}"
    outcome = check_subject(subject, clauses=CLAUSES, settings=Settings(seed=seed, examples=5))
    wrong = [v for v in outcome.verdicts if v.status is Status.VIOLATED or v.status is Status.ERROR]
    if wrong:
        return f"{seed} accused: {right_network(seed).splitlines()[0]}: {wrong[0].clause}: {wrong[0].explanation}"
    return "no verdict" if outcome.exit_code == exit_codes.UNDECIDED else "held"


def test_a_few_right_networks_are_not_accused(tmp_path: Path) -> None:
    found = [outcome_of(seed, tmp_path) for seed in OFTEN]
    assert [one for one in found if one not in NOT_ACCUSED] == []
    assert found.count("held") > len(found) / 4


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand_right_networks_are_not_accused(tmp_path: Path, part: int) -> None:
    found = [outcome_of(seed, tmp_path) for seed in range(part, NIGHTS, PARTS)]
    assert [one for one in found if one not in NOT_ACCUSED] == []
    assert found.count("held") > len(found) / 4
