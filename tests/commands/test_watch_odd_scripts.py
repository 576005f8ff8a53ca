"""Scripts that patch torch, swap tensors, compile, start processes or leave at once do what they did, and are told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import gdprops
from gdprops.cli import main
from gdprops.watching import hidden_calls
from gdprops.watching.hidden_calls import TRIED_BELOW

BEGIN = """\
import sys, os, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def train(steps, through=model, dtype=torch.float32):
    for _ in range(steps):
        optimizer.zero_grad()
        through(torch.randn(4, 3, dtype=dtype)).square().mean().backward()
        optimizer.step()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def watch(folder: Path, text: str, *options: str) -> int:
    (folder / "odd.py").write_text(BEGIN + text, encoding="utf-8")
    return main(["watch", *options, "odd.py"])


PATCHES = """
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.nn.modules.module import register_module_forward_hook
counts = {}
def counting(name, function):
    def counted(*args, **kwargs):
        counts[name] = counts.get(name, 0) + 1
        return function(*args, **kwargs)
    return counted
before = torch.optim.Optimizer.zero_grad, torch.autograd.backward
torch.optim.Optimizer.zero_grad = counting("zero_grad", before[0])
torch.autograd.backward = counting("backward", before[1])
handles = [register_optimizer_step_post_hook(counting("step", lambda *_: None)),
           register_module_forward_hook(counting("forward", lambda *_: None)),
           model[0].weight.register_hook(counting("gradient", lambda g: None))]
train(25)
print(counts)
for handle in handles: handle.remove()
"""


def test_hooks_and_patches_of_the_script_stay_and_act(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.optim.Optimizer, "zero_grad", torch.optim.Optimizer.zero_grad)
    monkeypatch.setattr(torch.autograd, "backward", torch.autograd.backward)
    assert watch(folder, PATCHES) == 0
    seen = capsys.readouterr()
    assert seen.out == "{'zero_grad': 25, 'forward': 100, 'backward': 25, 'gradient': 25, 'step': 25}\n"
    assert "20 steps of optimizers watched" in seen.err


@pytest.mark.parametrize("before", [2, 22], ids=["while it is watched", "afterwards"])
def test_parameters_whose_tensors_torch_swaps(folder: Path, capsys: pytest.CaptureFixture[str], before: int) -> None:
    text = f"""
torch.__future__.set_swap_module_params_on_conversion(True)
train({before})
model.double()
torch.__future__.set_swap_module_params_on_conversion(False)
train(5, dtype=torch.float64)
print(model[0].weight.dtype)
"""
    assert watch(folder, text) == 0
    seen = capsys.readouterr()
    assert seen.out == "torch.float64\n"
    told = "note: parameters have changed their device or dtype between two steps\n" in seen.err
    assert told is (before == 2)
    assert f"{min(before + 5, 20)} steps of optimizers watched" in seen.err


def test_a_compiled_module_warns_of_no_hook_and_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
train(3, torch.compile(model, backend='eager'))
torch.compile(lambda: optimizer.zero_grad(), backend='eager')()  # which is called outside what is compiled
torch._dynamo.reset()
"""
    assert watch(folder, text) == 0
    told = "note: torch.compile has compiled code of this run: what happens inside it is not seen\n"
    assert told in capsys.readouterr().err


def test_a_scripted_module_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(folder, "import warnings; warnings.simplefilter('ignore')\ntrain(3, torch.jit.script(model))") == 0
    assert "note: a scripted module: what happens inside it is not seen\n" in capsys.readouterr().err


def test_processes_of_the_script_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
import multiprocessing
some = [multiprocessing.get_context("fork").Process(target=int) for _ in range(2)]
for one in some: one.start()
for one in some: one.join()
"""
    assert watch(folder, text) == 5
    assert (
        "note: the script has started 2 processes of its own: what they train is not seen\n" in capsys.readouterr().err
    )


class Left(BaseException):
    """Stands for the end of the process."""


