"""Ways to get exit code 0 from a wrong or dead subject: each of them is told, once, and none of them is green."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.running import (
    ONE_CLAUSE,
    SECONDS,
    WRONG,
    by_day,
    command,
    said_by,
    said_of_either,
    said_of_step,
    why_aborted,
)

DEAD = {
    "a thread that exits": (
        "if Mine.calls == 5: threading.Timer(0.05, os._exit, (0,)).start()",
        "the subject ended its process by os._exit(0)",
    ),
    "stops itself": ("if late: os.kill(os.getpid(), signal.SIGSTOP)", "the subject hangs in step()"),
    "swallows every exception": (
        "while late:\n    try: time.sleep(1)\n    except BaseException: pass",
        "the subject hangs in step(), at mine.py:12",
    ),
    "blocks every signal": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nif late: time.sleep(1000)",
        "the subject hangs in step()",
    ),
    "a clock that lies": (
        "time.monotonic = time.perf_counter = lambda: 1e18\nif late: sum(iter(int, 1))",
        "the subject hangs in step(), at mine.py:12",
    ),
    "goes on in a fork": (
        "if late and os.fork(): os._exit(0)\nif late: os.setsid()",
        "the subject ended its process by os._exit(0) in step(), at mine.py:11",
    ),
}


@by_day(DEAD, "swallows every exception")
def test_a_subject_that_is_gone_is_aborted_once(name: str, tmp_path: Path) -> None:
    behavior, told = DEAD[name]
    said = said_of_either(tmp_path, behavior, DEAD, name, *ONE_CLAUSE)
    assert why_aborted(said).startswith(told)


SPOILS = {
    "zip": ("import builtins; builtins.zip = lambda *a, **k: iter(())", "zip was replaced"),
    "__import__": ("import builtins\nif late: builtins.__import__ = lambda *a, **k: 1 / 0", "__import__ was replaced"),
    "gdprops itself": (
        "import gdprops.numerics.comparison as c; c.compare = lambda *a, **k: c.Evidence()",
        "gdprops.numerics.comparison.compare was replaced",
    ),
    "no more files": (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))",
        "RLIMIT_NOFILE was lowered",
    ),
}


@by_day(SPOILS, "gdprops itself")
def test_who_changes_what_gdprops_computes_with_is_told_so_once(name: str, tmp_path: Path) -> None:
    behavior, changed = SPOILS[name]
    said = said_of_step(tmp_path, behavior + WRONG)
    assert said.code == 1
    told = f"the subject has changed what gdprops computes with ({changed})"
    assert [(verdict["status"], verdict["reason"]) for verdict in said.red] == [("aborted", told)]
    assert "bug of gdprops" not in said.text


@pytest.mark.nightly
def test_who_empties_the_table_of_modules_is_told_so(tmp_path: Path) -> None:
    source = "import sys\nimport torch\nsys.modules.clear()\nMine = torch.optim.SGD\n"
    said = said_by(tmp_path, source, "mine.py:Mine", "-p", "lr=0.1")
    told = "the subject has changed what gdprops computes with (sys.modules was emptied)"
    assert (said.code, [(verdict["status"], verdict["reason"]) for verdict in said.red]) == (1, [("aborted", told)])


@pytest.mark.nightly
def test_a_device_without_numbers_is_told(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, "torch.set_default_device('meta')" + WRONG)
    told = "step() leaves torch changed for the whole process: default device cpu -> meta"
    assert (said.code, [(verdict["status"], verdict["reason"]) for verdict in said.red]) == (1, [("aborted", told)])


CHANGES = """
import copy, json, warnings
json.dumps = json.loads = lambda *a, **k: "{}"
torch.Tensor.clone = lambda tensor, *a, **k: tensor
torch.equal = torch.allclose = np.random.seed = lambda *a, **k: True
copy.deepcopy = copy.copy = lambda value, *a: value
np.seterr(all="raise")
warnings.simplefilter("error")
sys.path.clear()
os.environ.clear()
sys.modules = {}
os.write = lambda number, text: len(text)
"""


@pytest.mark.nightly
def test_what_else_a_wrong_step_changes_does_not_hide_that_it_is_wrong(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, CHANGES + WRONG)
    assert said.code == 1
    assert "step.simultaneous" in {v["clause"] for v in said.red if v["status"] == "violated"}
    assert {v["status"] for v in said.red} == {"violated"}


RAISED = {
    "an exception of gdprops": "from gdprops.errors import Unsupported\nif late: raise Unsupported('no')",
    "a usage error": "from gdprops.errors import UsageError\nif late: raise UsageError('no')",
    "a test that skips itself": "import unittest\nif late: raise unittest.SkipTest('no')",
    "an example that is refused": "import hypothesis\nif late: hypothesis.reject()",
}


@by_day(RAISED, "an exception of gdprops")
def test_no_exception_is_an_excuse(name: str, tmp_path: Path) -> None:
    said = said_of_either(tmp_path, RAISED[name], RAISED, name)
    assert said.code == 1
    assert {v["status"] for v in said.red} == {"violated"}
    assert all(" raised " in v["reason"] and ", at mine.py:12" in v["reason"] for v in said.red)


@pytest.mark.daily
def test_nothing_is_decided_about_a_step_that_always_skips_itself(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, "import unittest; raise unittest.SkipTest('no')")
    assert (said.code, said.red) == (5, [])
    assert "No clause held: step() raised SkipTest at mine.py" in said.text


GROWN = """
for group in self.param_groups:
    for p in group["params"]:
        p.data = torch.zeros(1, dtype=p.dtype).expand(2**40)
