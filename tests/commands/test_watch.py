"""``gdprops watch``: the script is itself, the report is beside it, and findings change 0 to 1 only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdprops.cli import main

LOOP = """\
import sys, torch
torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for index in range(6):
    if "bad" not in sys.argv:
        optimizer.zero_grad()
    model(torch.randn(4, 3)).square().mean().backward()
    optimizer.step()
print("done", *sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(LOOP, encoding="utf-8")
    return tmp_path


def write(folder: Path, text: str, name: str = "odd.py") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def test_a_right_script_keeps_its_output_and_its_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "train.py", "--epochs", "1"]) == 0
    seen = capsys.readouterr()
    assert seen.out == "done --epochs 1\n"
    assert seen.err.startswith("PASSED  train.py: 8 clauses held\n")
    assert "\nwatched run\n" in seen.err
    assert "note: 6 steps of optimizers watched\n" in seen.err


def test_a_wrong_script_ends_with_1_and_its_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "-q", "--json", "seen.json", "--junit", "seen.xml", "train.py", "bad"]) == 1
    seen = capsys.readouterr()
    assert seen.out == "done bad\n"
    said = " ".join(seen.err.split())
    assert "VIOLATED live.fresh-gradient" in said
    assert "the step at train.py:9 uses the gradients of train.py:8 again for weight and bias" in said
    data = json.loads((folder / "seen.json").read_text(encoding="utf-8"))
    (verdict,) = [verdict for verdict in data["verdicts"] if verdict["status"] == "violated"]
    (first, *_) = verdict["findings"]
    assert (first["step"], first["parameters"], first["places"][0][1]) == (2, ["weight", "bias"], 9)
    assert "uses the gradients of train.py:8 again" in (folder / "seen.xml").read_text(encoding="utf-8")


def test_notes_fail_only_with_strict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adds = 'model.register_parameter("add", torch.nn.Parameter(torch.ones(2)))\nfor'
    script = write(folder, LOOP.replace("for", adds, 1).replace(".square()", ".add(model.add).square()"))
    assert main(["watch", "-q", script]) == 0
    assert "backward at odd.py:9 reaches add, and no optimizer holds that" in " ".join(capsys.readouterr().err.split())
    assert main(["watch", "-q", "--strict", script]) == 1
    assert main(["watch", "-q", "--strict", "--frozen", "ad*", script]) == 0


def test_a_module_is_run_as_python_runs_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "package").mkdir()
    write(folder, "", "package/__init__.py")
    write(folder, LOOP, "package/fit.py")
    assert main(["watch", "-q", "-m", "package.fit", "some", "--words"]) == 0
    assert capsys.readouterr().out == "done some --words\n"
    assert "package.fit" not in sys.modules


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("raise SystemExit(7)", 7, "no optimizer stepped"),
        ("raise SystemExit('bye')", 1, "bye\n"),
        ("1 / 0", 1, 'odd.py", line 1, in <module>\n'),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt\n"),
        ("def broken(:", 1, "SyntaxError: "),
        ("import torch", 5, "no optimizer stepped"),
        (f"{LOOP}\n1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        (f"{LOOP}\nsys.exit(3)", 3, "6 steps of optimizers watched\n"),
    ],
)
def test_the_script_ends_as_it_would_have_ended(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, told: str
) -> None:
    assert main(["watch", write(folder, text)]) == code
    err = capsys.readouterr().err
    assert told in err
    assert "watching/script.py" not in err
    assert "runpy" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.py"], "nowhere.py: no such file"),
        (["-m", "no.such.module"], "-m no.such.module: no module of this name is found"),
        ([], "watch needs a script, or -m and a module"),
        (["--steps", "0", "train.py"], "steps=0; expected a whole number of at least 1"),
        (["--json", "no/folder/x.json", "train.py"], "--json no/folder/x.json: cannot be written"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["watch", *arguments]) == 2
    seen = capsys.readouterr()
    assert told in seen.err
    assert seen.err.count("\n") == 1
    assert seen.out == ""


FORKS = """
import os
child = os.fork()
if child == 0:
    sys.exit(4)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
THREADS = f"""
import threading
def run():
{"".join("    " + line for line in LOOP.splitlines(keepends=True))}
threading.Thread(target=run).start()
"""
WORKERS = """
import torch
data = torch.utils.data.TensorDataset(torch.randn(12, 3), torch.randn(12, 2))
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for inputs, targets in torch.utils.data.DataLoader(data, batch_size=4, num_workers=1):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(inputs), targets).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("text", "out", "steps"),
    [(LOOP + FORKS, "done\nchild 4\n", 6), (THREADS, "done\n", 6), (WORKERS, "", 3)],
    ids=["forks", "threads", "loader workers"],
)
def test_processes_and_threads_of_the_script(folder: Path, text: str, out: str, steps: int) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "gdprops", "watch", "-q", write(folder, text)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, out), done.stderr
    assert done.stderr.count("steps of optimizers watched") == 1
    assert f"note: {steps} steps of optimizers watched" in done.stderr


def test_no_step_for_long_is_told_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdprops.commands.watch.PATIENCE", 0.05)
    assert main(["watch", "-q", write(folder, "import time\ntime.sleep(0.5)\n" + LOOP)]) == 0
    assert capsys.readouterr().err.startswith("gdprops: no optimizer has stepped in the first 0.05 s; still watching\n")


def test_a_project_that_is_pinned_to_an_older_specification(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, "[tool.gdprops]\nspecification = 2\n", "pyproject.toml")
    assert main(["watch", "train.py", "bad"]) == 0
    assert "new in specification 3; pyproject.toml" in " ".join(capsys.readouterr().err.split())
