"""Files with hand-written backprop, one of each kind that was once judged wrongly, and what must be said of them.

Beside every kind stand siblings: one more that is wrong, and one that is right and looks like it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.student_file import file_subject


def subject_of(folder: Path, code: str, **declared: Any) -> Any:
    file = folder / "net.py"
    file.write_text("import math\nimport numpy as np\n" + dedent(code))
    return file_subject(str(file), declared)


def examined(subject: Any, clauses: str, *, examples: int = 30, seed: int = 0) -> Outcome:
    return check_subject(subject, clauses=clauses, settings=Settings(seed=seed, examples=examples))


def violated(outcome: Outcome) -> Verdict:
    broken = [v for v in outcome.verdicts if v.status is Status.VIOLATED]
    assert broken, [(v.clause, v.status, v.reason) for v in outcome.verdicts]
    return next((v for v in broken if v.also), broken[0])


def wrong(folder: Path, code: str, clauses: str = "gradient.*", **declared: Any) -> str:
    """Return how a wrong file is explained."""
    return violated(examined(subject_of(folder, code, **declared), clauses)).explanation or ""


def require_right(folder: Path, code: str, clauses: str = "gradient.*", *, seed: int = 0, **declared: Any) -> Outcome:
    outcome = examined(subject_of(folder, code, **declared), clauses, seed=seed)
    judged = [v for v in outcome.verdicts if v.status is not Status.NOT_APPLICABLE]
    assert {v.clause: v.status for v in judged} == {v.clause: Status.HELD for v in judged}, outcome.verdicts
    assert judged
    return outcome


# Guards in logarithms: the gradients of the loss without them are right, too.

SOFTMAX = """
def probabilities(p, X):
    h = np.maximum(0, X @ p["W1"] + p["b1"])
    s = h @ p["W2"] + p["b2"]
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)
def loss(p, X, T):
    return -np.sum(T * np.log(probabilities(p, X)[1] + {guard})) / len(X)
def gradients(p, X, T):
    h, q = probabilities(p, X)
    d = (q - T) / len(X)
    dh = d @ p["W2"].T {slope}
    return {{"W1": X.T @ dh, "b1": dh.sum(0), "W2": h.T @ d, "b2": d.sum(0)}}
targets = "one-hot"
"""


@pytest.mark.parametrize("guard", [1e-7, 1e-5])
@pytest.mark.parametrize("seed", range(3))
def test_a_guard_in_a_logarithm_is_told_and_not_held_against_the_gradients(
    tmp_path: Path, guard: float, seed: int
) -> None:
    outcome = require_right(tmp_path, SOFTMAX.format(guard=guard, slope="* (h > 0)"), seed=seed)
    (note,) = {note for v in outcome.verdicts for note in v.notes}
    assert note.text == (
        f"the loss guards a logarithm with {guard:g}: gradients that leave this constant out are right too"
    )
    assert (note.file, note.line) == (str(tmp_path / "net.py"), 10)


@pytest.mark.parametrize("guard", [1e-7, pytest.param(1e-5, marks=pytest.mark.nightly)])
def test_a_fault_beside_a_guard_is_found_and_named(tmp_path: Path, guard: float) -> None:
    told = wrong(tmp_path, SOFTMAX.format(guard=guard, slope=""))
    assert told == "W1, b1: the derivative of the activation (relu) is missing"


BINARY = """
def f(p, X):
    h = np.tanh(X @ p["W1"])
    return h, 1 / (1 + np.exp(-(h @ p["W2"])))
{loss}
def gradients(p, X, y):
    h, a = f(p, X)
    d = (a - y) / len(X)
    return {{"W1": X.T @ (d @ p["W2"].T * (1 - h**2)), "W2": h.T @ d}}
targets = "binary"
"""


@pytest.mark.parametrize(
    "loss",
    [
        """
def loss(p, X, y):
    a = f(p, X)[1]
    return -np.sum(y * np.log(a + 1e-4) + (1 - y) * np.log(1 - a + 1e-4)) / len(X)
""",
        """
def loss(p, X, y):
    a = np.clip(f(p, X)[1], 1e-3, 1 - 1e-3)
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1 - a)) / len(X)
""",
        """
