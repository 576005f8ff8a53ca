"""The command line: what each command prints, and the exit code of everything that can go wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gdprops.cli import main
from gdprops.model.verdict import Status
from tests.commands import fake_engine

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command on the fake engine: exit code, standard output, standard error."""
    fake_engine.install(monkeypatch)
    monkeypatch.delenv("CI", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> dict[str, Status]:
    """Say what the fake engine finds."""
    found: dict[str, Status] = {}
    monkeypatch.setattr(fake_engine, "STATUSES", found)
    return found


PASSED = "PASSED  a:B: 3 clauses held (0.2 s)\n"


def test_check_prints_the_answer_the_chapters_and_the_reference(run: Run) -> None:
    code, out, err = run("check", "a:B", "-p", "lr=0.1", "--seed", "3", "--examples", "7")
    assert (code, err) == (0, "")
    answer = "PASSED  a:B(lr=0.1): 3 clauses held (0.2 s)\n"
    below = "step  3 held\nreference: 1 of 1 held\nprofile dev, seed 3; -v lists the clauses\n"
    assert out == f"{answer}\n{below}{answer}"
    assert "7/7" in run("check", "a:B", "-v", "--examples", "7")[1]


def test_a_pipe_gets_neither_escape_codes_nor_trailing_spaces(run: Run) -> None:
    _, out, _ = run("check", "a:B", "-v")
    assert "\x1b" not in out
    assert all(line == line.rstrip() for line in out.splitlines())


def test_a_violation_is_exit_code_one(run: Run, statuses: dict[str, Status]) -> None:
    statuses["step.simultaneous"] = Status.VIOLATED
    code, out, _ = run("check", "a:B")
    assert code == 1
    assert out.startswith("FAILED  a:B: 1 required clause fails (0.2 s)\n\nVIOLATED step.simultaneous\n")


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1)])
@pytest.mark.parametrize(("clause", "status"), [("step.plain", Status.VACUOUS), ("step.cost", Status.VIOLATED)])
def test_strict_makes_vacuous_and_recommended_red(
    run: Run, statuses: dict[str, Status], flags: tuple[str, ...], code: int, clause: str, status: Status
) -> None:
    statuses[clause] = status
    assert run("check", "a:B", *flags)[0] == code


def test_an_error_of_ours_is_three_and_nothing_held_is_five(run: Run, statuses: dict[str, Status]) -> None:
    statuses["step.plain"] = Status.ERROR
    assert run("check", "a:B")[0] == 3
    statuses.update(dict.fromkeys(("step.simultaneous", "step.plain", "step.cost"), Status.NOT_APPLICABLE))
    code, out, _ = run("check", "a:B")
    assert code == 5
    assert out.startswith("NOT DECIDED  a:B: 0 clauses held")
    assert "step  3 do not apply\n" in out


def test_fail_fast_stops(run: Run, statuses: dict[str, Status]) -> None:
    statuses["step.simultaneous"] = Status.VIOLATED
    assert "step  1 violated\n" in run("check", "a:B", "-x")[1]


def test_quiet_is_the_summary_alone(run: Run) -> None:
    assert run("check", "a:B", "-q") == (0, PASSED, "")


def test_clauses_are_chosen_by_pattern(run: Run) -> None:
    out = run("check", "a:B", "--clauses", "step.p*", "--clauses", "step.cost", "-q")[1]
    assert out.startswith("PASSED  a:B: 2 clauses held")


