"""Files that students hand in: what they need not declare, and what is said of those that cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop import student_file
from gdprops.subjects.backprop.subject import Backprop
from tests.samples import student_files

FORMS = {
    "plain": ("rows", "numbers", (2, 3)),
    "columns": ("columns", "numbers", (3, 2)),
    "labels": ("rows", "labels", (2, 2)),
    "cast labels": ("rows", "labels", (2, 2)),
    "one-hot": ("rows", "one-hot", (2, 3)),
    "vectors": ("rows", "vector", (2,)),
    "single": ("single", "numbers", (3, 2)),
    "class": ("rows", "numbers", (2, 3)),
    "masked": ("rows", "binary-vector", (2,)),
    "loops": ("rows", "labels", (3, 2)),
    "one output": ("rows", "numbers", (2, 3)),
    "back to front": ("single", "numbers", (3, 2)),
}


def handed_in(text: str, folder: Path, **given: Any) -> Any:
    path = folder / "student.py"
    path.write_text(text, encoding="utf-8")
    found: Any = resolve(str(path), kind="backprop", hyperparameters=given)
    assert isinstance(found, Backprop)
    return found


def refused(text: str, folder: Path, **given: Any) -> str:
    with pytest.raises(UsageError) as raised:
        handed_in(text, folder, **given)
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(str(folder / "student.py"), "FILE")


@pytest.mark.parametrize("style", student_files.CORRECT)
def test_the_form_of_the_data_is_found_out(style: str, tmp_path: Path) -> None:
    layout = handed_in(student_files.CORRECT[style], tmp_path).layout
    first = next(iter(layout.shapes(2, 3, 2).values()))
    assert (layout.samples, layout.targets, first) == FORMS[style]


@pytest.mark.parametrize("examples", [8, pytest.param(20, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("style", student_files.CORRECT)
def test_correct_files_are_not_accused(style: str, examples: int, tmp_path: Path) -> None:
    subject = handed_in(student_files.CORRECT[style], tmp_path)
    outcome = check_subject(subject, settings=Settings(seed=0, examples=examples))
    assert {v.clause: v.reason for v in outcome.verdicts if v.status in (Status.VIOLATED, Status.ERROR)} == {}
    assert {v.clause for v in outcome.verdicts if v.status is Status.HELD} >= {"step.plain", "step.once"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def losss(a, b):\n    return 0.0\n", "FILE has no function loss(params, X, y); did you mean 'losss'?"),
        (
            "def losss(p, X, y):\n    return 0.0\n",
            "train it; loss(params, X, y), with step(params, X, y, lr) or gradients(params, X, y), is always found; "
            "did you mean 'losss'?",
        ),
        ("x = 1\n", "FILE has no function loss(params, X, y)"),
        (
            "def loss(p, X, y):\n    return 0.0\ndef stepp(p, X, y, lr):\n    pass\n",
            "step(params, X, y, lr) or gradients(params, X, y), is always found; did you mean 'stepp'?",
        ),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def loss(p, X, y)\n", "cannot be imported: SyntaxError: expected ':'"),
        ("rate = float(input())\n", "cannot be imported: EOFError"),
        ("raise SystemExit(3)\n", "cannot be imported: SystemExit: 3"),
    ],
)
def test_what_a_file_lacks(text: str, message: str, tmp_path: Path) -> None:
    assert message in refused(text, tmp_path)


NET = "import numpy as np\ndef loss(p, X, y):\n    return {}\ndef step(p, X, y, lr):\n    {}\n"
HALF = "0.5 * np.sum((X @ p['W'] - y) ** 2)"
MOVED = "p['W'] -= lr * X.T @ (X @ p['W'] - y)"


@pytest.mark.parametrize(
    ("loss", "step", "message"),
    [
        ("X @ p['W'] - y", MOVED, "returned an array of shape (6, 2); expected a float (X of shape (6, 4), y (6, 2))"),
        ("np.random.rand() + " + HALF, MOVED, "FILE: loss is not deterministic: the same call gave "),
        ("round(float(" + HALF + "), 4)", MOVED, "FILE: loss is not differentiable: its differences contradict"),
        ("float(np.sum(0 * (X @ p['W'] - y)))", MOVED, "FILE: loss does not change with the weights"),
        (HALF, "raise ValueError('no')", "FILE: step(params, X, y, lr) raised ValueError: no (X of shape (6, 4), y "),
        (HALF, "return {'V': p['W']}", "returned a dict with the keys V; expected params, a dict with the keys W"),
        ("0.0 * len(p.values())", MOVED, "FILE: no shapes are declared, and what loss asks its params for does not"),
    ],
)
def test_functions_that_cannot_be_used(loss: str, step: str, message: str, tmp_path: Path) -> None:
    said = refused(NET.format(loss, step), tmp_path)
    assert message in said


def test_a_step_without_a_rate_says_it(tmp_path: Path) -> None:
    text = NET.format(HALF, MOVED).replace("X, y, lr):", "X, y):").replace("lr *", "0.25 *")
    assert refused(text, tmp_path) == (
        "FILE: step takes no learning rate: expected step(params, X, y, lr), or say it with lr="
    )
    assert handed_in(text, tmp_path, lr=0.25).layout.rate == 0.25


def test_a_file_that_trains_on_import_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student_file, "IMPORT_SECONDS", 0.2)
    said = refused("while True:\n    pass\n", tmp_path)
    assert said == 'FILE takes more than 0.2 s to import: put what it runs under if __name__ == "__main__":'


def test_files_with_helpers_of_one_name(tmp_path: Path) -> None:
    for folder, factor in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helper.py").write_text(f"FACTOR = {factor}\n", encoding="utf-8")
        text = "from helper import FACTOR\n" + NET.format(HALF, MOVED)
        found = handed_in(text, tmp_path / folder)
        assert found.step.__globals__["FACTOR"] == factor


def test_a_bound_subject_is_the_files(tmp_path: Path) -> None:
    text = student_files.PLAIN + "import gdprops\nsubject = gdprops.backprop(loss, step, lr=0.25)\n"
    assert handed_in(text, tmp_path).layout.rate == 0.25


def test_what_is_given_goes_before_what_is_declared(tmp_path: Path) -> None:
    text = student_files.PLAIN + "lr = 0.25\ntargets = 'numbers'\n"
    assert handed_in(text, tmp_path).layout.rate == 0.25
    assert handed_in(text, tmp_path, lr=0.5).layout.rate == 0.5


@pytest.mark.parametrize("explanation", student_files.WRONG)
def test_wrong_files_are_explained(explanation: str, tmp_path: Path) -> None:
    subject = handed_in(student_files.WRONG[explanation], tmp_path)
    outcome = check_subject(subject, settings=Settings(seed=0, examples=40), clauses="step.plain")
    (verdict,) = outcome.verdicts
    assert verdict.status is Status.VIOLATED
    assert verdict.explanation == explanation


def test_a_mean_over_entries_is_no_mean_over_rows_where_more_outputs_are_declared(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert handed_in(student_files.ONE_OUTPUT, tmp_path / "bare").layout.outputs == 1
    declared = "def shapes(i, h, o):\n    return {'W1': (i, h), 'b1': (h,), 'W2': (h, o), 'b2': (o,)}\n"
    subject = handed_in(student_files.ONE_OUTPUT + declared, tmp_path)
    (verdict,) = check_subject(subject, settings=Settings(seed=0, examples=40), clauses="step.plain").verdicts
    assert str(verdict.explanation) == (
        "W1, b1, W2, b2: moved farther by the number of outputs (the gradient is not divided by them)"
    )


def test_what_is_right_with_one_output_alone_is_asked_about(tmp_path: Path) -> None:
    asked = refused(student_files.RESHAPES, tmp_path)
    assert asked == (
        "FILE: right with one output, wrong with 2 (W1, b1): say outputs=1 if one is meant, outputs=2 if not"
    )
    found = {}
    for outputs in (1, 2):
        subject = handed_in(student_files.RESHAPES, tmp_path, outputs=outputs)
        outcome = check_subject(subject, settings=Settings(seed=0, examples=40), clauses="step.plain")
        found[outputs] = outcome.verdicts[0].status
    assert found == {1: Status.HELD, 2: Status.VIOLATED}


SOFTMAX_FOR_ITS_DIAGONAL = """
import numpy as np

