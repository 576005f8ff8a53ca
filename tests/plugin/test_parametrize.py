"""The pytest door: what each verdict does to a test, and what the options change."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gdprops.model.json_form import verdict_from_dict
from gdprops.plugin.verdict_property import PROPERTY

ROOT = Path(__file__).parent.parent.parent

CONFTEST = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import tests.commands.fake_engine as fake
fake.install()
from gdprops.model.verdict import Status
"""

SUITE = """
import gdprops

@gdprops.parametrize(["b:Later", "a:First"], clauses={clauses!r})
def test_specification(subject, clause):
    verdict = clause.check(subject)
    print(subject, clause.id, verdict.examples)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(SUITE.format(clauses="step.*"))
    pytester.makeconftest(CONFTEST)
    return pytester


def run(suite: pytest.Pytester, *flags: str, found: str = "") -> pytest.RunResult:
    if found:
        suite.makeconftest(CONFTEST + found)
    return suite.runpytest_subprocess("-p", "no:cacheprovider", *flags)


def test_ids_are_readable_and_sorted(suite: pytest.Pytester) -> None:
    result = run(suite, "--collect-only", "-q")
    assert [line.partition("::")[2] for line in result.outlines if "::" in line] == [
        f"test_specification[{subject}-step.{clause}]"
        for subject in ("a:First", "b:Later")
        for clause in ("simultaneous", "plain", "cost")
    ]


def test_what_holds_passes(suite: pytest.Pytester) -> None:
    result = run(suite, "-W", "error")
    result.assert_outcomes(passed=6)


def test_what_is_violated_fails_with_the_message_and_no_traceback(suite: pytest.Pytester) -> None:
    result = run(suite, found="fake.STATUSES['step.plain'] = Status.VIOLATED")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*test_specification?a:First-step.plain?*",
            "VIOLATED step.plain",
            "subject     a:First",
            "where       layer1.weight, index (0, 1), step 1",
        ]
    )
    result.stdout.no_fnmatch_line("*parametrize.py*")


@pytest.mark.parametrize(("status", "code"), [("ABORTED", 1), ("ERROR", 3)])
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_an_abortion_and_an_error_fail_and_an_error_is_our_bug(
    suite: pytest.Pytester, status: str, code: int, workers: tuple[str, ...]
) -> None:
    result = run(suite, *workers, found=f"fake.STATUSES['step.cost'] = Status.{status}")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines([f"{status} step.cost (recommended)", "reason*a good reason"])
    assert result.ret == code


def test_a_property_of_another_test_is_no_bug_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(record_property):\n    record_property('status', 'error')\n")
    assert pytester.runpytest_subprocess().ret == 0


def test_what_is_vacuous_skips_with_the_reason_and_fails_when_strict(suite: pytest.Pytester) -> None:
    found = "fake.STATUSES['step.plain'] = Status.VACUOUS"
    result = run(suite, "-rs", found=found)
    result.assert_outcomes(passed=4, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*step.plain is vacuous: a good reason"])
    result = run(suite, "--gdprops-strict", found=found)
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines(["step.plain is vacuous: a good reason"])


def test_what_does_not_apply_skips_even_when_strict(suite: pytest.Pytester) -> None:
    result = run(suite, "-rs", "--gdprops-strict", found="fake.STATUSES['step.plain'] = Status.NOT_APPLICABLE")
    result.assert_outcomes(passed=4, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*step.plain is not-applicable: a good reason"])


def test_a_violated_recommendation_warns_and_fails_when_strict(suite: pytest.Pytester) -> None:
    found = "fake.STATUSES['step.cost'] = Status.VIOLATED"
    result = run(suite, found=found)
    result.assert_outcomes(passed=6, warnings=2)
    result.stdout.fnmatch_lines(["*GdpropsWarning: VIOLATED step.cost (recommended)"])
    run(suite, "-W", "ignore::gdprops.GdpropsWarning", found=found).assert_outcomes(passed=6)
    run(suite, "-W", "error::gdprops.GdpropsWarning", found=found).assert_outcomes(passed=4, failed=2)
    run(suite, "--gdprops-strict", found=found).assert_outcomes(passed=4, failed=2)


def test_options_reach_the_clause(suite: pytest.Pytester) -> None:
    run(suite, "-s", "--gdprops-examples", "7").stdout.fnmatch_lines(["*a:First step.simultaneous 7*"])
    run(suite, "-s", "--gdprops-profile", "nightly").stdout.fnmatch_lines(["*step.simultaneous 1000*"])
    run(suite, "-s", "-p", "no:gdprops").stdout.fnmatch_lines(["*a:First step.simultaneous 100*"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--gdprops-examples", "0"), "--gdprops-examples=0; expected a whole number of at least 1"),
        (("--gdprops-seed", "-1"), "--gdprops-seed=-1; expected a whole number of at least 0, or None"),
        (("--gdprops-profile", "x"), "--gdprops-profile='x'; expected one of dev, ci, nightly"),
    ],
)
def test_options_that_mean_nothing_are_refused(suite: pytest.Pytester, flags: tuple[str, ...], message: str) -> None:
    result = run(suite, *flags)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line.strip() for line in result.errlines if line] == [f"ERROR: {message}"]


def test_an_unknown_subject_fails_with_one_line(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        "import gdprops\n"
        "@gdprops.parametrize(['no:thing'], clauses='step.plain')\n"
        "def test_it(subject, clause):\n"
        "    clause.check(subject)\n"
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["gdprops: error: no module is named 'no'"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_pattern_that_matches_nothing_is_refused_when_collected(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE.format(clauses="step.plane"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: clauses='step.plane' matches no clause; did you mean*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_verdicts_are_recorded_in_the_junit_file(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run(suite, "--junitxml", "j.xml", *workers)
    properties = [node.attrib for node in ElementTree.parse(suite.path / "j.xml").getroot().iter("property")]
    verdicts = [verdict_from_dict(json.loads(p["value"])) for p in properties if p["name"] == PROPERTY]
    assert sorted(verdict.clause for verdict in verdicts) == sorted(
        ["step.simultaneous", "step.plain", "step.cost"] * 2
    )


def test_test_classes_fixtures_and_other_parameters_work(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
        import pytest, gdprops

        class TestMine:
            @pytest.mark.parametrize("extra", [1, 2])
            @gdprops.parametrize(["a:B"], clauses=["step.plain", "step.cost"])
            def test_it(self, subject, clause, extra, tmp_path):
                assert clause.check(subject).clause == clause.id
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=4)


def test_other_tests_with_a_parameter_named_clause_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys, pytest

        @pytest.mark.parametrize("clause", ["a", "b"])
        def test_it(clause):
            assert "gdprops.plugin.parametrize" not in sys.modules
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
