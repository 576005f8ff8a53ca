"""`gdprops compare`: what is one is equal, and of what differs the first difference is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gdprops.cli import main

PORTS = """
import torch

class Port(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps={eps}, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state, (b1, b2) = self.state[p], group["betas"]
                g = p.grad + {decay} * p
                t = state["t"] = state.get("t", 0) + 1
                m = state["m"] = b1 * state.get("m", torch.zeros_like(p)) + (1 - b1) * g
                v = state["v"] = b2 * state.get("v", torch.zeros_like(p)) + (1 - b2) * g * g
                p.sub_(group["lr"] * {move})
"""
RIGHT = 'm / (1 - b1**t) / ((v / (1 - b2**t)).sqrt() + group["eps"])'
EPSILON_HAT = '(1 - b2**t)**0.5 * m / (1 - b1**t) / (v.sqrt() + group["eps"])'
ADAM = "torch.optim:Adam"


def port(folder: Path, *, move: str = RIGHT, decay: str = 'group["weight_decay"]', eps: str = "1e-8") -> str:
    """Write a port of Adam and return the subject string that names it."""
    path = folder / f"ports_{len(list(folder.iterdir()))}.py"
    path.write_text(PORTS.format(move=move, decay=decay, eps=eps), encoding="utf-8")
    return f"{path}:Port"


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Return the exit code of a comparison and the lines that it prints."""
    code = main(["compare", *arguments, "--examples", "12", "--seed", "0"])
    seen = capsys.readouterr()
    return code, (seen.out + seen.err).splitlines()


def test_a_loop_and_its_foreach_form_are_equal(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = compared(capsys, ADAM, ADAM, "-p", "lr=0.01", "-a", "foreach=False", "-b", "foreach=True")
    assert (code, lines) == (
        0,
        [f"EQUAL  {ADAM}(lr=0.01, foreach=False) and {ADAM}(lr=0.01, foreach=True) (12 examples, seed 0)"],
    )


def test_factors_that_a_framework_keeps_in_its_default_dtype_are_no_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asgd = "torch.optim:ASGD"  # its foreach form keeps eta as a tensor of torch's default dtype, float32
    assert compared(capsys, asgd, asgd, "-p", "lr=0.1", "-a", "foreach=False", "-b", "foreach=True")[0] == 0


def test_a_right_port_is_equal_but_for_rounding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = compared(capsys, ADAM, port(tmp_path))
    assert code == 0
    assert lines[-1].startswith(f"EQUAL  {ADAM} and ")


def test_defaults_that_differ_are_told_and_set_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = compared(capsys, ADAM, port(tmp_path, eps="1e-3"))
    assert code == 0
    assert lines[0].endswith("ports_0.py:Port, not 1e-08; it is set to 1e-08")
    assert lines[0].startswith("defaults differ: eps is 0.001 by default for ")


def test_what_is_asked_to_differ_is_told_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = compared(capsys, ADAM, ADAM, "-b", "eps=0.5")
    assert code == 1
    assert lines[0] == f"eps is 0.5 for {ADAM}(eps=0.5) and 1e-08 for {ADAM}, as asked"


def test_the_first_difference_has_its_step_parameter_hyperparameter_and_dialects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = port(tmp_path, move=EPSILON_HAT)
    code, lines = compared(capsys, ADAM, spec, "--rule", "adam")
    assert code == 1
    assert lines[0].startswith(f"DIFFERENT  {ADAM} and ")
    assert lines[1].startswith("  first at step 1, w1[0]: ")
    assert "apart by " in lines[1]
    assert f"  {ADAM} follows adam in its own form" in lines
    assert any(
        line.endswith("ports_0.py:Port follows adam: ε stands beside the uncorrected root (ε-hat)") for line in lines
    )
    assert "  weights = [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]  # float64" in lines


def test_a_hyperparameter_that_brings_the_difference_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = compared(capsys, ADAM, port(tmp_path, decay="0.0"))
    assert code == 1
    assert "  only with weight_decay=0.25: without it, both go the same way here" in lines


def test_plain_descent_is_compared_without_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = tmp_path / "rule.py"
    text = """
def descent(params, grads, state, lr=0.1):
    return {{k: w - {} * grads[k] if k in grads else w for k, w in params.items()}}, state
"""
    rule.write_text(text.format("lr"), encoding="utf-8")
    same = [f"{rule}:descent", f"{rule}:descent", "--as", "update-rule", "-p", "lr=0.1"]
    assert compared(capsys, *same)[0] == 0
    other = tmp_path / "other.py"
    other.write_text(text.format("lr * (1 + 1e-15)"), encoding="utf-8")
    code, lines = compared(capsys, f"{rule}:descent", f"{other}:descent", "--as", "update-rule", "-p", "lr=0.1")
    assert code == 1
    assert "(nothing rounds here)" in lines[1]


def test_one_that_raises_alone_is_different(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = compared(capsys, ADAM, port(tmp_path, move=f"{RIGHT} / (1 if t < 2 else 1 // 0)"))
    assert code == 1
    assert "raises where torch.optim:Adam steps: " in lines[1]
    assert "ZeroDivisionError" in lines[1]


def test_random_numbers_leave_a_difference_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = port(tmp_path, move="(g + 0.1 * torch.randn(p.shape))")
    code, lines = compared(capsys, "torch.optim:SGD", noisy, "-p", "lr=0.1")
    assert code == 5
    assert any(line.endswith("draws random numbers: other numbers may be all that differs") for line in lines)


def test_what_cannot_be_compared_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = tmp_path / "train.py"
    train.write_text(
        "def build(model, loss_fn):\n    return lambda inputs, targets: None\n\n"
        "import gdprops\ntrain = gdprops.training_step(build, lr=0.1)\n",
        encoding="utf-8",
    )
    code, lines = compared(capsys, ADAM, f"{train}:train")
    assert code == 2
    assert len(lines) == 1
    assert "cannot be compared: it is of the kind training-step, and only subjects that are fed gradients" in lines[0]
    code, lines = compared(capsys, "torch.optim:LBFGS", ADAM)
    assert code == 2
    assert lines[0].endswith("steps with a closure, not with gradients alone: it cannot be compared")
    assert compared(capsys, ADAM) == (2, ["gdprops: error: compare takes two subjects, or one and --save FILE"])


def test_one_side_may_be_a_file_from_another_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = str(tmp_path / "adam.json")
    code, lines = compared(capsys, ADAM, "-p", "lr=0.01", "--save", saved)
    assert code == 0
    assert lines == [f"{saved}: {ADAM}(lr=0.01) on 12 cases; gdprops compare {saved} B compares another one with it"]
    code, lines = compared(capsys, saved, port(tmp_path), "-p", "lr=0.01", "--json", str(tmp_path / "out.json"))
    assert code == 0
    assert lines[-1].startswith(f"EQUAL  {ADAM}(lr=0.01) and ")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["result"] == "equal"
    code, lines = compared(capsys, saved, port(tmp_path, move=EPSILON_HAT, eps="1e-7"), "-p", "lr=0.01")
    assert code == 1
    assert lines[0] == f"eps is 1e-07 here and 1e-08 where {ADAM}(lr=0.01) was recorded"
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    code, lines = compared(capsys, str(tmp_path / "other.json"), ADAM)
    assert (code, lines) == (2, [f"gdprops: error: {tmp_path / 'other.json'} is no file of gdprops compare --save"])
