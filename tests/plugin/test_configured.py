"""``pytest --gdprops``: the subjects of pyproject.toml as tests, and the reports of a whole pytest run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest

from tests.plugin.test_parametrize import CONFTEST

TABLE = """
[tool.gdprops]
exclude = ["step.cost"]
min-clauses = {least}
subjects = {{ mine = "a:B", other = "{other}" }}
params = {{ mine = {{ lr = 0.1 }} }}
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    table(pytester)
    return pytester


def table(project: pytest.Pytester, *, least: int = 2, other: str = "c:D") -> None:
    project.makepyprojecttoml(TABLE.format(least=least, other=other))


def run(project: pytest.Pytester, *flags: str, found: str = "") -> pytest.RunResult:
    if found:
        project.makeconftest(CONFTEST + found)
    return project.runpytest_subprocess("-p", "no:cacheprovider", *flags)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_subjects_are_run_without_any_test_file(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run(project, "--gdprops", "-rs", *workers)
    result.assert_outcomes(passed=4, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "a:B(lr=0.1): of 3 clauses, 2 held, 1 does not apply (excluded by*",
            "c:D: of 3 clauses, 2 held, 1 does not apply (excluded by*",
            "SKIPPED*step.cost is not-applicable: excluded by 'step.cost' in pyproject.toml",
        ]
    )
    assert result.ret == 0


def test_a_run_that_did_not_ask_for_it_has_no_such_tests(project: pytest.Pytester) -> None:
    assert run(project).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_ids_are_readable_and_can_be_chosen(project: pytest.Pytester) -> None:
    result = run(project, "--gdprops", "--collect-only", "-q", "-k", "mine and plain")
    assert "pyproject.toml::mine::step.plain" in result.outlines
    assert not any("other" in line for line in result.outlines)