def test_json_is_written_beside_the_text(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "r.json"
    assert run("check", "a:B", "--json", str(target), "--seed", "0")[0] == 0
    data = json.loads(target.read_text(encoding="utf-8"))
    assert (data["subject"], data["seed"], data["ok"]) == ("a:B", 0, True)
    assert data["verdicts"][0]["clause"] == "step.simultaneous"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check",), "Missing argument 'SUBJECT…'."),
        (("chek",), "No such command 'chek'."),
        (("check", "a:B", "--exampels", "4"), "No such option"),
        (("check", "a:B", "--examples", "many"), "Invalid value for '--examples': 'many' is not a valid integer."),
        (("check", "a:B", "--examples", "0"), "examples=0; expected a whole number of at least 1"),
        (("check", "a:B", "--seed", "-1"), "seed=-1; expected a whole number of at least 0, or None"),
        (("check", "a:B", "--timeout", "0"), "timeout=0.0; expected a positive number of seconds"),
        (("check", "a:B", "--timeout", "nan"), "timeout=nan; expected a positive number of seconds"),
        (("check", "a:B", "--profile", "cii"), "profile='cii'; expected one of dev, ci, nightly; did you mean 'ci'?"),
        (("check", "a:B", "-n", "0"), "-n 0: expected a number of processes of at least 1, or auto"),
        (("check", "a:B", "-n", "two"), "-n two: expected a number of processes of at least 1, or auto"),
        (("check", "a:B", "-p", "lr"), "-p lr: expected name=value, for instance -p lr=0.1"),
        (("check", "a:B", "-p", "lr=1", "-p", "lr=2"), "-p lr=2: lr was given before, as 1"),
        (("check", "no:thing"), "no module is named 'no'"),
        (
            ("check", "a:B", "--clauses", "step.simultanous"),
            "clauses='step.simultanous' matches no clause; did you mean 'step.simultaneous'",
        ),
        (("check", "a:B", "--json", "/no/such/r.json"), "--json /no/such/r.json: cannot be written"),
        (("check", "a:B", "--json", "/"), "--json /: cannot be written (Is a directory)"),
        (("check", "a:B", "--junit", 5000 * "x"), "--junit xxxxxxx"),
        (("show", "step.simultanous"), "no clause is named 'step.simultanous'; did you mean 'step.simultaneous'"),
        (("replay", "other.json", "a:B"), "other.json: not a case that gdprops saved"),
        (("faults", "--examples", "0"), "Invalid value for '--examples': 0 is not in the range x>=1."),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_and_two(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"gdprops: error: {message}")
    assert err.count("\n") == 1


def test_a_report_that_cannot_be_written_is_one_line_after_the_verdict(run: Run, statuses: dict[str, Status]) -> None:
    told = "gdprops: error: --json /dev/full: cannot be written (No space left on device)\n"
    code, out, err = run("check", "a:B", "--seed", "1", "-q", "--json", "/dev/full")
    assert (code, out, err) == (2, PASSED, told)
    statuses["step.plain"] = Status.VIOLATED
    code, out, err = run("check", "a:B", "--seed", "1", "--json", "/dev/full")
    assert (code, err) == (1, told)
    assert "VIOLATED step.plain" in out


def test_an_interrupted_run_prints_what_was_found(run: Run) -> None:
    code, out, err = run("check", "ctrl:c")
    assert code == 130
    assert err == "gdprops: interrupted; this is what was found so far\n"
    assert out.startswith("INTERRUPTED  ctrl:c: 1 clause held")


def test_an_interruption_before_any_result_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["gdprops.kinds.resolve"], "resolve", interrupted)
    assert run("check", "a:B") == (130, "", "gdprops: interrupted\n")


def test_a_bug_of_ours_is_three_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **keywords: object) -> None:
        raise AssertionError("unexpected")

    monkeypatch.setattr(sys.modules["gdprops.kinds.resolve"], "resolve", broken)
    code, _, err = run("check", "a:B")
    assert code == 3
    assert err.endswith(
        "AssertionError: unexpected\ngdprops: this is a bug of gdprops; please report the lines above\n"
    )


def test_a_subject_that_ends_the_process_is_wrong_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["gdprops.kinds.resolve"], "resolve", lambda *a, **k: sys.exit(4))
    assert run("check", "a:B") == (
        2,
        "",
        "gdprops: error: the subject ended the process with SystemExit(4)\n",
    )


def test_the_profile_is_ci_where_ci_is_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert "profile ci, seed 0;" in run("check", "a:B")[1]
    assert "profile nightly, no seed;" in run("check", "a:B", "--profile", "nightly")[1]


def test_show_lists_and_explains(run: Run) -> None:
    listed = run("show")[1]
    assert listed.startswith("step: moving in all dimensions at once\n  step.simultaneous\n")
    explained = run("show", "step.cost")[1]
    assert explained.startswith("step.cost\n")
    assert "Decided\n  Bytes are compared." in explained


