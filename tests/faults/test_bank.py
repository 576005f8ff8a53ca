"""The bank: small, distinct, cited, and as complete as the specification."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

from gdprops.clauses import catalogue
from gdprops.faults import Fault, Twin, bank, twins
from gdprops.numerics.numpy_system import NumpySystem

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ISSUE = re.compile(r"[\w.-]+/[\w.-]+#\d+|(discuss\.pytorch\.org/t|stackoverflow\.com/questions)/\d+")
FEWEST_LINES, MOST_LINES = 5, 15


def refuting(fault: Fault) -> list[str]:
    return [clause.id for clause in catalogue().refuting(fault.name)]


def implementation(fault: Fault) -> object:
    """Return the class or function that is wrong."""
    if fault.system is not None:
        return type(fault.system())
    if fault.script is not None:
        return fault.script
    assert fault.subject is not None
    subject = fault.subject()
    parts = ("factory", "function", "build", "step", "gradients")
    return next(found for part in parts if (found := getattr(subject, part, None)) is not None)


def test_every_clause_has_a_fault_and_every_fault_a_clause() -> None:
    refuted = {clause.id: set(clause.refuted_by) for clause in catalogue()}
    named = set().union(*refuted.values())
    assert not [clause for clause, faults in refuted.items() if not faults]
    assert named == {fault.name for fault in bank()}


def test_names_are_distinct_and_readable() -> None:
    names = [*(fault.name for fault in bank()), *(twin.name for twin in twins())]
    assert len(names) == len(set(names))
    assert all(KEBAB.fullmatch(name) for name in names)


@pytest.mark.parametrize("fault", bank(), ids=lambda fault: fault.name)
def test_a_fault_is_small_and_says_what_it_does(fault: Fault) -> None:
    lines = inspect.getsource(implementation(fault)).rstrip().splitlines()  # type: ignore[arg-type] # no module
    written = sum(bool(line.strip()) for line in lines)
    assert len(lines) >= FEWEST_LINES
    assert written <= MOST_LINES
    assert fault.summary.endswith(".")
    assert "\n" not in fault.summary
    assert all(ISSUE.fullmatch(issue) for issue in fault.source.split(", ") if issue)


def test_most_chapters_re_create_real_bugs() -> None:
    sourced = {clause.partition(".")[0] for fault in bank() if fault.source for clause in refuting(fault)}
    assert sourced == {"gradient", "step", "sequential", "optimizer", "published", "live", "clock", "distributed"}


@pytest.mark.parametrize("kind", [Fault, Twin])
def test_a_fault_is_either_a_subject_or_a_system(kind: type) -> None:
    given = {"summary": ""} if kind is Fault else {}
    with pytest.raises(ValueError, match=r"'both' has subject=.*; expected exactly one of them"):
        kind("both", **given, subject=lambda: None, system=NumpySystem)
    with pytest.raises(
        ValueError, match="'neither' has subject=None, system=None and script=None; expected exactly one"
    ):
        kind("neither", **given)


def test_two_faults_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from gdprops.faults.systems import sweep_faults

    monkeypatch.setattr(sweep_faults, "FAULTS", (*sweep_faults.FAULTS, sweep_faults.FAULTS[0]))
    with pytest.raises(ValueError, match="used twice: sweep-looks-after-stepping"):
        bank()


def test_the_bank_is_announced_without_loading_it() -> None:
    code = "import gdprops.faults, sys; print({'numpy', 'torch', 'hypothesis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