def test_the_report_comes_before_a_sudden_exit(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []

    def leave(code: int) -> None:
        codes.append(code)
        raise Left

    monkeypatch.setattr(os, "_exit", leave)
    watch(folder, "train(3)\nos._exit(7)")
    watch(folder, "optimizer.zero_grad = lambda: None\ntrain(3)\nos._exit(0)")
    assert codes == [7, 1]
    err = capsys.readouterr().err
    assert err.startswith("PASSED  odd.py: ")
    assert "FAILED  odd.py: 1 required clause fails\n" in err
    assert os._exit is leave


def test_what_ended_the_run_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(folder, "train(2)\nraise LookupError('here')") == 1
    err = capsys.readouterr().err
    assert "LookupError: here\n" in err
    assert "note: the run ended with LookupError\n" in err


def test_an_optimizer_that_is_not_torchs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """
del optimizer
import gc; gc.collect()
model(torch.randn(4, 3)).square().mean().backward()
with torch.no_grad():
    for parameter in model.parameters(): parameter -= 0.1 * parameter.grad
"""
    assert watch(folder, text) == 5
    assert "note: backward was called 1 time at odd.py:13, and SGD, made at odd.py:4, was not seen to step\n" in (
        capsys.readouterr().err
    )


ODD_CLIPS = """
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
train(1)
clip_grad_norm_(parameters=model.parameters(), max_norm=torch.tensor(9.0))
clip_grad_norm_(model[0].weight, "1e9", norm_type="inf")
clip_grad_norm_([], 1.0)
clip_grad_value_(clip_value="9", parameters=iter([model[0].bias]))
train(5)
"""


def test_arguments_of_clips_as_odd_as_torch_takes_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(folder, ODD_CLIPS) == 0
    assert "6 steps of optimizers watched" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x01", "SyntaxError: source code "),
        (b"\xff = 1", "SyntaxError: "),
        (b"#!/bin/sh\nset -e\nls *.txt\n", "SyntaxError: invalid syntax"),
    ],
)
def test_what_is_no_python_fails_as_python_says(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, told: str
) -> None:
    (folder / "odd.py").write_bytes(content)
    assert main(["watch", "odd.py"]) == 1
    err = capsys.readouterr().err
    assert told in err
    assert "note: the run ended with SyntaxError\n" in err


def test_a_folder_without_a_main_is_told_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.endswith(": a folder without a __main__.py\n")
    assert err.count("\n") == 1


RAISES = """
import threading, traceback
def told(act):
    try: act()
    except Exception: traceback.print_exc(file=sys.stdout)
class Rows(torch.utils.data.Dataset):
    def __len__(self): return 2
    def __getitem__(self, index): raise KeyError(index)
told(lambda: torch.ones(2, requires_grad=True).backward())
told(lambda: torch.nn.utils.clip_grad_norm_(model.parameters()))
told(lambda: list(torch.utils.data.DataLoader(Rows())))
print(__file__, sys.argv, sorted(globals()))
thread = threading.Thread(target=lambda: print(threading.current_thread().name))
thread.start(); thread.join()
torch.optim.lr_scheduler.StepLR(optimizer, 1).step()
torch.autograd.grad(model[0].weight.sum(), optimizer)
"""


@pytest.mark.skipif(sys.version_info >= TRIED_BELOW, reason="frames are seen under later versions")
@pytest.mark.no_cover  # they are seen where lines are counted
def test_tracebacks_and_warnings_show_the_script_and_torch_alone(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hidden_calls, "_is_traced", lambda: False)
    assert watch(folder, RAISES) == 1
    seen = capsys.readouterr()
    shown = [line.strip() for line in (seen.out + seen.err).splitlines() if line.lstrip().startswith("File ")]
    assert len(shown) > 10
    assert not [line for line in shown if Path(gdprops.__file__).parent.as_posix() in line]
    assert f"{folder / 'odd.py'} ['odd.py']" in seen.out
    assert {Path(warning.filename).name for warning in recwarn} == {"odd.py"}


@pytest.mark.nightly  # two processes; the test above runs the same script in this one
@pytest.mark.no_cover
def test_what_a_script_prints_of_itself_is_what_it_was(folder: Path) -> None:
    (folder / "odd.py").write_text(BEGIN + RAISES, encoding="utf-8")
    bare, watched = (
        subprocess.run([sys.executable, *before, "odd.py"], capture_output=True, text=True, check=False)
        for before in ((), ("-m", "gdprops", "watch", "-q"))
    )
    assert "in backward" in bare.stdout
    assert "UserWarning" in bare.stderr
    assert (watched.stdout, watched.returncode) == (bare.stdout, bare.returncode)
    assert watched.stderr.startswith(bare.stderr)