def loss(p, X, y):
    total = 0.0
    for row, t in zip(f(p, X)[1], y):
        for a, wanted in zip(row, t):
            total -= wanted * math.log(a + 1e-5) + (1 - wanted) * math.log(1 + 1e-5 - a)
    return total / len(X)
""",
        """
def loss(p, X, y):
    a = np.zeros(y.shape)
    a[:] = f(p, X)[1]
    a += 1e-5
    return -np.sum(y * np.log(a) + (1 - y) * np.log(1.00002 - a)) / len(X)
""",
    ],
    ids=["added", "clipped", "in loops", "in buffers"],
)
def test_guards_of_other_forms(tmp_path: Path, loss: str) -> None:
    outcome = require_right(tmp_path, BINARY.format(loss=loss))
    assert any("guards a logarithm" in note.text for v in outcome.verdicts for note in v.notes)


def test_a_constant_under_a_root_is_no_guard(tmp_path: Path) -> None:
    code = """
    def normal(p, X, eps):
        z = X @ p["W1"]
        s = np.sqrt((z**2).mean(axis=1, keepdims=True) + eps)
        return z, s
    def loss(p, X, y):
        z, s = normal(p, X, 1e-3)
        return 0.5 * np.sum((z / s @ p["W2"] - y) ** 2)
    def gradients(p, X, y):
        z, s = normal(p, X, 0.0)
        n = z / s
        d = n @ p["W2"] - y
        dn = d @ p["W2"].T
        return {"W1": X.T @ ((dn - n * (dn * n).mean(axis=1, keepdims=True)) / s), "W2": n.T @ d}
    """
    assert violated(examined(subject_of(tmp_path, code), "gradient.matches-loss"))


# What is raised, and where.


def test_it_raises_with_one_hidden_unit(tmp_path: Path) -> None:
    code = """
    def f(p, X):
        h = np.tanh(X @ p["W1"]).squeeze()
        return h, h @ p["W2"]
    def loss(p, X, y):
        return 0.5 * np.sum((f(p, X)[1] - y) ** 2)
    def gradients(p, X, y):
        h, o = f(p, X)
        return {"W1": X.T @ ((o - y) @ p["W2"].T * (1 - h**2)), "W2": h.T @ (o - y)}
    """
    verdict = violated(examined(subject_of(tmp_path, code), "gradient.*"))
    assert verdict.clause == "gradient.matches-loss"
    assert verdict.explanation == (
        "raises with 1 hidden unit or 1 row, and runs with more: ValueError in loss(params, X, y)"
    )


def test_it_raises_with_one_output(tmp_path: Path) -> None:
    code = """
    def loss(p, X, y):
        return 0.5 * np.sum((X @ p["W"] - y) ** 2)
    def step(p, X, y, lr):
        d = X @ p["W"] - y
        assert d.shape[1] > 1, "several classes"
        p["W"] -= lr * X.T @ d
    """
    verdict = violated(examined(subject_of(tmp_path, code), "step.*"))
    assert verdict.clause == "step.simultaneous"
    assert verdict.explanation == "raises with 1 output, and runs with more: AssertionError in step(params, X, y, lr)"


def test_nothing_moves(tmp_path: Path) -> None:
    code = """
    def s(z): return 1 / (1 + np.exp(-z))
    def loss(p, X, y):
        return np.sum((s(X @ p["W"]) - y) ** 2)
    def step(p, X, y, lr):
        predicted = np.zeros(y.shape); s(X @ p["W"])
        p["W"] += lr * X.T @ (2 * (y - predicted) * predicted * (1 - predicted))
    """
    verdict = violated(examined(subject_of(tmp_path, code), "step.*"))
    assert (verdict.clause, verdict.explanation) == ("step.moves-all", "no gradient is used")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            """
def loss(p, X, Y):
    A1 = np.tanh(p["W1"] @ X + p["b1"])
    A2 = squash(p["W2"] @ A1 + p["b2"])
    return -np.sum(Y * np.log(A2)) / X.shape[1]
def gradients(p, X, Y):
    return {}
