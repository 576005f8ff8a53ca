"""Verdicts as plain data, and the exit code that they add up to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gdprops.model import exit_codes
from gdprops.model.clause import Level
from gdprops.model.evidence import Compared, Location
from gdprops.model.json_form import SCHEMA, outcomes_to_dict, to_dict, verdict_from_dict, verdict_to_dict
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import SPECIFICATION, About, Counterexample, Status, Verdict, names_of

HELD = Verdict("step.plain", About.SUBJECT, Level.REQUIRED, Status.HELD, "It is plain.", examples=100, decisive=90)
REFERENCE = replace(HELD, clause="gradient.pure", about=About.REFERENCE)
ADVICE = replace(HELD, clause="step.cost", level=Level.RECOMMENDED)
FULL = replace(
    HELD,
    status=Status.VIOLATED,
    worst_ratio=float("inf"),
    blame=("w1", "w2"),
    first_wrong_step=2,
    location=Location("w1", (0, 1), 2, "0.5", "0.25", 0.25, None, 0.0),
    explanation="twice",
    counterexample=Counterexample({"kind": "update"}, "print(1)", "a.json", "gdprops replay a.json"),
    also=("step.once",),
    reason="joint",
    seconds=0.5,
    vacuous_reasons={"nothing moves": 3},
    compared=(
        Compared("w1", (1, 2), True, 0.5, 0.25, (1.0, 2.0), (1.5, 2.0), (1.25, 2.0)),
        Compared("w2", (9, 9), True),
    ),
)


def outcome(*verdicts: Verdict, strict: bool = False, counted: About = About.SUBJECT) -> Outcome:
    return Outcome("a subject", 1, "dev", verdicts, strict, {"seconds": 1.0}, counted)


def of(verdict: Verdict, status: Status) -> Verdict:
    return replace(verdict, status=status)


S, A, R = HELD, ADVICE, REFERENCE
PURE = replace(HELD, clause="gradient.pure")


@pytest.mark.parametrize(
    ("verdicts", "lenient", "strict"),
    [
        ([S], 0, 0),
        ([S, R], 0, 0),
        ([S, of(S, Status.VIOLATED)], 1, 1),
        ([S, of(S, Status.ABORTED)], 1, 1),
        ([S, of(A, Status.VIOLATED)], 0, 1),
        ([S, of(A, Status.ABORTED)], 1, 1),
        ([S, of(S, Status.VACUOUS)], 0, 1),
        ([S, of(S, Status.NOT_APPLICABLE)], 0, 0),
        ([S, of(S, Status.ACCEPTED)], 0, 0),
        ([S, of(S, Status.ERROR)], 3, 3),
        ([of(S, Status.VIOLATED), of(S, Status.ERROR)], 3, 3),
        ([S, of(R, Status.VIOLATED)], 3, 3),
        ([of(S, Status.VIOLATED), of(R, Status.VIOLATED)], 3, 3),
        ([S, of(R, Status.VACUOUS)], 0, 0),
        ([], 5, 5),
        ([R], 5, 5),
        ([of(S, Status.VACUOUS)], 5, 1),
        ([of(S, Status.NOT_APPLICABLE), R], 5, 5),
        ([A], 0, 0),
        ([A, of(A, Status.VACUOUS)], 0, 1),
        ([A, of(S, Status.VACUOUS)], 5, 1),
        ([A, of(S, Status.NOT_APPLICABLE)], 5, 5),
        ([A, of(S, Status.ACCEPTED)], 0, 0),
        ([A, of(S, Status.VACUOUS), of(S, Status.VIOLATED)], 1, 1),
        ([PURE], 0, 0),
        ([PURE, of(S, Status.VACUOUS)], 5, 1),
        ([PURE, S, of(S, Status.VACUOUS)], 0, 1),
    ],
)
def test_the_exit_code(verdicts: list[Verdict], lenient: int, strict: int) -> None:
    assert outcome(*verdicts).exit_code == lenient
    assert outcome(*verdicts, strict=True).exit_code == strict


OTHER = replace(HELD, clause="optimizer.resume")
UP = replace(HELD, clause="step.descends", status=Status.VACUOUS, decisive=0, vacuous_reasons={exit_codes.CLIMBS: 9})
BOWL = replace(ADVICE, clause="optimizer.descends-by-default", status=Status.VIOLATED)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([OTHER, UP], 5),
        ([OTHER, BOWL], 5),
        ([OTHER, UP, BOWL], 5),
        ([OTHER, UP, of(OTHER, Status.VIOLATED)], 1),
        ([OTHER, UP, replace(S, clause="step.plain")], 0),
        ([OTHER, BOWL, replace(S, clause="step.descends")], 0),
        ([OTHER, BOWL, replace(S, clause="published.adam")], 0),
        ([OTHER, UP, replace(S, clause="step.plain", status=Status.VACUOUS)], 5),
        ([OTHER, replace(UP, decisive=1)], 0),
        ([OTHER, replace(UP, vacuous_reasons={"maximize is set": 9})], 0),
        ([OTHER, of(BOWL, Status.VACUOUS)], 0),
    ],
)
def test_what_climbs_undecided_is_no_success(verdicts: list[Verdict], code: int) -> None:
    """A subject that goes up, and declares neither a rule nor maximize, may be meant to: it is not accused."""
    assert outcome(*verdicts).exit_code == code
    assert outcome(*verdicts).climbs is (code != 0)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [([R], 0), ([R, of(R, Status.VACUOUS)], 5), ([R, of(R, Status.VIOLATED)], 3), ([of(R, Status.ERROR)], 3)],
)
def test_a_self_check_counts_the_reference_and_wants_all_of_it(verdicts: list[Verdict], code: int) -> None:
    assert outcome(*verdicts, counted=About.REFERENCE).exit_code == code


def test_the_json_form_is_plain_and_complete() -> None:
    data = to_dict(outcome(FULL, R))
    assert list(data) == [
        "schema",
        "specification",
        "subject",
        "seed",
        "profile",
        "strict",
        "complete",
        "min_clauses",
        "ok",
        "exit_code",
        "refused",
        "counts",
        "notes",
        "verdicts",
        "timing",
    ]
    assert (data["schema"], data["specification"]) == (SCHEMA, SPECIFICATION)
    assert (data["ok"], data["exit_code"], len(data["verdicts"])) == (False, 1, 2)
    assert json.loads(json.dumps(data))["verdicts"][0]["location"]["parameter"] == "w1"


def test_what_differs_from_run_to_run_stands_under_timing() -> None:
    slower = replace(outcome(replace(HELD, seconds=2.5)), timing={"seconds": 3.0})
    data = to_dict(slower)
    assert data.pop("timing") == {"seconds": 3.0, "clauses": {"step.plain": 2.5}}
    again = to_dict(outcome(HELD))
    del again["timing"]
    assert data == again


@pytest.mark.parametrize("verdict", [HELD, REFERENCE, ADVICE, FULL], ids=lambda verdict: str(verdict.clause))
def test_a_verdict_comes_back_from_json_as_it_was(verdict: Verdict) -> None:
    text = json.dumps(verdict_to_dict(verdict))
    again = verdict_from_dict(json.loads(text))
    assert again == verdict
    assert isinstance(again.status, Status)
    assert isinstance(again.level, Level)
    assert isinstance(again.about, About)
    assert all(isinstance(part, tuple) for part in (again.blame, again.also))


@pytest.mark.parametrize(
    ("verdict", "failed", "strictly"),
    [
        (HELD, False, False),
        (of(HELD, Status.VIOLATED), True, True),
        (of(ADVICE, Status.VIOLATED), False, True),
        (of(HELD, Status.VACUOUS), False, True),
        (of(HELD, Status.ACCEPTED), False, False),
    ],
)
def test_red_and_strictly_red(verdict: Verdict, *, failed: bool, strictly: bool) -> None:
    assert (verdict.failed, verdict.failed_strictly) == (failed, strictly)


def test_verdicts_by_whose_they_are() -> None:
    whole: Any = outcome(HELD, REFERENCE, ADVICE)
    assert names_of(whole.of(About.SUBJECT)) == ("step.plain", "step.cost")
    assert names_of(whole.of(About.REFERENCE)) == ("gradient.pure",)


@pytest.mark.parametrize(("least", "code"), [(0, 0), (1, 0), (2, 1)])
def test_too_few_held_clauses_are_red(least: int, code: int) -> None:
    assert replace(outcome(S, R), min_clauses=least).exit_code == code


@pytest.mark.parametrize(
    ("several", "code"),
    [([], 0), ([S], 0), ([S, of(S, Status.VACUOUS)], 5), ([S, of(S, Status.VIOLATED), of(S, Status.VACUOUS)], 1)],
)
def test_several_runs_end_as_the_worst_of_them(several: list[Verdict], code: int) -> None:
    runs = [outcome(verdict) for verdict in several]
    assert exit_codes.worst(run.exit_code for run in runs) == code
    data = outcomes_to_dict(runs)
    assert (data["exit_code"], data["ok"], len(data["runs"])) == (code, code == 0, len(several))
