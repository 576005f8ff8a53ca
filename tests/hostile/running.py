"""Run the command on an optimizer whose step behaves in some way, and is right but for that, or wrong beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SECONDS = 120.0
"""How long any of these may take on a busy machine, starting the command included; a subject has 1 or 2 s a clause."""
STEP = """import atexit, ctypes, os, re, signal, sys, threading, time
import numpy as np
import torch

class Mine(torch.optim.SGD):
    calls = 0

    def step(self, closure=None):
        Mine.calls += 1
        late = Mine.calls > 300
{behavior}
        return super().step(closure)
"""
FUNCTION = """import atexit, ctypes, os, re, signal, sys, threading, time
import numpy as np
def loss(p, X, y): return 0.5 * np.sum((X @ p["W"] - y) ** 2)
class Mine: calls = property(lambda self: threading.calls)
Mine = Mine()
threading.calls = 0  # what a file remembers itself is put back after every run
def step(p, X, y, lr):
    threading.calls += 1
    late = Mine.calls > 15

{behavior}
    p["W"] -= lr * X.T @ (X @ p["W"] - y)
"""
"""The same in a hand-written step, on the same line: it starts in a third of the time, since torch is not imported."""
CALLED = "step(params, X, y, lr)"
WRONG = """
for group in self.param_groups:
    for p in group["params"]:
        p.grad = None if p.grad is None else -p.grad
"""


class Said(NamedTuple):
    """What a command said: its exit code, its JSON, its text and how long it took."""

    code: int
    report: dict[str, Any]
    text: str
    seconds: float

    @property
    def red(self) -> list[dict[str, Any]]:
        """The verdicts that are violated, aborted or errors."""
        return [v for v in self.report["verdicts"] if v["status"] in ("violated", "aborted", "error")]


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the command, which hears Ctrl-C even where the tests run in the background and do not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # which it would inherit
        signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV_")}
    return subprocess.Popen(
        [sys.executable, "-m", "gdprops", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


ONE_CLAUSE = ("--clauses", "step.simultaneous", "--timeout", "1")
"""For what ends or blocks the process in whatever clause is run: each further clause would start another process."""


def said_by(folder: Path, source: str, subject: str, *more: str) -> Said:
    """Check a file with few examples; assert that exit code and JSON agree, and that it was in time."""
    (folder / "mine.py").write_text(source, encoding="utf-8")
    began = time.monotonic()
    options = ["--examples", "5", "--seed", "0", "--json", "out.json", "-q"]
    chosen = more if "--clauses" in more else ("--clauses", "step.*", *more)
    running = command(folder, "check", subject, *options, "--timeout", "2", *chosen)
    text, _ = running.communicate(timeout=2 * SECONDS)
    report = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    said = Said(running.returncode, report, " ".join(text.split()), time.monotonic() - began)
    assert (report["exit_code"], report["ok"]) == (said.code, said.code == 0)
    assert said.seconds < SECONDS
    return said


def said_of_step(folder: Path, behavior: str, *more: str) -> Said:
    source = STEP.format(behavior=textwrap.indent(textwrap.dedent(behavior).strip(), 8 * " "))
    return said_by(folder, source, "mine.py:Mine", "-p", "lr=0.1", "--rule", "sgd", *more)


def why_aborted(said: Said) -> str:
    """Return the reason of the one verdict that tells; assert that the run fails and that nothing else is red."""
    assert said.code == 1
    assert [verdict["status"] for verdict in said.red] == ["aborted"]
    reason: str = said.red[0]["reason"]
    return reason


def said_of_function(folder: Path, behavior: str, *more: str) -> Said:
    """Return what the command says of a hand-written step with a behavior."""
    source = FUNCTION.format(behavior=textwrap.indent(textwrap.dedent(behavior).strip(), 4 * " "))
    said = said_by(folder, source, "mine.py", "--as", "backprop", *more)
    report = json.dumps(said.report).replace(CALLED, "step()")
    return said._replace(report=json.loads(report), text=said.text.replace(CALLED, "step()"))


def said_of_either(folder: Path, behavior: str, table: Iterable[str], name: str, *more: str) -> Said:
    """Return what the command says of a behavior: every third of a table is an optimizer's, the others a function's."""
    return (said_of_function if list(table).index(name) % 3 else said_of_step)(folder, behavior, *more)


def by_day(table: Iterable[str], *names: str) -> pytest.MarkDecorator:
    """Run a test with every name of a table: by day with some of them, at night with the others.

    Each starts a process or two of its own; those of one table take the same way, from the child's end to its report.
    """
    unknown = set(names) - set(table)
    assert not unknown, unknown
    marks = {name: pytest.mark.daily if name in names else pytest.mark.nightly for name in table}
    return pytest.mark.parametrize("name", [pytest.param(name, marks=mark) for name, mark in marks.items()])