""",
            "loss(params, X, y) raised NameError: name 'squash' is not defined",
        ),
        (
            """
def loss(p, X, Y):
    A1 = np.tanh(p["W1"] @ X + p["b1"])
    A2 = 1 / (1 + np.exp(-(p["W2"] @ A1 + p["b2"])))
    assert A2.shape == (1, X.shape[1])
    cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / X.shape[1]
    assert type(cost) is float, "cost must be a float"
    return cost
def gradients(p, X, Y):
    return {}
""",
            "loss(params, X, y) raised AssertionError: cost must be a float",
        ),
        (
            """
def loss(p, X, Y):
    return 0.5 * np.sum((p["W2"] @ np.tanh(p["W1"] @ X) - Y) ** 2) / X.shape[1]
def gradients(p, X, Y):
    h = np.tanh(p["W1"] @ X)
    d = p["W2"] @ h - Y
    return {"W2": d @ h.T / m, "W1": 0}
""",
            "gradients(params, X, y) raised NameError: name 'm' is not defined",
        ),
    ],
    ids=["a name", "an assertion", "a name in gradients"],
)
def test_the_error_of_the_form_that_got_farthest_is_told(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        subject_of(tmp_path, code)
    assert f"net.py: {said}" in str(raised.value)


# Forms that are found out.


def test_biases_as_a_column(tmp_path: Path) -> None:
    code = """
    def one(H):
        return np.hstack([H, np.ones((len(H), 1))])
    def loss(p, X, y):
        return np.mean((one(np.tanh(one(X) @ p["W1"])) @ p["W2"] - y) ** 2) / 2
    def step(p, X, y, lr):
        A = one(X)
        H = np.tanh(A @ p["W1"])
        d = (one(H) @ p["W2"] - y) / y.size
        old = p["W2"].copy()
        p["W2"] -= lr * (one(H).T @ d)
        p["W1"] -= lr * (A.T @ ((d @ old.T)[:, :-1] * (1 - H**2)))
    """
    require_right(tmp_path, code, "step.*")


FIRST_LAYER_ONLY = """
def loss(p, X, y):
    A = np.c_[X, np.ones(len(X))]
    return 0.5 * np.sum((np.tanh(A @ p["W1"]) @ p["W2"] - y) ** 2)
def gradients(p, X, y):
    A = np.c_[X, np.ones(len(X))]
    h = np.tanh(A @ p["W1"])
    d = h @ p["W2"] - y
    return {{"W1": A.T @ (d @ p["W2"].T{slope}), "W2": h.T @ d}}
"""


def test_a_column_of_ones_beside_the_inputs_only(tmp_path: Path) -> None:
    require_right(tmp_path, FIRST_LAYER_ONLY.format(slope=" * (1 - h**2)"))
    (tmp_path / "wrong").mkdir()
    told = wrong(tmp_path / "wrong", FIRST_LAYER_ONLY.format(slope=""))
    assert told == "W1: the derivative of tanh (line 6) is missing"


COLUMNS = """
def f(p, X):
    A1 = 1 / (1 + np.exp(-(p["W1"] @ X.T + p["b1"])))
    return A1, 1 / (1 + np.exp(-(p["W2"] @ A1 + p["b2"])))
def loss(p, X, Y):
    A2 = f(p, X)[1]
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / {m}
def gradients(p, X, Y):
    A1, A2 = f(p, X)
    m = X.shape[0]
    d = A2 - Y
    h = p["W2"].T @ d * A1 * (1 - A1)
    return {{"W1": h @ X / m, "b1": h.sum(1, keepdims=True) / m, "W2": d @ A1.T / m, "b2": d.sum(1, keepdims=True) / m}}