return
"""


@pytest.mark.nightly
def test_a_parameter_that_grows_beyond_all_memory_is_violated(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, GROWN)
    assert (said.code, {v["status"] for v in said.red}) == (1, {"violated"})
    assert "has the shape (1099511627776,) after a step" in said.red[0]["reason"]


@pytest.mark.nightly
def test_a_training_step_that_makes_it_grow_is_refused(tmp_path: Path) -> None:
    """Nothing could be decided: the step does so on every network on which it is tried first."""
    (tmp_path / "mine.py").write_text(
        """import torch

def build(model, loss_fn):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs, targets):
        loss_fn(model(inputs), targets).backward()
        for p in model.parameters():
            p.data = torch.zeros(1, dtype=p.dtype).expand(2**40)

    return step, optimizer
""",
        encoding="utf-8",
    )
    running = command(tmp_path, "check", "mine.py:build", "--as", "training-step", "--examples", "5")
    text, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 2
    assert "step() leaves layer1.weight in the shape (1099511627776,), it was (2, 2)" in " ".join(text.split())


@pytest.mark.nightly
def test_who_dies_in_a_recommended_clause_alone_is_not_green(tmp_path: Path) -> None:
    source = """import os
import torch

class Mine(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        if isinstance(lr, float) and lr < 0: os._exit(0)
        super().__init__(params, lr=lr)
"""
    chosen = ("--clauses", "optimizer.rejects-invalid", "--clauses", "optimizer.storage")
    said = said_by(tmp_path, source, "mine.py:Mine", "-p", "lr=0.1", *chosen)
    assert said.code == 1
    (red,) = said.red
    assert (red["clause"], red["level"], red["status"]) == ("optimizer.rejects-invalid", "recommended", "aborted")


SEVERAL = {
    "at import": ("import os\nos._exit(0)\n", "the subject ended its process by os._exit(0) in importing mine.py"),
    "in a step": (
        "import os\nimport torch\nclass Mine(torch.optim.SGD):\n    def step(self, closure=None): os._exit(0)\n",
        "the subject ended its process by os._exit(0) in step(), at mine.py:4",
    ),
    "never": (
        "import torch\nclass Mine(torch.optim.SGD):\n    def step(self, closure=None): sum(iter(int, 1))\n",
        "the subject hangs in ",
    ),
}


@by_day(SEVERAL)
def test_several_processes_end_as_one_does(name: str, tmp_path: Path) -> None:
    source, told = SEVERAL[name]
    said = said_by(tmp_path, source, "mine.py:Mine", "-p", "lr=0.1", "-n", "2", "--timeout", "1")
    assert why_aborted(said).startswith(told)


@pytest.mark.nightly
def test_the_probe_has_a_limit_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SEVERAL["never"][0], encoding="utf-8")
    running = command(tmp_path, "traits", "mine.py:Mine", "-p", "lr=0.1", "--timeout", "1")
    text, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert text.startswith("gdprops: the subject hangs in ")
    assert text.count("\n") == 1


@pytest.mark.nightly
def test_weights_of_a_saved_case_are_floating_point_numbers(tmp_path: Path) -> None:
    said = said_of_step(tmp_path, WRONG)
    saved = next(v["counterexample"]["path"] for v in said.red if v["clause"] == "step.simultaneous")
    text = (tmp_path / saved).read_text(encoding="utf-8")
    for dtype in ("int64", "bool"):
        (tmp_path / "case.json").write_text(text.replace('"float64"', f'"{dtype}"'), encoding="utf-8")
        running = command(tmp_path, "replay", "case.json", "mine.py:Mine", "-p", "lr=0.1", "--rule", "sgd")
        printed, _ = running.communicate(timeout=SECONDS)
        told = f"the saved case is damaged: ValueError: tensors of dtype {dtype}, expected float64 or float32"
        assert (running.returncode, printed) == (2, f"gdprops: error: {told}\n")


PARENT = """
import sys
from gdprops.cli import main
asked = ["check", "torch.optim:SGD", "-p", "lr=0.1", "--clauses", "step.plain", "-q", "--json", "o.json"]
code = main(asked, contained=True)
print([name for name in ("torch", "numpy", "hypothesis", "pytest") if name in sys.modules], code)
"""


@pytest.mark.nightly
def test_the_supervisor_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))["ok"] is True


IN_PYTEST = """
import signal, time
import gdprops, torch

class Mine(torch.optim.SGD):
    slept = False

    def step(self, closure=None):
        if not Mine.slept:
            Mine.slept = True
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            time.sleep(8)
        return super().step(closure)

@gdprops.parametrize([gdprops.optimizer(Mine, lr=0.1)], clauses="step.plain")
def test_it(subject, clause):
    clause.check(subject)
"""


@pytest.mark.nightly
def test_a_hanging_call_in_pytest_is_told_with_its_place_and_not_ended(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(IN_PYTEST, encoding="utf-8")
    asked = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "--gdprops-timeout", "1"]
    done = subprocess.run([sys.executable, *asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "gdprops: step() goes on 2 s after its time was up, and cannot be interrupted here" in done.stderr
    assert 'test_it.py", line 12, in step' in done.stderr
    assert done.returncode == 1
    assert "the subject used more than its 3 s to show its traits" in done.stdout
