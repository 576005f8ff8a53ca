"""Public reports of silent training errors, re-created as scripts: found in twenty steps, with the right lines."""

from __future__ import annotations

import inspect
import re

import pytest

from gdprops.clauses import catalogue
from gdprops.faults import bank
from gdprops.faults.fault import Fault
from gdprops.model.live_finding import LiveFinding
from gdprops.watching.session import watched, watched_ranks
from tests.clauses.live.missed_reports import MISSED

ADDRESS = r"\w/[\w.-]+#\d+|\w/(t|questions)/\d+"
REPORTED = [one for one in bank() if one.script is not None and re.search(ADDRESS, one.source)]
NOT_FOUND = [Fault(script.__name__, script.__doc__ or "", script=script, ranks=ranks) for script, ranks in MISSED]
SHARE = 0.8


def findings_of(fault: Fault) -> list[LiveFinding]:
    """Return what is found in the first twenty steps of a script."""
    assert fault.script is not None
    ledgers = watched(fault.script) if fault.ranks == 1 else watched_ranks(fault.script, fault.ranks)
    clauses = [clause for clause in catalogue() if clause.chapter == "live"]
    return [one for clause in clauses for ledger in ledgers for one in clause.examine(ledger, None).findings]


def is_at_its_line(fault: Fault, found: LiveFinding) -> bool:
    """Say whether every line of a finding is one of the script's own."""
    assert fault.script is not None
    source, first = inspect.getsourcelines(fault.script)
    own = range(first, first + len(source))
    return bool(found.places) and all(place.line in own for place in found.places)


@pytest.mark.filterwarnings("ignore:Detected call of")
def test_reports_are_found_in_twenty_steps_with_the_right_lines() -> None:
    everyone = [*REPORTED, *NOT_FOUND]
    found = {one.name: findings_of(one) for one in everyone}
    right = [one.name for one in everyone if any(is_at_its_line(one, told) for told in found[one.name])]
    assert set(found) - set(right) == {one.name for one in NOT_FOUND}
    assert len(right) >= max(15, SHARE * len(everyone))
    assert all(told.step is None or told.step <= 20 for one in found.values() for told in one)