"""


def test_the_number_of_outputs_for_that_of_samples_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        subject_of(tmp_path, COLUMNS.format(m="Y.shape[0]"))
    assert str(raised.value).endswith(
        "right for y of shape (rows,), wrong for y of shape (2, rows) (W1, b1, W2, b2): "
        'say targets="vector" if one output is meant, samples="mixed" if not'
    )


def test_rows_of_x_beside_columns_of_y(tmp_path: Path) -> None:
    subject = subject_of(tmp_path, COLUMNS.format(m="X.shape[0]"))
    assert {v.status for v in examined(subject, "gradient.*").verdicts} <= {Status.HELD, Status.NOT_APPLICABLE}


# What is told of the numbers.


def test_a_scalar_bias_is_shown_with_different_numbers(tmp_path: Path) -> None:
    code = """
    def loss(p, X, y):
        return 0.5 * np.sum((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] - y) ** 2)
    def gradients(p, X, y):
        h = np.tanh(X @ p["W1"] + p["b1"])
        d = h @ p["W2"] - y
        dh = d @ p["W2"].T * (1 - h**2)
        return {"W1": X.T @ dh, "b1": np.sum(dh), "W2": h.T @ d}
    shapes = lambda i, h, o: {"W1": (i, h), "b1": (1, h), "W2": (h, o)}
    """
    outcome = examined(subject_of(tmp_path, code), "gradient.*")
    broken = {v.clause: v for v in outcome.verdicts if v.status is Status.VIOLATED}
    assert set(broken) == {"gradient.complete", "gradient.matches-loss"}
    for verdict in broken.values():
        assert verdict.explanation == "b1: every entry is the sum of all entries' gradients"
        assert verdict.counterexample is not None
        lines = verdict.counterexample.python.splitlines()
        seen, expected = (next(line for line in lines if line.startswith(what)) for what in ("# seen", "# expected"))
        assert seen.removeprefix("# seen:     ") != expected.removeprefix("# expected: ")
        assert "b1 [0.272437375]" in seen


def test_a_gradient_of_another_shape_and_the_right_numbers_is_incomplete_only(tmp_path: Path) -> None:
    code = """
    def loss(p, X, y):
        return 0.5 * np.sum((X @ p["W"] + p["b"] - y) ** 2)
    def gradients(p, X, y):
        d = X @ p["W"] + p["b"] - y
        return {"W": X.T @ d, "b": d.sum(0)}
    shapes = lambda i, h, o: {"W": (i, o), "b": (1, o)}
    """
    outcome = examined(subject_of(tmp_path, code), "gradient.*")
    assert {v.clause for v in outcome.verdicts if v.status is Status.VIOLATED} == {"gradient.complete"}


@pytest.mark.parametrize(
    ("clipped", "told"),
    [
        ("np.clip(g, -5, 5)", "every entry of the gradient is clipped to the value 5"),
        ("g * min(1, 2 / np.sqrt((g**2).sum()))", "all gradients are clipped to the global norm 2"),
    ],
    ids=["by value", "by norm"],
)
def test_clipping_is_told_without_an_option_that_does_not_exist(tmp_path: Path, clipped: str, told: str) -> None:
    code = f"""
    def loss(p, X, y):
        return 5 * np.sum((X @ p["W"] - y) ** 2)
    def gradients(p, X, y):
        g = 10 * X.T @ (X @ p["W"] - y)
        return {{"W": {clipped}}}
    """
    said = wrong(tmp_path, code)
    assert said.startswith(told)
    assert "declare" not in said


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (
            "g + 0.5 * g",
            "W: 0.5 times the gradient stands where 0.5 times the weights belong "
            "(the derivative of a penalty is taken of the gradient)",
        ),
        (
            "3 * g",
            "W: the gradient lacks 0.5 times the weights themselves (a penalty on the weights that the loss has), "
            "and 3 times as large",
        ),
        ("g", "W: the gradient lacks 0.5 times the weights themselves (a penalty on the weights that the loss has)"),
    ],
    ids=["of the gradient", "missing, and scaled", "missing"],
)
def test_a_penalty_of_something_else(tmp_path: Path, used: str, told: str) -> None:
    code = f"""
    def loss(p, X, y):
        return 0.5 * np.mean((X @ p["W"] - y) ** 2) + 0.25 * np.sum(p["W"] ** 2)
    def gradients(p, X, y):
        g = X.T @ (X @ p["W"] - y) / y.size
        return {{"W": {used}}}
    """
    assert wrong(tmp_path, code) == told


TWO = """
def f(p, X):
    h = 1 / (1 + np.exp(-(X @ p["W1"] + p["B1"])))
    return h, h @ p["W2"] + p["B2"]