def softmax(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def loss(p, X, Y):
    return -np.sum(Y * np.log(softmax(np.tanh(X @ p["W1"]) @ p["W2"]))) / len(X)

def gradients(p, X, Y):
    h = np.tanh(X @ p["W1"])
    s = softmax(h @ p["W2"])
    dz = -Y / s / len(X) * s * (1 - s)
    return {"W1": X.T @ (dz @ p["W2"].T * (1 - h**2)), "W2": h.T @ dz}
"""


def test_a_softmax_over_one_output_says_nothing(tmp_path: Path) -> None:
    """Its loss is 0 and its gradients are zero, wrong ones too: no question whether one output is meant."""
    clause = "gradient.matches-loss"
    subject = handed_in(SOFTMAX_FOR_ITS_DIAGONAL, tmp_path)
    (verdict,) = check_subject(subject, settings=Settings(seed=0, examples=40), clauses=clause).verdicts
    assert verdict.status is Status.VIOLATED
    assert verdict.blame == ("W1", "W2")
    (tmp_path / "right").mkdir()
    right = SOFTMAX_FOR_ITS_DIAGONAL.replace(
        "-Y / s / len(X) * s * (1 - s)", "(s * Y.sum(axis=1)[:, None] - Y) / len(X)"
    )
    subject = handed_in(right, tmp_path / "right")
    (verdict,) = check_subject(subject, settings=Settings(seed=0, examples=40), clauses=clause).verdicts
    assert verdict.status is Status.HELD


def test_what_goes_wrong_with_many_rows_alone_is_seen(tmp_path: Path) -> None:
    subject = handed_in(student_files.FEW_ROWS, tmp_path)
    (verdict,) = check_subject(subject, settings=Settings(seed=0, examples=40), clauses="step.plain").verdicts
    assert verdict.status is Status.VIOLATED


def test_no_framework_is_imported_for_files(tmp_path: Path) -> None:
    (tmp_path / "ann.py").write_text(student_files.PLAIN, encoding="utf-8")
    code = (
        "import sys\nfrom gdprops.cli import main\n"
        "code = main(['check', 'ann.py', 'ann.py', '--as', 'backprop', '--examples', '5', '--seed', '0'])\n"
        "assert code == 0 and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_names_that_are_asked_for_back_to_front_are_put_in_order(tmp_path: Path) -> None:
    layout = handed_in(student_files.BACK_TO_FRONT, tmp_path).layout
    assert dict(layout.shapes(2, 3, 5)) == {"W1": (3, 2), "b1": (3,), "W2": (5, 3), "b2": (5,)}
    outcome = check_subject(handed_in(student_files.BACK_TO_FRONT, tmp_path), settings=Settings(seed=0, examples=20))
    assert {v.clause: v.reason for v in outcome.verdicts if v.status in (Status.VIOLATED, Status.ERROR)} == {}


def test_a_loss_that_raises_on_some_sizes_is_no_bug_of_ours(tmp_path: Path) -> None:
    subject = handed_in(student_files.FITS_NOT_ONE_INPUT, tmp_path)
    outcome = check_subject(subject, settings=Settings(seed=0, examples=20), clauses="step.plain")
    assert outcome.verdicts[0].status is Status.VIOLATED
    assert "matmul" in outcome.verdicts[0].reason
