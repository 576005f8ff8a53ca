"""Hand-written backprop: correct ones are not accused, faulty ones are caught, blamed and explained."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.subject import backprop
from tests.samples import backprop_functions

TWO_LAYERS: dict[str, Any] = {"loss": backprop_functions.loss, "shapes": backprop_functions.shapes}
RELU: dict[str, Any] = {"loss": backprop_functions.relu_loss, "shapes": backprop_functions.shapes}
SOFTMAX: dict[str, Any] = {"shapes": lambda n_in, n_hidden, n_out: {"W": (n_in, n_out), "b": (n_out,)}}
CORRECT: dict[str, Callable[[], Any]] = {
    "in place": lambda: backprop(
        **TWO_LAYERS, step=backprop_functions.in_place, gradients=backprop_functions.gradients
    ),
    "returned": lambda: backprop(**TWO_LAYERS, step=backprop_functions.returned),
    "both": lambda: backprop(**TWO_LAYERS, step=backprop_functions.both),
    "relu": lambda: backprop(**RELU, step=backprop_functions.relu_step, gradients=backprop_functions.relu_gradients),
    "relu without bias": lambda: backprop(
        backprop_functions.no_bias_loss,
        backprop_functions.no_bias_step,
        shapes=lambda i, h, o: {"W1": (i, h), "W2": (h, o)},
    ),
    "loops over samples": lambda: backprop(
        backprop_functions.looped_loss, backprop_functions.looped_step, shapes=backprop_functions.listed
    ),
    "softmax": lambda: backprop(
        backprop_functions.cross_entropy, backprop_functions.softmax_step, targets="one-hot", **SOFTMAX
    ),
    "labels": lambda: backprop(
        backprop_functions.label_loss, backprop_functions.label_step, targets="labels", **SOFTMAX
    ),
    "small rate": lambda: backprop(**TWO_LAYERS, step=backprop_functions.in_place, lr=1e-3),
}
LATE = (
    "the step uses the already updated weights of the next layer, {}: "
    "with every write put off to the end of the step, it is right"
)


def examined(subject: Any, *, clauses: str = "*", examples: int = 25, seed: int = 0) -> Outcome:
    return check_subject(subject, clauses=clauses, settings=Settings(seed=seed, examples=examples))


def primary(subject: Any, **options: Any) -> Verdict:
    outcome = examined(subject, **options)
    broken = [v for v in outcome.verdicts if v.status is Status.VIOLATED]
    assert broken, [v.reason for v in outcome.verdicts]
    return next((v for v in broken if v.also), broken[0])


def faulty(step: Any, gradients: Any = None) -> Any:
    return backprop(**TWO_LAYERS, step=step, gradients=gradients, name="faulty")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (1, 2))])
@pytest.mark.parametrize("name", CORRECT)
def test_correct_backprop_is_not_accused(name: str, seed: int) -> None:
    outcome = examined(CORRECT[name](), seed=seed, examples=10)
    assert {v.clause: v.reason for v in outcome.verdicts if v.status in (Status.VIOLATED, Status.ERROR)} == {}
    assert {v.clause for v in outcome.verdicts if v.status is Status.HELD} >= {"step.simultaneous", "step.plain"}


def test_what_is_not_given_does_not_apply() -> None:
    only_steps = examined(CORRECT["returned"](), examples=1).verdicts
    reasons = {v.clause: v.reason for v in only_steps if v.status is Status.NOT_APPLICABLE}
    assert reasons == dict.fromkeys(
        ("gradient.complete", "gradient.matches-loss"), "no gradients(params, X, y) is given"
    )
    only_gradients = examined(backprop(**TWO_LAYERS, gradients=backprop_functions.gradients), examples=1).verdicts
    assert {v.clause for v in only_gradients if v.status is Status.HELD} == {
        "gradient.complete",
        "gradient.matches-loss",
        "gradient.pure",
    }
    assert "no step(params, X, y, lr) is given" in {v.reason for v in only_gradients}


@pytest.mark.parametrize(
    "step",
    [
        backprop_functions.updates_as_it_goes,
        backprop_functions.rebinds_as_it_goes,
        backprop_functions.moves_its_locals,
        backprop_functions.toy_network,
    ],
)
def test_updated_weights_used_too_early(step: Any) -> None:
    verdict = primary(faulty(step), clauses="step.simultaneous")
    assert verdict.blame == ("W1", "b1")
    assert verdict.first_wrong_step == 1
    assert verdict.explanation == LATE.format("W2")


def test_the_tutorials_of_lists() -> None:
    scratch = backprop(
        backprop_functions.from_scratch_loss,
        backprop_functions.from_scratch,
        shapes=backprop_functions.from_scratch_shapes,
    )
    loop = backprop(
        backprop_functions.zero_to_gpt_loss,
        backprop_functions.zero_to_gpt,
        shapes=backprop_functions.zero_to_gpt_shapes,
    )
    for subject in (scratch, loop):
        verdict = primary(subject, clauses="step.simultaneous")
        assert verdict.blame == ("params[0]",)
        assert verdict.explanation == LATE.format("params[1]")
        assert verdict.counterexample is not None
        assert sum(np.size(w["array"]) for w in verdict.counterexample.case["case"]["tensors"]) <= 4


def test_a_small_rate_hides_nothing() -> None:
    verdict = primary(
        backprop(**TWO_LAYERS, step=backprop_functions.updates_as_it_goes, lr=1e-3), clauses="step.simultaneous"
    )
    assert verdict.blame == ("W1", "b1")
    assert verdict.worst_ratio is not None
    assert verdict.worst_ratio > 10


@pytest.mark.parametrize(
    ("change", "blame", "explanation"),
    [
        (backprop_functions.flips_a_sign, ("W1",), "W1: moved the other way (the gradient's sign is flipped)"),
        (backprop_functions.forgets_a_layer, ("W1", "b1"), "W1, b1: not moved"),
        (backprop_functions.forgets_a_bias, ("b1",), "b1: not moved"),
        (
            backprop_functions.forgets_to_transpose,
            ("W1", "b1"),
            "W1, b1: the error goes back through W2 instead of its transpose",
        ),
        (
            backprop_functions.forgets_the_activation,
            ("W1", "b1"),
            "W1, b1: the derivative of the activation (tanh) is missing",
        ),
    ],
)
def test_wrong_gradients(change: Any, blame: tuple[str, ...], explanation: str) -> None:
    verdict = primary(faulty(*backprop_functions.stepping(change)), clauses="gradient.matches-loss", examples=60)
    assert verdict.blame == blame
    assert verdict.explanation == explanation


def test_a_forgotten_layer_breaks_moves_all() -> None:
    step, _ = backprop_functions.stepping(backprop_functions.forgets_a_layer)
    verdict = primary(faulty(step), clauses="step.moves-all")
    assert verdict.reason.endswith("steps W1 never moves, b1 never moves")


def test_a_forgotten_mean() -> None:
    verdict = primary(backprop(**RELU, step=backprop_functions.forgets_to_average), clauses="step.simultaneous")
    assert verdict.explanation == (
        "W1, b1, W2, b2: moved farther by the number of rows (the gradient is not divided by them)"
    )


def test_a_step_taken_twice() -> None:
    verdict = primary(faulty(backprop_functions.steps_twice), clauses="step.*")
    assert verdict.clause == "step.once"
    doubled = "the gradient is doubled"
    assert verdict.explanation == f"the same update is applied twice or, which gives the same weights, {doubled}"


def test_a_stale_activation() -> None:
    verdict = primary(faulty(backprop_functions.stale_activation()), clauses="step.simultaneous")
    assert verdict.blame == ("W2",)


def test_a_crash_is_a_violation() -> None:
    subject = backprop(**TWO_LAYERS, step=backprop_functions.raises, gradients=backprop_functions.gradients)
    verdict = primary(subject, clauses="step.simultaneous")
    told = (
        "step(params, X, y, lr) raised ZeroDivisionError: a student's mistake, at tests/samples/backprop_functions.py:"
    )
    assert verdict.reason.startswith(told)


def test_another_shape_is_a_violation() -> None:
    def step(params: Any, X: Any, y: Any, lr: float) -> None:
        params["b2"] = np.zeros((1, len(params["b2"])))

    verdict = primary(faulty(step), clauses="step.simultaneous")
    assert verdict.reason.startswith("step(params, X, y, lr) left b2 as an array of shape (1, ")


def test_gradients_that_move_the_weights() -> None:
    def moving(params: Any, X: Any, y: Any) -> Any:
        found = backprop_functions.gradients(params, X, y)
        params["W1"] -= found["W1"]
        return found

    verdict = primary(backprop(**TWO_LAYERS, gradients=moving))
    assert verdict.clause == "gradient.pure"
    assert verdict.reason == "gradients(params, X, y) writes into what it is given"
    assert verdict.blame == ("W1",)


def test_a_step_that_overwrites_its_targets() -> None:
    def overwriting(params: Any, X: Any, y: Any, lr: float) -> None:
        backprop_functions.in_place(params, X, y, lr)
        y[:] = 0

    verdict = primary(backprop(**TWO_LAYERS, step=overwriting), clauses="gradient.pure")
    assert verdict.reason == "step(params, X, y, lr) writes into what it is given"
    assert verdict.blame == ("y",)


def test_a_loss_that_centers_its_inputs() -> None:
    def centering(params: Any, X: Any, y: Any) -> float:
        X -= X.mean()
        return backprop_functions.loss(params, X, y)

    verdict = primary(
        backprop(centering, step=backprop_functions.in_place, shapes=backprop_functions.shapes), clauses="gradient.pure"
    )
    assert verdict.reason == "loss(params, X, y) writes into what it is given"
    assert verdict.blame == ("X",)


def test_a_missing_gradient() -> None:
    def partial(params: Any, X: Any, y: Any) -> Any:
        return {name: g for name, g in backprop_functions.gradients(params, X, y).items() if name != "b2"}

    verdict = primary(backprop(**TWO_LAYERS, gradients=partial))
    assert (verdict.clause, verdict.reason) == ("gradient.complete", "b2 has no gradient")


def test_the_counterexample_runs_on_numpy_alone() -> None:
    verdict = primary(faulty(backprop_functions.updates_as_it_goes), clauses="step.simultaneous")
    assert verdict.counterexample is not None
    python = verdict.counterexample.python
    heading, _, python = python.partition("\n")
    assert heading.endswith(", float64: the last line asserts what step.simultaneous demands")
    assert python.startswith(
        "import numpy as np\nfrom tests.samples.backprop_functions import updates_as_it_goes\n\n"
        "params = {'W1': np.array([[1.0]]), 'b1': np.array([1.0]), 'W2': np.array([[1.0]]), 'b2': np.array([1.0])}\n"
    )
    assert "# seen:     W1 [" in python
    assert "# expected: W1 [" in python
    with pytest.raises(AssertionError, match=r"^W\d"):
        exec(compile(python, "counterexample", "exec"), {})


def guarded(guard: float, *, unseen: bool = False) -> Any:
    """Return a correct rectifier network whose loss guards its logarithm with a constant that its step leaves out.

    ``unseen``: it takes the logarithms of Python's own numbers, of which nobody knows where they come from.
    """

    def loss(params: Any, X: Any, y: Any) -> Any:
        z = np.maximum(X @ params["W1"] + params["b1"], 0) @ params["W2"] + params["b2"]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        if unseen:
            return -sum(float(t) * math.log(float(a) + guard) for t, a in zip(y.flat, p.flat, strict=True)) / len(X)
        return -np.mean(np.sum(y * np.log(p + guard), axis=1))

    def step(params: Any, X: Any, y: Any, lr: float) -> None:
        h = np.maximum(X @ params["W1"] + params["b1"], 0)
        z = h @ params["W2"] + params["b2"]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        d = (e / e.sum(axis=1, keepdims=True) - y) / len(X)
        dz = d @ params["W2"].T * (h > 0)
        for name, g in {"W1": X.T @ dz, "b1": dz.sum(0), "W2": h.T @ d, "b2": d.sum(0)}.items():
            params[name] -= lr * g

    return backprop(loss, step, shapes=backprop_functions.shapes, targets="one-hot", name="guarded")


@pytest.mark.parametrize("guard", [1e-12, pytest.param(1e-8, marks=pytest.mark.nightly), 1e-7])
@pytest.mark.parametrize("examples", [20, pytest.param(60, marks=pytest.mark.nightly)])
def test_a_guard_in_the_loss_is_no_fault(guard: float, examples: int) -> None:
    outcome = examined(guarded(guard), examples=examples, clauses="step.*")
    assert {v.clause: v.reason for v in outcome.verdicts if v.status in (Status.VIOLATED, Status.ERROR)} == {}
    assert {v.clause for v in outcome.verdicts if v.status is Status.HELD} >= {"step.simultaneous", "step.plain"}


def test_where_an_unseen_guard_matters_the_example_does_not_count() -> None:
    (verdict,) = examined(guarded(1e-7, unseen=True), examples=100, clauses="step.plain").verdicts
    assert verdict.status is Status.HELD
    assert "a guard in the loss may explain it" in verdict.vacuous_reasons


def test_where_a_guard_is_seen_every_example_counts() -> None:
    (verdict,) = examined(guarded(1e-7), examples=100, clauses="step.plain").verdicts
    assert verdict.status is Status.HELD
    assert "a guard in the loss may explain it" not in verdict.vacuous_reasons
    assert [note.text for note in verdict.notes] == [
        "the loss guards a logarithm with 1e-07: gradients that leave this constant out are right too"
    ]


def test_clipped_gradients_are_no_guard() -> None:
    def clips(params: Any, X: Any, y: Any, lr: float) -> None:
        for name, g in backprop_functions.gradients(params, X, y).items():
            params[name] -= lr * np.clip(g, -2, 2)

    assert primary(faulty(clips), clauses="step.simultaneous").blame


def in_single_precision() -> Any:
    """Return correct backprop that computes in float32 whatever it is given, and says its loss as a Python float."""

    def single(params: Any) -> Any:
        return {name: np.asarray(w, dtype=np.float32) for name, w in params.items()}

    def loss(params: Any, X: Any, y: Any) -> float:
        return float(backprop_functions.loss(single(params), X.astype(np.float32), y.astype(np.float32)))

    def step(params: Any, X: Any, y: Any, lr: float) -> Any:
        moved = single(params)
        found = backprop_functions.gradients(moved, X.astype(np.float32), y.astype(np.float32))
        return {name: moved[name] - np.float32(lr) * g for name, g in found.items()}

    return backprop(loss, step, shapes=backprop_functions.shapes, name="single")


@pytest.mark.parametrize("examples", [20, pytest.param(60, marks=pytest.mark.nightly)])
def test_single_precision_is_no_fault(examples: int) -> None:
    outcome = examined(in_single_precision(), examples=examples, clauses="step.*")
    assert {v.clause: v.reason for v in outcome.verdicts if v.status in (Status.VIOLATED, Status.ERROR)} == {}
    assert {v.clause for v in outcome.verdicts if v.status is Status.HELD} >= {"step.simultaneous", "step.plain"}


def test_one_update_per_row_is_named() -> None:
    def row_by_row(params: Any, X: Any, y: Any, lr: float) -> None:
        for k in range(len(X)):
            found = backprop_functions.relu_gradients(params, X[k : k + 1], y[k : k + 1])
            for name in params:
                params[name] -= lr / len(X) * found[f"d{name}"]

    verdict = primary(backprop(**RELU, step=row_by_row, name="faulty"), clauses="step.plain")
    assert verdict.explanation == "one update per row of the batch, each at the weights that the last one left"


def test_two_faults_at_once_are_facts_and_no_cause() -> None:
    def step(params: Any, X: Any, y: Any, lr: float) -> None:
        h, out = backprop_functions.forward(params, X)
        d = out - y
        params["W2"] -= lr * h.T @ d
        params["b2"] -= lr * d.sum(axis=0)
        dh = d @ params["W2"].T
        params["W1"] -= lr * X.T @ dh
        params["b1"] -= lr * dh.sum(axis=0)

    verdict = primary(faulty(step), clauses="step.plain")
    assert verdict.explanation == (
        "none of the known faults reproduces what was seen; wrong, first at step 1: W1, b1; "
        "right in every example: W2, b2"
    )


@pytest.mark.parametrize(("hidden", "which"), [(slice(1, None), "first"), (slice(-1), "last")])
def test_a_unit_that_is_left_out_is_said_where_it_is(hidden: slice, which: str) -> None:
    def gradients(params: Any, X: Any, y: Any) -> Any:
        found = {name: np.zeros_like(w) for name, w in params.items()}
        for name, g in backprop_functions.gradients(params, X, y).items():
            part = (..., hidden) if name in ("W1", "b1") and g.shape[-1] > 1 else ...
            found[name][part] = g[part]
        return found

    verdict = primary(faulty(None, gradients), clauses="gradient.matches-loss")
    assert verdict.explanation == (
        "none of the known faults reproduces what was seen; wrong: W1, b1; right in every example: W2, b2; "
        f"of W1 only the {which} column, which is zero; of b1 only the {which} entry, which is zero"
    )