def test_show_markdown_is_the_whole_specification_or_one_clause(run: Run) -> None:
    assert run("show", "--markdown")[1].count("### `") == 4
    assert run("show", "step.cost", "--markdown")[1].count("### `") == 1


def test_show_glossary_defines_the_words_and_symbols(run: Run) -> None:
    assert run("show", "glossary")[1].startswith("Symbols\n  J\n      The loss on one batch")
    assert run("show", "glossary", "--markdown")[1].startswith("## Words and symbols\n\n- **J**: The loss on one batch")


def test_traits_are_measured(run: Run) -> None:
    code, out, _ = run("traits", "a:B", "-p", "lr=0.1")
    assert code == 0
    assert out.startswith("a:B(lr=0.1)\n")
    assert "a gradient moved it" in out
    code, out, _ = run("traits", "a:B", "--rule", "sgd")
    assert code == 1
    assert "declared otherwise than measured: inputs is closure" in out


def test_faults_are_killed_or_named(run: Run) -> None:
    code, out, _ = run("faults")
    assert code == 0
    assert "1 1 1 1 1" in out
    assert out.endswith("1 fault, 1 cell: every fault was caught at every seed.\n")
    code, out, _ = run("faults", "--examples", "1", "--seeds", "2", "-q")
    assert (code, out) == (1, "1 fault, 1 cell: survived layer-sweep under step.simultaneous.\n")


def test_selfcheck_is_zero_where_the_reference_holds(run: Run) -> None:
    code, out, _ = run("selfcheck")
    assert code == 0
    assert "gradient  1 held\n" in out
    assert out.endswith("PASSED  the gdprops reference: 1 clause held\n")


def test_replay_shows_the_case_and_does_not_speak_of_seeds(run: Run) -> None:
    code, out, _ = run("replay", "case.json", "a:B", "-p", "lr=0.1")
    assert code == 1
    assert "VIOLATED step.simultaneous" in out
    assert "No seed" not in out


@pytest.mark.parametrize(
    "command", ["", "check", "show", "traits", "faults", "survey", "selfcheck", "replay", "init", "accept"]
)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    code, out, _ = run(*filter(None, [command]), "--help")
    assert code == 0
    assert f"Example: gdprops {command or 'check'}" in out


def test_init_writes_a_section_that_check_understands(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("init", "a:B", "-p", "lr=0.1")
    assert (code, out) == (
        0,
        "pyproject.toml: [tool.gdprops] written; pytest --gdprops runs it.\n"
        "tests/test_b_specification.py: written; pytest runs it.\n",
    )
    assert run("check", "b", "-q")[1] == "PASSED  a:B(lr=0.1): 3 clauses held (0.2 s)\n"
    assert run("check", "a:B", "-p", "lr=0.5", "-q")[1].startswith("PASSED  a:B(lr=0.5): 3 clauses held")
    code, _, err = run("init", "a:B")
    assert code == 2
    assert err.endswith('has [tool.gdprops] already: add b = "a:B" to its subjects\n')
    assert run("init", "no:thing")[0] == 2


def test_a_malformed_table_is_one_line_and_two(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.gdprops]\nsubject = 1\n", encoding="utf-8")
    message = "gdprops: error: [tool.gdprops] in pyproject.toml: unknown key 'subject'; did you mean 'subjects'?\n"
    assert run("check", "a:B") == (2, "", message)


def test_fewer_held_than_wanted_is_exit_code_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = '[tool.gdprops]\nmin-clauses = 4\nsubjects = ["a:B"]\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    code, out, _ = run("check", "a:B", "--seed", "1")
    assert code == 1
    assert out.startswith("FAILED  a:B: fewer than min-clauses = 4 held, 3 clauses held")
    assert "min-clauses = 4, but only 3 clauses held.\n" in out
    assert run("check", "a:B", "--clauses", "step.plain")[0] == 0


def test_version(run: Run) -> None:
    assert run("--version")[1] == "gdprops, version 0.1.0\n"


@pytest.fixture
def worker_environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment in which every process finds the fake engine."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "import tests.commands.fake_engine\ntests.commands.fake_engine.install()\n",
        encoding="utf-8",
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "CI", "COV"))}
    return {**kept, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT.parent}", "PYTEST_ADDOPTS": "--this-is-not-for-us"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gdprops", *arguments]