def loss(p, X, y):
    return np.mean((y - f(p, X)[1]) ** 2)
def gradients(p, X, y):
    h, o = f(p, X)
    d = {delta}
    dh = d @ p["W2"].T * {slope}
    return {{"W1": X.T @ dh, "B1": {bias}, "W2": h.T @ d, "B2": d.sum(0, keepdims=True)}}
shapes = lambda i, h, o: {{"W1": (i, h), "B1": (1, h), "W2": (h, 1), "B2": (1, 1)}}
outputs = 1
"""


def test_two_faults_at_once_are_both_named(tmp_path: Path) -> None:
    told = wrong(tmp_path, TWO.format(delta="o - y", slope="h * (1 - h)", bias="dh.sum(0).sum(0)"))
    half = "larger by half the number of rows (the gradient is neither divided by them nor doubled)"
    assert told.startswith(f"W1, W2, B2: {half}; B1: ")
    assert "summed over everything" in told or "the sum of all entries' gradients" in told
    assert told.count(half) == 2


def test_a_factor_beside_a_missing_derivative(tmp_path: Path) -> None:
    told = wrong(tmp_path, TWO.format(delta="4 * (o - y) / len(y)", slope="1", bias="dh.sum(0, keepdims=True)"))
    assert told.startswith("W2, B2: twice as large; W1, B1: ") or told.startswith("W1, B1: ")
    assert "the derivative of the activation (sigmoid) is missing; besides, twice as large" in told


# The error at the output.

OUTPUT = """
def forward(p, X):
    h = np.tanh(X @ p["W1"] + p["b1"])
    e = np.exp(h @ p["W2"] + p["b2"])
    return h, e / e.sum(axis=1, keepdims=True)
def loss(p, X, y):
    return {loss}
def step(p, X, y, lr):
    h, a = forward(p, X)
    {delta}
    d = d / len(X)
    dh = d @ p["W2"].T * (1 - h**2)
    p["W2"] -= lr * h.T @ d
    p["b2"] -= lr * d.sum(0)
    p["W1"] -= lr * X.T @ dh
    p["b1"] -= lr * dh.sum(0)
targets = "{targets}"
"""
SQUARES = "0.5 * np.sum((forward(p, X)[1] - y) ** 2) / len(X)"
LABELS = "-np.mean(np.log(forward(p, X)[1][np.arange(len(y)), y]))"


@pytest.mark.parametrize(
    ("loss", "delta", "targets", "told"),
    [
        (
            SQUARES,
            "d = a - y",
            "one-hot",
            "the error at the output is a - y, as in cross-entropy: the derivative of softmax is missing",
        ),
        (
            SQUARES,
            "d = (a - y) * a * (1 - a)",
            "one-hot",
            "the derivative of softmax is taken as a (1 - a), as if the outputs did not depend on each other",
        ),
        (
            LABELS,
            "d = a.copy(); d[:, y] -= 1",
            "labels",
            "1 is subtracted in the columns of all labels in every row, as by probs[:, y] -= 1, "
            "not in each row's own column",
        ),
    ],
    ids=["cross-entropy's", "diagonal", "all labels"],
)
def test_the_error_at_the_output(tmp_path: Path, loss: str, delta: str, targets: str, told: str) -> None:
    code = OUTPUT.format(loss=loss, delta=delta, targets=targets)
    assert wrong(tmp_path, code, "step.simultaneous") == f"W1, b1, W2, b2: {told}"


def test_the_right_errors_at_the_output(tmp_path: Path) -> None:
    right = "g = a - y; d = a * (g - (g * a).sum(axis=1, keepdims=True))"
    require_right(tmp_path, OUTPUT.format(loss=SQUARES, delta=right, targets="one-hot"), "step.simultaneous")


@pytest.mark.parametrize(
    ("reduced", "told"), [("mean(axis=1", "averaged over the targets"), ("sum(axis=0", "summed over the outputs")]
)
def test_outputs_in_a_column_minus_targets_in_a_row(tmp_path: Path, reduced: str, told: str) -> None:
    code = f"""
    def loss(p, X, y):
        return 0.5 * np.mean(((np.tanh(X @ p["W1"]) @ p["W2"]).ravel() - y) ** 2)
    def step(p, X, y, lr):
        h = np.tanh(X @ p["W1"])
        d = ((h @ p["W2"] - y).{reduced}, keepdims=True) / len(X)).reshape(-1, 1)
        g = X.T @ (d @ p["W2"].T * (1 - h**2))
        p["W2"] -= lr * h.T @ d
        p["W1"] -= lr * g
    targets = "vector"
    shapes = lambda i, h, o: {{"W1": (i, h), "W2": (h, 1)}}
    """
    outcome = examined(subject_of(tmp_path, code), "step.*")
    explained = {v.explanation for v in outcome.verdicts if v.status is Status.VIOLATED}
    assert explained == {
        "W1, W2: outputs of shape (rows, 1) minus targets of shape (rows,) are the differences of all pairs of rows, "
        f"{told}"
    }


# Parts of the batch.

PARTS = """
def grads(p, X, y):
    h = np.tanh(X @ p["W1"] + p["b1"])
    d = (h @ p["W2"] - y) / len(X)
    dz = d @ p["W2"].T * (1 - h**2)
    return {{"W1": X.T @ dz, "b1": dz.sum(0), "W2": h.T @ d}}
