"""One behavior each, in a step of an optimizer that is right but for it, or wrong beside it: what the command says."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.hostile.running import (
    ONE_CLAUSE,
    SECONDS,
    STEP,
    WRONG,
    by_day,
    command,
    said_by,
    said_of_either,
    said_of_step,
    why_aborted,
)

ENDS = {
    "os._exit": ("if late: os._exit(0)", "the subject ended its process by os._exit(0) in step(), at mine.py:11"),
    "os._exit at once": ("os._exit(0)", "the subject ended its process by os._exit(0) in step(), at mine.py:11"),
    "a segfault": ("if late: ctypes.string_at(0)", "a crash of native code (SIGSEGV) in step(), at mine.py:11"),
    "os.abort": ("if late: os.abort()", "a crash of native code (SIGABRT) in step(), at mine.py:11"),
    "killed": ("if late: os.kill(os.getpid(), 9)", "was killed (SIGKILL, often for want of memory) in step()"),
    "terminated": ("if late: os.kill(os.getpid(), 15)", "the subject's process was ended by SIGTERM in step()"),
    "another program": (
        "if late: os.execv('/bin/true', ['true'])",
        "the subject ended its process with exit code 0 in step()",
    ),
    "hangs in native code": ("if late: sum(iter(int, 1))", "the subject hangs in step(), at mine.py:11"),
    "hangs without an alarm": (
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\nif late: time.sleep(1000)",
        "the subject hangs in step(), at mine.py:12",
    ),
    "closes every file": ("if late: os.closerange(3, 60)", "the subject has closed files of its process"),
    "no processor time": (
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile late: pass",
        "the subject's process was ",
    ),
    "hangs in Python": ("while late: time.sleep(1)", "the subject used more than its"),
}


@by_day(ENDS, "os._exit", "a segfault", "hangs in Python")
def test_what_ends_or_blocks_the_process_is_aborted_once_with_its_place(name: str, tmp_path: Path) -> None:
    behavior, told = ENDS[name]
    said = said_of_either(tmp_path, behavior, ENDS, name, *ONE_CLAUSE)
    assert told in why_aborted(said)
    assert told in said.text


RAISES = {
    "an exception of its own": ("class Own(BaseException): pass\nif late: raise Own('no')", "step() raised Own: no"),
    "GeneratorExit": ("if late: raise GeneratorExit", "step() raised GeneratorExit"),
    "KeyboardInterrupt": ("if late: raise KeyboardInterrupt", "step() raised KeyboardInterrupt"),
    "SystemExit": ("if late: sys.exit(0)", "step() raised SystemExit: 0"),
    "a text that cannot be had": (
        "class Own(Exception):\n    def __str__(self): raise ValueError\nif late: raise Own",
        "step() raised Own: (its text cannot be shown: __str__ raised ValueError)",
    ),
    "a lone surrogate": ("if late: raise ValueError('bad \\udc80')", "step() raised ValueError: bad \\udc80"),
    "three megabytes": ("if late: raise ValueError(3_000_000 * 'x')", "… (3,000,000 characters)"),
}


@by_day(RAISES, "SystemExit")
def test_what_a_step_raises_is_told_once_with_its_place(name: str, tmp_path: Path) -> None:
    behavior, told = RAISES[name]
    said = said_of_either(tmp_path, behavior, RAISES, name)
    assert said.code == 1
    first = next(verdict for verdict in said.red if verdict["also"])
    assert first["clause"] == "step.simultaneous"
    assert told in first["reason"]
    assert ", at mine.py:" in first["reason"]
    assert "it raises whatever is checked: so do" in said.text
    assert len(said.text) < 30_000


HARMLESS = {
    "forks": "if Mine.calls % 50 == 0: os.fork()",
    "a thread that never ends": "if Mine.calls == 5: threading.Thread(target=time.sleep, args=(1000,)).start()",
    "another folder": "os.chdir('/')",
    "Ctrl-C of its own": "if late: os.kill(os.getpid(), signal.SIGINT)",
    "no standard output": "print('noise')\nsys.stdout = None",
    "a clock that stands": "time.perf_counter = time.monotonic = lambda: 0.0",
}


@by_day(HARMLESS, "no standard output")
def test_what_does_no_harm_to_the_step_is_not_accused(name: str, tmp_path: Path) -> None:
    said = said_of_either(tmp_path, HARMLESS[name], HARMLESS, name)
    assert (said.code, said.red) == (0, [])
    assert "noise" not in said.text


BLIND = {
    "np.abs": "np.abs = lambda x, *a, **k: 0 * x",
    "np.array_equal": "np.array_equal = lambda *a, **k: True",
    "np.isfinite": "np.isfinite = lambda x, *a, **k: np.ones(np.shape(x), bool)",
}


@by_day(BLIND, "np.abs")
def test_who_replaces_what_is_compared_with_is_never_right(name: str, tmp_path: Path) -> None:
    said = said_of_step(tmp_path, BLIND[name] + WRONG)
    assert said.code == 1
    told = f"the subject has changed what gdprops computes with ({name} was replaced)"
    assert [(verdict["status"], verdict["reason"]) for verdict in said.red] == [("aborted", told)]
    assert {v["reason"] for v in said.report["verdicts"] if v not in said.red} >= {f"not examined: {told}"}


@pytest.mark.daily
def test_a_violation_stands_whatever_happens_at_exit(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, "atexit.register(os._exit, 0)" + WRONG)
    assert said.code == 1
    assert "violated" in {verdict["status"] for verdict in said.red}


@pytest.mark.nightly
def test_a_process_that_dies_in_one_clause_leaves_the_verdicts_of_all_others(tmp_path: Path) -> None:
    source = """import os
