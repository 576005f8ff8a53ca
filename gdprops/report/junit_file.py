"""Write runs as JUnit XML, for tools that read test results: one test suite per subject, one test case per clause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from gdprops.model.clause import Level
from gdprops.model.verdict import SPECIFICATION, Status
from gdprops.report.phrases import ratio
from gdprops.report.violation_text import violation_text
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Matches the characters that XML 1.0 cannot contain."""
SKIPPED = (Status.VACUOUS, Status.NOT_APPLICABLE, Status.ACCEPTED)


def properties(verdict: Verdict, subject: str) -> Iterator[tuple[str, str]]:
    """Yield the properties of a verdict's test case; the command and the pytest plugin write the same ones."""
    yield "subject", subject
    yield "clause", verdict.clause
    yield "about", verdict.about.value
    yield "specification", str(SPECIFICATION)
    yield "status", verdict.status.value
    yield "examples", str(verdict.examples)
    yield "decisive", str(verdict.decisive)
    yield "worst_ratio", ratio(verdict)


def write_junit(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write the runs to a JUnit XML file."""
    root = ElementTree.Element("testsuites", name="gdprops")
    for outcome in outcomes:
        root.append(_suite(outcome))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_file(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')


def _suite(outcome: Outcome) -> ElementTree.Element:
    cases = [_refusal(outcome)] if outcome.refused else [_case(verdict, outcome) for verdict in outcome.verdicts]
    suite = ElementTree.Element("testsuite", _attributes(outcome, cases))
    _add_properties(suite, _facts(outcome))
    suite.extend(cases)
    return suite


def _attributes(outcome: Outcome, cases: Sequence[ElementTree.Element]) -> dict[str, str]:
    counted = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {
        "name": _plain(outcome.subject),
        "tests": str(len(cases)),
        "time": f"{sum(verdict.seconds for verdict in outcome.verdicts):.3f}",
        **{name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in counted.items()},
    }


def _facts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield "profile", outcome.profile
    yield "seed", "" if outcome.seed is None else str(outcome.seed)
    yield "complete", str(outcome.complete).lower()
    yield from ((ending.value, str(count)) for ending, count in outcome.counts.items())
    yield from (("note", note.sentence) for note in outcome.notes)


def _case(verdict: Verdict, outcome: Outcome) -> ElementTree.Element:
    name = verdict.clause if verdict.about == "subject" else f"{verdict.clause} (reference)"
    case = ElementTree.Element("testcase", classname=_plain(outcome.subject), name=name, time=f"{verdict.seconds:.3f}")
    _add_properties(case, properties(verdict, outcome.subject))
    result = _result(verdict, outcome)
    if result is not None:
        case.append(result)
    return case


def _refusal(outcome: Outcome) -> ElementTree.Element:
    """Return the test case, an error, of a subject that could not be used."""
    case = ElementTree.Element("testcase", classname=_plain(outcome.subject), name="subject", time="0.000")
    ElementTree.SubElement(case, "error", message=_plain(outcome.refused))
    return case


def _add_properties(element: ElementTree.Element, pairs: Iterator[tuple[str, str]]) -> None:
    inside = ElementTree.SubElement(element, "properties")
    for name, value in pairs:
        ElementTree.SubElement(inside, "property", name=name, value=_plain(value))


def _result(verdict: Verdict, outcome: Outcome) -> ElementTree.Element | None:
    """Return the element that says why a test case did not pass, None if it passed."""
    red = verdict.failed_strictly if outcome.strict else verdict.failed
    if verdict.status is Status.ERROR:
        return _told("error", verdict, outcome)
    if red:
        return _told("failure", verdict, outcome)
    if verdict.status in SKIPPED:
        return ElementTree.Element("skipped", message=_plain(f"{verdict.status}: {verdict.reason}"))
    if verdict.level is Level.RECOMMENDED and verdict.status is not Status.HELD:
        return _told("system-out", verdict, outcome)
    return None


def _told(tag: str, verdict: Verdict, outcome: Outcome) -> ElementTree.Element:
    element = ElementTree.Element(tag)
    if tag != "system-out":
        element.set("message", _plain(f"{verdict.status}: {verdict.statement}"))
    element.text = _plain(violation_text(verdict, subject=outcome.subject))
    return element


def _plain(text: str) -> str:
    return FORBIDDEN.sub("�", str(text))