def loss(p, X, y):
    return 0.5 * np.sum((np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] - y) ** 2) / len(X)
def step(p, X, y, lr):
    {steps}
"""
EACH = "each at the weights that the last one left: several steps, not one"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            "for i in range(0, len(X), 2):\n        for k, g in grads(p, X[i:i+2], y[i:i+2]).items(): p[k] -= lr * g",
            f"one update per mini-batch of 2 rows, {EACH}",
        ),
        (
            "for i in range(0, len(X) // 3 * 3, 3):\n"
            "        for k, g in grads(p, X[i:i+3], y[i:i+3]).items(): p[k] -= lr * g",
            f"one update per mini-batch of 3 rows, {EACH}; the rows that are left over are not used",
        ),
        (
            "parts = [grads(p, X[i:i+2], y[i:i+2]) for i in range(0, len(X), 2)]\n"
            "    for k in p: p[k] -= lr * sum(g[k] for g in parts)",
            "the gradients of a mini-batch of 2 rows at a time are added up, and not divided by how many there are",
        ),
    ],
    ids=["of two", "of three, none left over", "added up"],
)
def test_mini_batches(tmp_path: Path, steps: str, told: str) -> None:
    assert wrong(tmp_path, PARTS.format(steps=steps), "step.simultaneous") == told


def test_mini_batches_whose_shares_are_added_up_are_right(tmp_path: Path) -> None:
    steps = (
        "parts = [(len(X[i:i+2]) / len(X), grads(p, X[i:i+2], y[i:i+2])) for i in range(0, len(X), 2)]\n"
        "    for k in p: p[k] -= lr * sum(share * g[k] for share, g in parts)"
    )
    require_right(tmp_path, PARTS.format(steps=steps), "step.simultaneous")


# Any network: mistakes in the user's own loss.

BATCH_NORM = """
def forward(p, X):
    z = X @ p["W1"]
    mu, var = z.mean(0), z.var(0)
    xh = (z - mu) / np.sqrt(var + 1e-2)
    return z, xh, var, np.tanh(xh * p["gamma"] + p["beta"])
def loss(p, X, y):
    return np.mean((forward(p, X)[3] @ p["W2"] - y) ** 2)
def step(p, X, y, lr):
    z, xh, var, h = forward(p, X)
    d = 2 * (h @ p["W2"] - y) / y.size
    da = d @ p["W2"].T * (1 - h**2)
    e = da * p["gamma"]
    g = {{"W2": h.T @ d, "gamma": (da * xh).sum(0), "beta": da.sum(0), "W1": X.T @ ({e} / np.sqrt(var + 1e-2))}}
    for k in g:
        p[k] -= lr * g[k]