import torch

class Mine(torch.optim.SGD):
    def load_state_dict(self, saved):
        os._exit(0)
"""
    chosen = ("--clauses", "optimizer.resume", "--clauses", "optimizer.parameter-order")
    said = said_by(tmp_path, source, "mine.py:Mine", "-p", "lr=0.1", "-p", "momentum=0.5", *chosen)
    statuses = {verdict["clause"]: verdict["status"] for verdict in said.report["verdicts"]}
    assert (said.code, statuses["optimizer.resume"]) == (1, "aborted")
    assert statuses["optimizer.parameter-order"] == "held"


IMPORTS = {
    "ends": ("import os\nos._exit(0)\n", "the subject ended its process by os._exit(0) in importing mine.py"),
    "builds and hangs": (
        "def build(model, loss_fn):\n    sum(iter(int, 1))\n",
        "the subject hangs in mine.py:build(model, loss_fn), at mine.py:2",
    ),
}


@by_day(IMPORTS, "ends")
def test_importing_and_building_have_limits_too(name: str, tmp_path: Path) -> None:
    source, told = IMPORTS[name]
    said = said_by(tmp_path, source, "mine.py:build", "--as", "training-step", *ONE_CLAUSE)
    assert why_aborted(said).startswith(told)


@pytest.mark.nightly
def test_what_the_subject_printed_is_shown_after_a_failure(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, "print('the norm is', 3)" + WRONG)
    assert said.code == 1
    assert "what the subject printed, its end: " in said.text
    assert said.text.endswith("the norm is 3")


OTHERS = {"traits": ["traits"], "init": ["init"], "accept": ["accept", "--reason", "known"]}


@by_day(OTHERS, "traits")
def test_other_commands_end_too(name: str, tmp_path: Path) -> None:
    arguments = OTHERS[name]
    (tmp_path / "mine.py").write_text("import os\nos._exit(0)\n", encoding="utf-8")
    running = command(tmp_path, arguments[0], "mine.py:Mine", *arguments[1:])
    text, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    told = "gdprops: the subject ended its process by os._exit(0) in importing mine.py, at mine.py:2"
    assert " ".join(text.split()) == told


SIGNALS = {"INT": (signal.SIGINT, 130), "TERM": (signal.SIGTERM, 143)}


@by_day(SIGNALS, "INT")
def test_an_interrupted_run_is_never_ok(name: str, tmp_path: Path) -> None:
    number, code = SIGNALS[name]
    behavior = "        time.sleep(0.01)\n        if late: open('going', 'w').close()"
    (tmp_path / "mine.py").write_text(STEP.format(behavior=behavior), encoding="utf-8")
    files = ["--json", "out.json", "--markdown", "out.md", "--junit", "out.xml"]
    running = command(tmp_path, "check", "mine.py:Mine", "-p", "lr=0.1", "--seed", "0", "--clauses", "step.*", *files)
    while not (tmp_path / "going").exists():
        assert running.poll() is None
        time.sleep(0.1)
    running.send_signal(number)
    running.communicate(timeout=SECONDS)
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (running.returncode, report["exit_code"], report["ok"], report["complete"]) == (code, code, False, False)
    assert (tmp_path / "out.md").read_text(encoding="utf-8").startswith("## ⚠️ gdprops: INTERRUPTED")
    assert '<property name="complete" value="false"' in (tmp_path / "out.xml").read_text(encoding="utf-8")
