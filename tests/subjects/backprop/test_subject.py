"""What `gdprops.backprop` takes, what it says of what it cannot use, and that it needs no framework."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gdprops
from gdprops.cli import main
from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model.case import BackpropCase
from gdprops.model.network import Batch
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.subjects.backprop.subject import backprop
from tests.samples import backprop_functions

LOSS, STEP, SHAPES = backprop_functions.loss, backprop_functions.in_place, backprop_functions.shapes
STUDENT = (
    Path(backprop_functions.__file__).read_text(encoding="utf-8")
    + """
import gdprops

right = gdprops.backprop(loss, in_place, shapes=shapes)
wrong = gdprops.backprop(loss, updates_as_it_goes, shapes=shapes)
"""
)


def drifting() -> Any:
    count = itertools.count()
    return lambda params, X, y: LOSS(params, X, y) + next(count)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "backprop: loss=None; expected loss(params, X, y) -> float"),
        (
            {"loss": LOSS, "shapes": SHAPES},
            "backprop: give step(params, X, y, lr), or gradients(params, X, y), or both",
        ),
        ({"loss": LOSS, "step": 3}, "backprop: step=3; expected a function"),
        (
            {"loss": LOSS, "step": STEP, "shapes": 3},
            'shapes=3; expected {"W1": (2, 3), "b1": (3,)}, [(2, 3), (3,)], '
            "or a function of (n_in, n_hidden, n_out) that returns either",
        ),
        (
            {"loss": LOSS, "step": STEP, "shapes": {"W1": 3}},
            "shapes: 'W1' is 3; expected a name and a tuple of positive whole numbers",
        ),
        ({"loss": LOSS, "step": STEP, "shapes": SHAPES, "lr": -1}, "lr=-1; expected a finite number greater than 0"),
        (
            {"loss": LOSS, "step": STEP, "shapes": SHAPES, "targets": "label"},
            "targets='label'; expected one of numbers, vector, one-hot, labels, binary, binary-vector; "
            "did you mean 'labels'?",
        ),
        (
            {"loss": LOSS, "step": STEP, "shapes": SHAPES, "samples": "cols"},
            "samples='cols'; expected one of rows, columns, mixed, single, single-column; did you mean 'columns' or "
            "'rows'?",
        ),
        (
            {"loss": LOSS, "step": STEP, "shapes": SHAPES, "inputs": 0},
            "inputs=0; expected a number of columns",
        ),
    ],
)
def test_what_cannot_mean_anything(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        backprop(**arguments)
    assert str(raised.value) == message


def test_a_large_network_is_refused() -> None:
    with pytest.raises(UsageError, match="give a small network of at most 500 weights"):
        backprop(LOSS, STEP, shapes={"W1": (784, 30), "b1": (30,), "W2": (30, 10), "b2": (10,)})


def test_a_loss_that_is_no_float() -> None:
    with pytest.raises(UsageError, match=r"loss\(params, X, y\) returned an array of shape \(6, 2\); expected a float"):
        backprop(lambda params, X, y: backprop_functions.forward(params, X)[1] - y, STEP, shapes=SHAPES, name="student")


def test_a_loss_that_is_not_deterministic() -> None:
    with pytest.raises(UsageError, match="student: loss is not deterministic: the same call gave"):
        backprop(drifting(), STEP, shapes=SHAPES, name="student")


def test_a_loss_that_raises() -> None:
    with pytest.raises(UsageError) as raised:
        backprop(lambda params, X, y: params["W9"], STEP, shapes=SHAPES, name="student")
    assert "loss(params, X, y) raised KeyError: 'W9' (X of shape (6, 4), y (6, 2))" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_gradients_of_another_form() -> None:
    with pytest.raises(
        UsageError,
        match=r"gradients\(params, X, y\) returned a tuple of 2; expected a dict with the keys W1, b1, W2, b2",
    ):
        backprop(LOSS, gradients=lambda params, X, y: (params["W1"], params["W2"]), shapes=SHAPES)


@pytest.mark.parametrize(
    ("shapes", "sizes"),
    [
        ({"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}, (2, 1)),
        ({"W1": (4, 2), "b1": (2,), "W2": (2, 2), "b2": (2,)}, (4, 2)),
    ],
)
def test_fixed_shapes_tell_the_sizes_of_the_data(shapes: dict[str, tuple[int, ...]], sizes: tuple[int, int]) -> None:
    layout = backprop(LOSS, STEP, shapes=shapes).layout
    assert (layout.inputs, layout.outputs) == sizes


def test_fixed_shapes_read_the_other_way() -> None:
    layout = backprop(
        backprop_functions.looped_loss, backprop_functions.looped_step, shapes=[(3, 2), (3,), (1, 3), (1,)]
    ).layout
    assert (layout.inputs, layout.outputs) == (2, 1)


def test_sizes_that_stay_open_are_asked_for() -> None:
    def blind(params: Any, X: Any, y: Any) -> float:
        return float(sum(np.sum(w**2) for w in params.values()))

    def shrinking(params: Any, X: Any, y: Any, lr: float) -> Any:
        return {name: w - 3 * lr * w for name, w in params.items()}

    with pytest.raises(UsageError, match=r"takes X and y with 2 and 4 or 3 and 5 columns; say which with inputs=… and"):
        backprop(blind, shrinking, shapes={"W1": (2, 3), "W2": (5, 4)}, name="student")
    assert backprop(blind, shrinking, shapes={"W1": (2, 3), "W2": (5, 4)}, inputs=3, outputs=5).layout.inputs == 3


def test_a_case_survives_its_file() -> None:
    batch = Batch(np.ones((1, 2)), np.zeros((1, 1)))
    case = BackpropCase(("W",), (np.array([[0.5], [1.0]]),), (batch,), 0.25)
    again = decode(encode(case))
    assert (again.names, again.rate) == (case.names, case.rate)
    assert again.tensors[0].tobytes() == case.tensors[0].tobytes()


def test_no_framework_is_imported(tmp_path: Path) -> None:
    (tmp_path / "student.py").write_text(STUDENT, encoding="utf-8")
    code = (
        "import sys, gdprops\n"
        "report = gdprops.check('student.py:right', examples=3, seed=0)\n"
        "assert report['step.plain'].status == 'held', report\n"
        "assert gdprops.check('student.py:wrong', 'step.plain', examples=3, seed=0).violations\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "student.py").write_text(STUDENT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    common = ["--clauses", "step.simultaneous", "--examples", "5", "--seed", "0"]
    assert main(["check", "student.py:right", *common]) == 0
    assert main(["check", "student.py:wrong", *common]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "the step uses the already updated weights of the next layer, W2" in told
    saved = next(Path(".gdprops").glob("*.json"))
    assert main(["replay", str(saved), "student.py:wrong"]) == 1
    assert main(["check", "student.py:loss", "--as", "backprop"]) == 2
    assert "bind a name to gdprops.backprop(" in capsys.readouterr().err


def test_a_bound_name_is_the_subject() -> None:
    found = resolve("tests.subjects.backprop.test_subject:BOUND")
    assert (found.kind, found.spec) == ("backprop", "tests.subjects.backprop.test_subject:BOUND")


BOUND = gdprops.backprop(LOSS, STEP, shapes=SHAPES)