shapes = lambda i, h, o: {{"W1": (i, h), "gamma": (h,), "beta": (h,), "W2": (h, o)}}
"""


def test_batch_statistics_taken_for_constants(tmp_path: Path) -> None:
    told = wrong(tmp_path, BATCH_NORM.format(e="e"), "step.simultaneous")
    assert told == "W1: mean and var (line 6) are taken for constants"


def test_one_of_the_batch_statistics_taken_for_a_constant(tmp_path: Path) -> None:
    told = wrong(tmp_path, BATCH_NORM.format(e="(e - e.mean(0))"), "step.simultaneous")
    assert told == "W1: var (line 6) is taken for a constant"


def test_batch_statistics_differentiated(tmp_path: Path) -> None:
    right = "(e - e.mean(0) - xh * (e * xh).mean(0))"
    require_right(tmp_path, BATCH_NORM.format(e=right), "step.simultaneous")


RECURRENT = """
def states(p, X):
    hs = [np.zeros(len(p["Whh"]))]
    for x in X: hs.append(np.tanh(p["Wxh"] @ x + p["Whh"] @ hs[-1]))
    return hs
def loss(p, X, y):
    return 0.5 * np.sum((p["Why"] @ states(p, X)[-1] - y[-1]) ** 2)
def gradients(p, X, y):
    hs = states(p, X); d = p["Why"] @ hs[-1] - y[-1]; dh = p["Why"].T @ d
    g = {{"Wxh": 0, "Whh": 0, "Why": np.outer(d, hs[-1])}}
    for t in reversed(range(len(X))):
        dz = dh{slope}
        g["Wxh"] = g["Wxh"] + np.outer(dz, X[t]); g["Whh"] = g["Whh"] + np.outer(dz, hs[t])
        dh = p["Whh"]{turned} @ dz
    return g
shapes = lambda i, h, o: {{"Wxh": (h, i), "Whh": (h, h), "Why": (o, h)}}
"""


@pytest.mark.parametrize(
    ("slope", "turned", "told"),
    [
        (" * (1 - hs[t + 1] ** 2)", "", "the error goes back through Whh instead of its transpose (line 6)"),
        ("", ".T", "the derivative of tanh (line 6) is missing"),
    ],
    ids=["not transposed", "no slope"],
)
def test_recurrent_networks(tmp_path: Path, slope: str, turned: str, told: str) -> None:
    assert wrong(tmp_path, RECURRENT.format(slope=slope, turned=turned)) == f"Wxh, Whh: {told}"


def test_a_right_recurrent_network(tmp_path: Path) -> None:
    require_right(tmp_path, RECURRENT.format(slope=" * (1 - hs[t + 1] ** 2)", turned=".T"))


POOLED = """
def loss(p, x, y):
    return 0.5 * np.sum((np.{most}(np.outer(p["w"], x).reshape(-1)) - y) ** 2)
def gradients(p, x, y):
    a = np.outer(p["w"], x)
    {picked}
    return {{"w": (picked * (a.{most}() - y) * x).sum(1)}}
shapes, samples, outputs, inputs = {{"w": (1,)}}, "single", 1, 4
"""


@pytest.mark.parametrize("most", ["max", "min"])
def test_pooling_where_entries_tie(tmp_path: Path, most: str) -> None:
    told = wrong(tmp_path, POOLED.format(most=most, picked=f"picked = a == a.{most}()"))
    assert told == f"w: wrong only where entries tie: {most} (line 5) hands the error to each of them, not to one"


def test_pooling_that_picks_one_of_what_ties(tmp_path: Path) -> None:
    picked = "picked = np.zeros(a.shape); picked.flat[a.argmax()] = 1"
    require_right(tmp_path, POOLED.format(most="max", picked=picked))


# What is kept from one call to the next.

KEEPS = """
{kept}
def loss(p, X, y):
    return 0.5 * np.sum((X @ p["W"] - y) ** 2)
def step(p, X, y, lr{more}):
    total = {total}
    total["W"] = total.get("W", 0) * (np.shape(total.get("W", 0)) == p["W"].shape) + X.T @ (X @ p["W"] - y)
    p["W"] -= lr * total["W"]
