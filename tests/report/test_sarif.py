"""SARIF has a rule for each clause and a result for each violation, with its line and a lasting fingerprint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gdprops.model.note import Note
from gdprops.report.report_files import Files
from gdprops.report.sarif_file import sarif
from tests.report import verdicts
from tests.report.verdicts import Level, Status

TEXT = {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"]}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "format": "uri-reference", "pattern": r"^[^\\ ]+$"}},
                },
                "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        },
        "message": TEXT,
    },
}
ADDRESS = {"type": "string", "pattern": r"^https://gdprops\.example/specification/[a-z-]+\.[a-z-]+/$"}
RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "defaultConfiguration"],
    "properties": {"id": {"type": "string"}, "shortDescription": TEXT, "help": TEXT, "helpUri": ADDRESS},
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
    "properties": {
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION, "maxItems": 10},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        "suppressions": {"type": "array", "items": {"required": ["kind"]}},
    },
}
ESSENTIAL = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "properties": {"rules": {"type": "array", "items": RULE, "uniqueItems": True}},
                            }
                        },
                    },
                    "invocations": {"type": "array", "items": {"required": ["executionSuccessful"]}},
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}
"""The part of the schema of SARIF 2.1.0 that its readers rely on, with what code hosts require."""


def complaints(log: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="the extra `test` is not installed")
    return [error.message for error in jsonschema.Draft202012Validator(ESSENTIAL).iter_errors(log)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my net.py").write_text("pass\n" * 20, encoding="utf-8")
    return tmp_path


RUN = verdicts.outcome(
    verdicts.held(clause="step.once"),
    verdicts.violated(places=(Note("W2 is written here", "my net.py", 15), Note("and read here", "my net.py", 17))),
    verdicts.violated(
        clause="step.plain", explanation=None, reason="step(x, y) raised TypeError at my net.py:9: no such thing"
    ),
    verdicts.violated(clause="step.cost", level=Level.RECOMMENDED),
    verdicts.held(clause="step.mode", status=Status.ACCEPTED, reason="see #12"),
    verdicts.vacuous(),
    verdicts.reference(),
    subject="my net.py:build",
    identity="training-step {build: my net.py:build}",
)


def results(*outcomes: verdicts.Outcome) -> dict[str, Any]:
    (run,) = sarif(outcomes)["runs"]
    return {result["ruleId"]: result for result in run["results"]}


def test_the_file_has_the_required_structure(here: Path) -> None:
    Files(sarif="r.sarif").write([RUN, verdicts.outcome(refused="no such file: x.py")])
    log = json.loads((here / "r.sarif").read_text(encoding="utf-8"))
    assert complaints(log) == []
    assert complaints({**log, "version": "2.0.0"}) == ["'2.1.0' was expected"]
    log["runs"][0]["results"][0]["message"] = {}
    assert complaints(log) == ["'text' is a required property"]


def test_a_rule_for_each_clause_with_its_level(here: Path) -> None:
    (run,) = sarif([RUN, RUN])["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"]: rule["defaultConfiguration"]["level"] for rule in rules} == {
        "step.once": "error",
        "step.simultaneous": "error",
        "step.plain": "error",
        "step.cost": "warning",
        "step.mode": "error",
        "step.trains": "error",
    }
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [r["ruleId"] for r in run["results"]]


def test_a_result_for_each_violation_with_its_line(here: Path) -> None:
    found = results(RUN)
    assert list(found) == ["step.simultaneous", "step.plain", "step.cost", "step.mode"]
    told = found["step.simultaneous"]
    assert told["level"] == "error"
    assert told["message"]["text"] == (
        "my net.py:build: A layer-by-layer update, last layer first, reproduces the weights seen."
    )
    assert told["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "my%20net.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 15},
            },
            "message": {"text": "W2 is written here"},
        }
    ]
    assert told["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 17}
    raised = found["step.plain"]["locations"][0]
    assert raised["physicalLocation"]["region"] == {"startLine": 9}
    assert found["step.cost"]["level"] == "warning"
    assert "region" not in found["step.cost"]["locations"][0]["physicalLocation"]
    assert found["step.mode"]["suppressions"] == [{"kind": "external", "justification": "see #12"}]


def test_a_subject_that_is_no_file_has_no_place(here: Path) -> None:
    assert results(verdicts.outcome(verdicts.violated()))["step.simultaneous"]["locations"] == []


def test_the_fingerprint_is_that_of_the_subject_and_the_clause(here: Path) -> None:
    def prints(**changes: Any) -> set[str]:
        run = verdicts.outcome(
            verdicts.violated(), verdicts.violated(clause="step.plain"), **{"identity": "one", **changes}
        )
        return {result["partialFingerprints"]["subjectAndClause/v1"] for result in results(run).values()}

    assert len(prints()) == 2
    assert prints() == prints(subject="another name of it")
    assert not prints() & prints(identity="another")


def test_what_was_not_judged_is_a_notification(here: Path) -> None:
    broken = verdicts.outcome(verdicts.held(status=Status.ERROR, reason="Traceback (most …):\n  x\nKeyError: 'z'"))
    (run,) = sarif([verdicts.outcome(refused="no such file: x.py"), broken])["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [told["message"]["text"] for told in invocation["toolExecutionNotifications"]] == [
        "mypkg:MySGD(lr=0.5): could not be used: no such file: x.py",
        "mypkg:MySGD(lr=0.5): a bug of gdprops in step.simultaneous: KeyError: 'z'",
    ]
    assert run["results"] == []
    assert sarif([verdicts.outcome(verdicts.held())])["runs"][0]["invocations"][0]["executionSuccessful"] is True
