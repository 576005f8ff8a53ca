"""One line for each cause of what is red."""

from __future__ import annotations

from dataclasses import replace

from gdprops.model.clause import Level
from gdprops.model.evidence import Location
from gdprops.model.verdict import About, Status, Verdict
from gdprops.survey.causes import causes

CRASH = "step() raised ValueError: no"


def verdict(name: str, reason: str = CRASH, status: Status = Status.VIOLATED) -> Verdict:
    return Verdict(f"optimizer.{name}", About.SUBJECT, Level.REQUIRED, status, "It holds.", reason=reason)


def test_one_crash_in_many_clauses_is_one_line() -> None:
    last = replace(verdict("resume-weights-only"), level=Level.RECOMMENDED)
    assert list(causes([verdict("resume"), verdict("layout", "held", Status.HELD), verdict("closure"), last])) == [
        f"optimizer.resume violated; {CRASH}; also optimizer.closure, optimizer.resume-weights-only (recommended)"
    ]


def test_numbers_that_differ_are_their_own_clauses() -> None:
    seen = Location("w1", (0,), step=1, seen="1.0", expected="2.0", difference=1.0, relative=0.5, allowed=0.0)
    found = [replace(verdict(name, ""), location=seen) for name in ("layout", "storage")]
    assert [line.partition(" ")[0] for line in causes(found)] == ["optimizer.layout", "optimizer.storage"]


def test_reasons_that_differ_are_two_lines_and_no_reason_is_its_clause() -> None:
    found = [verdict("resume"), verdict("closure", "step() raised KeyError: 'a'"), verdict("shapes", "")]
    assert [line.partition(" ")[0] for line in causes(found)] == [v.clause for v in found]


def test_what_was_aborted_for_one_reason_is_counted() -> None:
    slow = [verdict(name, "the subject used more than its 1 s", Status.ABORTED) for name in ("resume", "closure")]
    assert list(causes(slow)) == ["2 clauses aborted; the subject used more than its 1 s"]
    assert list(causes(slow[:1])) == ["optimizer.resume aborted; the subject used more than its 1 s"]