"""


@pytest.mark.parametrize(
    ("kept", "more", "total"),
    [
        ("TOTAL = {}", "", "TOTAL"),
        ("", ", total={}", "total"),
        ("def noted(): pass\nnoted.total = {}", "", "noted.total"),
        ("class Sums:\n    total = {}", "", "Sums.total"),
    ],
    ids=["a global", "a default", "an attribute", "a class"],
)
def test_gradients_that_outlive_the_call(tmp_path: Path, kept: str, more: str, total: str) -> None:
    code = KEEPS.format(kept=kept, more=more, total=total).replace("* (np.shape", "if (np.shape")
    code = code.replace('== p["W"].shape) +', '== p["W"].shape) else 0\n    total["W"] = total["W"] +')
    verdict = violated(examined(subject_of(tmp_path, code), "step.*"))
    assert verdict.clause == "step.fresh-gradient"
    assert verdict.explanation == (
        "the gradient is added to those of the earlier steps (nothing sets them to zero again)"
    )
    assert verdict.counterexample is not None
    assert_reproduces(verdict.counterexample.python)


def test_what_is_kept_and_not_used_is_right(tmp_path: Path) -> None:
    code = """
    LOSSES, COUNT = [], 0
    def loss(p, X, y):
        return 0.5 * np.sum((X @ p["W"] - y) ** 2)
    def step(p, X, y, lr):
        global COUNT
        COUNT += 1
        LOSSES.append(loss(p, X, y))
        p["W"] -= lr * X.T @ (X @ p["W"] - y)
    """
    require_right(tmp_path, code, "step.plain")


def test_what_nobody_can_put_back_is_seen_in_a_fresh_interpreter(tmp_path: Path) -> None:
    code = """
    import itertools
    CALLS = itertools.count()
    def loss(p, X, y):
        return 0.5 * np.sum((X @ p["W"] - y) ** 2)
    def step(p, X, y, lr):
        p["W"] -= lr * X.T @ (X @ p["W"] - y) * (1 if next(CALLS) < 2 else 2)
    """
    verdict = violated(examined(subject_of(tmp_path, code), "step.simultaneous"))
    assert verdict.counterexample is not None
    lines = verdict.counterexample.python.splitlines()
    assert lines[-1] == (
        "# after many other calls the same lines gave other numbers: the code keeps something from one call to the next"
    )
    assert_reproduces(verdict.counterexample.python)


def assert_reproduces(script: str) -> None:
    """Run a printed case, up to its assertion, in an interpreter of its own: it prints what it says was seen."""
    from gdprops.subjects.backprop.fresh_interpreter import printed

    shown = printed(script.partition("\nseen, expected = ")[0])
    assert shown is not None
    seen = [line.removeprefix("# seen:     ") for line in script.splitlines() if line.startswith("# seen:")]
    told = [f"W {[float(f'{v:.9g}') for row in value['W'] for v in row]}" for value in shown]
    assert told == seen


# Two files, each with a helper module of the same name.


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_helper_modules_of_the_same_name(tmp_path: Path, order: str) -> None:
    net = """
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from activation import f, df
def loss(p, X, y):
    return 0.5 * np.sum((f(X @ p["W1"]) @ p["W2"] - y) ** 2)
def gradients(p, X, y):
    import activation
    h = f(X @ p["W1"])
    d = h @ p["W2"] - y
    return {"W1": X.T @ (d @ p["W2"].T * activation.df(h)), "W2": h.T @ d}
"""
    for student, slope in (("a", "1 - a**2"), ("b", "1 - a")):
        (tmp_path / student / "own").mkdir(parents=True)
        (tmp_path / student / "lib").mkdir()
        helper = f"import numpy as np\ndef f(z): return np.tanh(z)\ndef df(a): return {slope}\n"
        (tmp_path / student / "lib" / "activation.py").write_text(helper)
    path = list(sys.path)
    subjects = {student: subject_of(tmp_path / student / "own", net) for student in order}
    found = {student: examined(subjects[student], "gradient.matches-loss").verdicts[0].status for student in order}
    assert found == {"a": Status.HELD, "b": Status.VIOLATED}
    assert sys.path == path
    assert "activation" not in sys.modules