def run_process(environment: dict[str, str], *arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(command(*arguments), env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def without_seconds(ended: tuple[int, str, str]) -> tuple[int, str, str]:
    code, out, err = ended
    return code, re.sub(r" \(\d+\.\d s\)", "", out), err


def test_several_processes_say_the_same_as_one(worker_environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise SystemExit('not for us')", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense", encoding="utf-8")
    one = run_process(worker_environment, "check", "a:B", "-v", "--seed", "1", cwd=tmp_path)
    for workers in ("1", "2", "auto"):
        several = run_process(worker_environment, "check", "a:B", "-v", "--seed", "1", "-n", workers, cwd=tmp_path)
        assert without_seconds(several) == without_seconds(one)
    assert not (tmp_path / ".pytest_cache").exists()


def test_a_worker_that_dies_is_an_abortion(worker_environment: dict[str, str], tmp_path: Path) -> None:
    code, out, err = run_process(worker_environment, "check", "dies:here", "-n", "2", cwd=tmp_path)
    assert (code, err) == (1, "")
    assert out.startswith("FAILED  dies:here: 1 required clause fails")
    assert "ABORTED step.plain" in out
    assert "the subject's process was killed" in " ".join(out.split())
    assert "step  2 held · 1 aborted\n" in out


DYING = """
import ctypes, torch
class Dies(torch.optim.SGD):
    def step(self, closure=None):
        ctypes.string_at(0)
"""


def test_a_subject_that_crashes_the_process_shows_in_which_line(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING, encoding="utf-8")
    asked = ("check", "dying.py:Dies", "-p", "lr=0.1", "--clauses", "optimizer.resume")
    code, out, err = run_process(dict(os.environ), *asked, cwd=tmp_path)
    assert code == 1
    assert "a crash of native code (SIGSEGV) in step(), at dying.py:5" in " ".join(out.split())
    code, out, err = run_process(dict(os.environ), *asked, "--in-process", cwd=tmp_path)
    assert (code, out) == (-signal.SIGSEGV, "")
    assert err.startswith("Fatal Python error: Segmentation fault")
    assert 'dying.py", line 5 in step' in err


def test_a_closed_stderr_stops_nothing(tmp_path: Path) -> None:
    asked = f"exec '{sys.executable}' -m gdprops show step.plain 2>&-"
    done = subprocess.run(["sh", "-c", asked], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("step.plain\n")


def test_usage_errors_come_before_any_worker(worker_environment: dict[str, str], tmp_path: Path) -> None:
    result = run_process(worker_environment, "check", "no:thing", "-n", "2", cwd=tmp_path)
    assert result == (2, "", "gdprops: error: no module is named 'no'\n")


@pytest.fixture
def hearing() -> Iterator[None]:
    """Let children hear Ctrl-C: what a shell starts in the background ignores it, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("flags", [(), ("-n", "2")])
def test_a_signal_ends_the_run_with_what_was_found(
    worker_environment: dict[str, str], tmp_path: Path, flags: tuple[str, ...], number: int, code: int
) -> None:
    """The fake subject says through a file that it has begun, then waits for the signal."""
    mark = tmp_path / "begun"
    with subprocess.Popen(
        command("check", "slow:one", "--json", "r.json", *flags),
        env={**worker_environment, "GDPROPS_TEST_MARK": str(mark)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not mark.exists():
            time.sleep(0.02)
            assert process.poll() is None, process.communicate()
        os.kill(process.pid, number) if number == signal.SIGTERM else os.killpg(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err == "gdprops: interrupted; this is what was found so far\n"
    assert out.startswith("INTERRUPTED  slow:one: ")
    data = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (data["subject"], data["complete"]) == ("slow:one", False)


def test_a_reader_that_leaves_is_no_traceback(worker_environment: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen(
        command("show", "--markdown"),
        env=worker_environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_the_json_file_records_the_command_as_it_was_typed(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "r.json")
    assert run("check", "a:B", "--seed", "3", "--json", path)[0] == 0
    record = json.loads(Path(path).read_text(encoding="utf-8"))["run"]
    assert record["command"] == f"gdprops check a:B --seed 3 --json {path}"