@pytest.mark.daily
def test_test_files_run_beside_it_and_know_the_names_and_nothing_runs_twice(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import gdprops

        @gdprops.parametrize(["mine", "min"], "step.plain")
        def test_it(subject, clause):
            clause.check(subject)
        """
    )
    result = run(project, "--gdprops")
    result.assert_outcomes(passed=4, skipped=2, failed=1, deselected=1)
    result.stdout.fnmatch_lines(["gdprops: error: no subject is named 'min' in pyproject.toml; did you mean 'mine'*"])
    result = run(project, "-k", "mine")
    result.assert_outcomes(passed=1, deselected=1)


def test_fewer_held_than_wanted_is_red(project: pytest.Pytester) -> None:
    table(project, least=3)
    result = run(project, "--gdprops")
    result.assert_outcomes(passed=4, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["min-clauses = 3, but only 2 clauses held."])
    assert run(project, "--gdprops", "-k", "step.plain").ret == 0


def test_a_broken_subject_is_one_line(project: pytest.Pytester) -> None:
    table(project, other="no:thing")
    result = run(project, "--gdprops")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["gdprops: error: no module is named 'no'", "ERROR pyproject.toml::other"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ERROR: --gdprops: no [[]tool.gdprops] in a pyproject.toml in *; gdprops init SUBJECT writes it"),
        ("[tool.gdprops]\n", "ERROR: --gdprops: [[]tool.gdprops] in pyproject.toml names no subjects"),
        ("[tool.gdprops]\nsubject = 1\n", "ERROR: --gdprops: *unknown key 'subject'; did you mean 'subjects'?"),
    ],
)
def test_nothing_to_run_is_one_line(project: pytest.Pytester, text: str, message: str) -> None:
    project.makepyprojecttoml(text)
    result = run(project, "--gdprops")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_reports_are_written_of_the_whole_run(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    files = ["--gdprops-json", "r.json", "--gdprops-junit", "r.xml", "--gdprops-markdown", "r.md"]
    result = run(project, "--gdprops", *files, *workers, found="fake.STATUSES['step.plain'] = Status.VIOLATED")
    result.assert_outcomes(passed=2, failed=2, skipped=2)
    data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert (data["ok"], data["exit_code"], data["complete"]) == (False, 1, True)
    assert [run["subject"] for run in data["runs"]] == ["a:B(lr=0.1)", "c:D"]
    assert [verdict["status"] for verdict in data["runs"][0]["verdicts"]] == ["held", "violated", "not-applicable"]
    suites = ElementTree.parse(project.path / "r.xml").getroot().findall("testsuite")
    assert [(s.attrib["name"], s.attrib["failures"], s.attrib["skipped"]) for s in suites] == [
        ("a:B(lr=0.1)", "1", "1"),
        ("c:D", "1", "1"),
    ]
    assert "\n## ❌ gdprops: FAILED a:B(lr=0.1): 1 required clause fails" in (project.path / "r.md").read_text("utf-8")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_every_property_is_in_pytests_own_junit_file(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run(project, "--gdprops", "--junitxml", "j.xml", *workers)
    cases = ElementTree.parse(project.path / "j.xml").getroot().iter("testcase")
    found = [{p.attrib["name"]: p.attrib["value"] for p in case.iter("property")} for case in cases]
    assert len(found) == 6
    for properties in found:
        wanted = {"subject", "clause", "specification", "examples", "decisive", "worst_ratio", "status"}
        assert wanted <= set(properties)
    assert {(p["subject"], p["clause"]) for p in found if p["worst_ratio"] == "exact"} >= {("c:D", "step.plain")}


def test_a_report_that_cannot_be_written_is_found_before_the_run(project: pytest.Pytester) -> None:
    result = run(project, "--gdprops", "--gdprops-json", "/no/such/r.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --gdprops-json /no/such/r.json: cannot be written (No such file or directory)"]
    )


def test_a_step_summary_is_written_where_the_runner_wants_one(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = project.path / "summary.md"
    summary.write_text("# before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run(project, "--gdprops")
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# before\n## gdprops: 2 subjects: 2 passed.\n")
    assert "\n## ✅ gdprops: PASSED a:B(lr=0.1): 2 clauses held (" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/no/such/folder/s.md")
    result = run(project, "--gdprops")
    assert result.ret == 0
    result.stderr.fnmatch_lines(["gdprops: warning: GITHUB_STEP_SUMMARY: cannot be written (No such file or*"])


def test_an_interrupted_run_writes_what_it_found_as_incomplete(project: pytest.Pytester) -> None:
    table(project, other="ctrl:c")
    result = run(project, "--gdprops", "--gdprops-json", "r.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert (data["complete"], data["exit_code"]) == (False, 130)
    mine, other = data["runs"]
    assert (mine["subject"], len(mine["verdicts"]), other["subject"], len(other["verdicts"])) == (
        "a:B(lr=0.1)",
        3,
        "ctrl:c",
        1,
    )


@pytest.mark.parametrize("ci", ["", "true"])
def test_chosen_tests_are_no_interruption_and_a_violation_is_printed_once(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    found = "fake.STATUSES['step.plain'] = Status.VIOLATED"
    flags = ("-k", "mine and plain", "--gdprops-sarif", "r.sarif", "--gdprops-json", "r.json")
    result = run(project, "--gdprops", *flags, found=found)
    result.assert_outcomes(failed=1, deselected=5)
    assert str(result.stdout).count("A layer-by-layer update, last layer first, reproduces the weights seen.") == 1
    result.stdout.fnmatch_lines(["a:B(lr=0.1): of 1 clause, 1 violated."])
    result.stdout.no_fnmatch_line("*interrupted*")
    result.stdout.fnmatch_lines(["FAILED pyproject.toml::mine::step.plain - VIOLATED step.plain"])
    (one,) = json.loads((project.path / "r.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    assert one["ruleId"] == "step.plain"
    data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert (data["complete"], data["exit_code"], data["counts"]["violated"]) == (False, 1, 1)
    assert data["run"]["command"].endswith("--gdprops-json r.json")


def accept(project: pytest.Pytester, subject: str, clause: str = "step.plain") -> None:
    entry = {"subject": subject, "clause": clause, "revision": 1, "reason": "see #12", "case": None}
    text = json.dumps({"gdprops": 1, "accepted": [entry]})
    (project.path / "gdprops-accepted.json").write_text(text, encoding="utf-8")


def test_an_accepted_violation_is_an_expected_failure(project: pytest.Pytester) -> None:
    accept(project, "c:D")
    result = run(project, "--gdprops", "-rx", found="fake.STATUSES['step.plain'] = Status.VIOLATED")
    result.assert_outcomes(passed=2, failed=1, xfailed=1, skipped=2)
    result.stdout.fnmatch_lines(["XFAIL pyproject.toml::other::step.plain - step.plain is accepted: see #12"])


def test_a_stale_acceptance_fails(project: pytest.Pytester) -> None:
    accept(project, "c:D")
    result = run(project, "--gdprops")
    result.assert_outcomes(passed=3, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["step.plain: accepted (see #12), but it passes now: remove the entry, or run*"])


def test_an_acceptance_of_what_is_not_run_is_red(project: pytest.Pytester) -> None:
    accept(project, "gone:Away")
    result = run(project, "--gdprops")
    result.assert_outcomes(passed=4, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["gdprops-accepted.json: the run did not contain step.plain of gone:Away: remove the entry"]
    )
    assert run(project, "--gdprops", "-k", "mine").ret == 0


def test_a_malformed_file_of_acceptances_is_one_line(project: pytest.Pytester) -> None:
    (project.path / "gdprops-accepted.json").write_text("{", encoding="utf-8")
    result = run(project, "--gdprops")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --gdprops: *gdprops-accepted.json is not JSON: *"])


def test_acceptances_from_python(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import gdprops

        @gdprops.parametrize(["a:B"], "step.*", accepted={"step.plain": "known"})
        def test_it(subject, clause):
            clause.check(subject)
        """
    )
    result = run(project, found="fake.STATUSES['step.plain'] = Status.VIOLATED")
    result.assert_outcomes(passed=1, skipped=1, xfailed=1)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_shards_are_together_the_whole(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    project.makepyfile("def test_of_something_else(): pass")
    ran = []
    for shard in ("1/2", "2/2"):
        flags = ("--gdprops", "--gdprops-shard", shard, "--gdprops-json", "r.json", *workers)
        result = run(project, *flags, found="")
        assert result.parseoutcomes()["passed"] >= 1
        assert result.ret == 0
        data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
        assert data["complete"] is False
        ran += [(one["subject"], verdict["clause"]) for one in data["runs"] for verdict in one["verdicts"]]
    assert len(ran) == len(set(ran)) == 6


def test_what_is_no_shard_or_server_is_refused(project: pytest.Pytester) -> None:
    result = run(project, "--gdprops", "--gdprops-shard", "3/2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --gdprops-shard='3/2'; expected i/n with 1 <= i <= n, for instance 1/3"])
    result = run(project, "--gdprops", "--gdprops-share", "localhost")
    result.stderr.fnmatch_lines(["ERROR: --gdprops-share='localhost'; expected the address of a Redis server, *"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_sigterm_still_writes_the_reports(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """The fake subject says through a file that it has begun, then waits; a report on it alone has no list of runs."""
    table(project, other="slow:one")
    mark = project.path / "begun"
    monkeypatch.setenv("GDPROPS_TEST_MARK", str(mark))
    flags = ("-p", "no:cacheprovider", "--gdprops", "--gdprops-json", "r.json", *workers)
    command = [sys.executable, "-m", "pytest", *flags]
    with subprocess.Popen(command, cwd=project.path, stdout=subprocess.DEVNULL) as running:
        while not mark.exists():
            time.sleep(0.05)
            assert running.poll() is None
        running.terminate()
        running.wait(timeout=60)
    assert running.returncode == pytest.ExitCode.INTERRUPTED
    data = json.loads((project.path / "r.json").read_text(encoding="utf-8"))
    assert data["complete"] is False
    assert all("verdicts" in one for one in data.get("runs", [data]))
