"""Training steps: correct ones are not accused, faulty ones are caught, blamed and explained."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gdprops.clauses.implementations import training_step as training
from gdprops.errors import UsageError
from gdprops.kinds import kind_of
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step import invented
from tests.samples import training_steps

pytestmark = [
    pytest.mark.xdist_group("training steps"),
    pytest.mark.no_cover,  # whole runs, which take half as long where lines are not counted
]
PLAIN = {"lr": 0.1}
CORRECT: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (training_steps.ordinary, {}),
    (training_steps.ordinary, PLAIN),
    (training_steps.with_momentum_and_a_scheduler, {}),
    (training_steps.measures_its_norm, {}),
    (training_steps.sharpness_aware, {}),
    (training_steps.adamw, {}),
    (training_steps.in_backward, PLAIN),
    (training_steps.without_an_optimizer, PLAIN),
    (training_steps.one_step_call_per_parameter, {}),
    (training_steps.clips_its_norm, {"clip_norm": 0.1}),
    (training_steps.maximizes, {}),
]
FAULTY: list[tuple[Callable[..., Any], dict[str, Any], str, str]] = [
    (training_steps.layer_by_layer, PLAIN, "step.simultaneous", "layer by layer, first layer first"),
    (training_steps.last_layer_first, PLAIN, "step.simultaneous", "layer by layer, last layer first"),
    (training_steps.layer_by_layer_slowly, {"lr": 1e-3}, "step.simultaneous", "layer by layer, first layer first"),
    (training_steps.forgets_zero_grad, {}, "step.fresh-gradient", "added to those of the earlier steps (no zero_grad)"),
    (training_steps.one_step_behind, {}, "step.fresh-gradient", "the last step's gradient is used (stale)"),
    (training_steps.steps_twice, {}, "step.once", "the same update is applied twice"),
    (training_steps.row_by_row, {}, "step.accumulation", "one update per row of the batch"),
    (training_steps.mean_of_means, {}, "step.accumulation", "the mean of two ragged micro-batches' gradients"),
    (training_steps.maximizes_the_loss, {}, "step.simultaneous", "the gradient's sign is flipped"),
    (training_steps.half_the_loss, {}, "step.simultaneous", "the gradient is halved"),
    (training_steps.skips_biases, PLAIN, "step.moves-all", "the biases stay where they are"),
    (
        training_steps.clips_its_norm,
        {},
        "step.simultaneous",
        "clipped to the global norm 0.1 (where that is meant, declare it: clip_norm=0.1)",
    ),
]


def examined(build: Callable[..., Any], declared: dict[str, Any], *, examples: int = 10) -> Outcome:
    return _examined(build, tuple(declared.items()), examples)


@cache
def _examined(build: Callable[..., Any], given: tuple[tuple[str, Any], ...], examples: int) -> Outcome:
    declared = dict(given)
    subject = training_step(build, name=build.__name__, **declared)
    return check_subject(subject, clauses="step.*", settings=Settings(seed=0, examples=examples))


def primary(outcome: Outcome) -> Verdict:
    broken = [v for v in outcome.of(About.SUBJECT) if v.status is Status.VIOLATED]
    assert broken, [v.reason for v in outcome.verdicts]
    return next((v for v in broken if v.also), broken[0])


@pytest.mark.parametrize("examples", [10, pytest.param(30, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(("build", "declared"), CORRECT)
def test_a_correct_step_is_not_accused(build: Callable[..., Any], declared: dict[str, Any], examples: int) -> None:
    outcome = examined(build, declared, examples=examples)
    assert outcome.exit_code == 0
    assert {v.clause for v in outcome.verdicts if v.status is Status.HELD} >= {
        "step.simultaneous",
        "step.moves-all",
        "step.once",
        "step.frozen-untouched",
        "step.fresh-gradient",
    }


@pytest.mark.parametrize(
    ("build", "declared", "clause", "explanation"),
    # The others are whole runs of what tests/explanations/training_step names without a search.
    [fault if k % 3 == 0 else pytest.param(*fault, marks=pytest.mark.nightly) for k, fault in enumerate(FAULTY)],
)
def test_a_faulty_step_is_explained(
    build: Callable[..., Any], declared: dict[str, Any], clause: str, explanation: str
) -> None:
    found = primary(examined(build, declared))
    assert found.clause == clause
    assert explanation in (found.explanation or "")


def test_blame_spares_the_first_layer_of_a_forward_sweep() -> None:
    found = primary(examined(training_steps.layer_by_layer, PLAIN))
    assert found.blame == ("layer2.weight",)
    assert found.first_wrong_step == 1
    assert found.location is not None
    assert (found.location.seen, found.location.expected) == ("0.919", "0.9")


def test_a_fault_that_sets_in_late_is_seen_where_it_does() -> None:
    subject = training_step(training_steps.doubles_from_the_fifth_step_on, name="mine")
    (found,) = check_subject(subject, clauses="step.simultaneous", settings=Settings(seed=0, examples=50)).verdicts
    assert found.first_wrong_step == 5


def test_gradients_that_are_added_up_late_are_told_by_those_that_went_before() -> None:
    subject = training_step(training_steps.zeroes_until_the_third_step, name="mine")
    (found,) = check_subject(subject, clauses="step.fresh-gradient", settings=Settings(seed=0, examples=50)).verdicts
    assert found.status is Status.VIOLATED
    assert (found.reason, found.first_wrong_step) == ("the step used its gradient added to the last step's", 3)


def test_a_window_of_which_only_the_last_call_counts_is_about_accumulation() -> None:
    found = primary(examined(invented.clears_before_each_of_four, {"accumulate": 4}))
    assert (found.clause, found.reason) == ("step.accumulation", "only the last micro-batch counts")


def test_an_optimizer_over_other_tensors_is_a_violation_not_a_usage_error() -> None:
    found = primary(examined(training_steps.holds_other_tensors, {}))
    assert found.clause == "step.moves-all"
    assert found.reason == "the optimizer holds none of the model's parameters"


def test_a_frozen_parameter_is_not_judged_where_the_update_itself_overflows() -> None:
    """LBFGS multiplies a direction that is not finite by 0 there."""
    was, ends = np.ones(2), np.full(2, np.nan)
    step: Any = SimpleNamespace(
        number=1, names=("w", "b"), trainable=(True, False), before=[was] * 2, after=[ends] * 2, expected=[ends] * 2
    )
    assert training.frozen_alike(step).reason == "the expected weights are not finite"
    step.expected = [was] * 2
    assert training.frozen_alike(step).reason == "a frozen parameter moved"


def test_what_the_optimizer_does_not_hold_is_meant_to_rest() -> None:
    assert examined(training_steps.all_but_the_first, {}).exit_code == 0


def test_what_is_moved_by_hand_beside_an_optimizer_must_be_declared() -> None:
    with pytest.raises(
        UsageError,
        match=r"the step moves layer1.weight, which the optimizer that it returns does not hold: say what update is "
        r"expected with rule=…, or lr=… for plain descent",
    ):
        training_step(training_steps.the_first_by_hand, name="mine")
    assert examined(training_steps.the_first_by_hand, PLAIN).exit_code == 0


def test_the_counterexample_is_plain_torch() -> None:
    found = primary(examined(training_steps.layer_by_layer, PLAIN))
    assert found.counterexample is not None
    assert (
        "model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)"
        in found.counterexample.python
    )
    assert "import gdprops" not in found.counterexample.python
    assert "from gdprops" not in found.counterexample.python


def test_the_counterexample_ends_in_an_assertion_of_what_is_expected() -> None:
    found = primary(examined(training_steps.layer_by_layer, PLAIN))
    assert found.counterexample is not None
    assert found.location is not None
    where = f"{found.location.parameter}{list(found.location.index)}"
    told = f"{where} is {found.location.seen}, expected {found.location.expected}"
    with pytest.raises(AssertionError, match=f"^{re.escape(told)}$"):
        exec(compile(found.counterexample.python, "script", "exec"), {})


def test_without_an_expected_update_there_is_nothing_to_check() -> None:
    with pytest.raises(UsageError, match=r"returns no optimizer; say what update is expected with rule=…, or lr=…"):
        training_step(training_steps.layer_by_layer, name="mine")


def test_what_build_must_return_is_said() -> None:
    with pytest.raises(
        UsageError, match=r"mine returned an int; expected step\(inputs, targets\), \(step, optimizer\), or a dict"
    ):
        training_step(lambda model, loss_fn: 3, name="mine", lr=0.1)


def test_a_build_that_raises_is_shown_with_its_own_message() -> None:
    def build(model: object, loss_fn: object) -> None:
        raise RuntimeError("no luck")

    with pytest.raises(UsageError, match=r"mine\(model, loss_fn\) raised RuntimeError at .*: no luck"):
        training_step(build, name="mine", lr=0.1)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(UsageError, match=r"lr=-1; expected a finite number of at least 0"):
        training_step(training_steps.ordinary, lr=-1)


def test_it_is_a_decorator_too() -> None:
    subject = training_step(lr=0.1, name="decorated")(training_steps.without_an_optimizer)
    assert (subject.name, subject.rule) == ("decorated", "sgd")


def test_a_training_step_has_no_traits() -> None:
    subject = training_step(training_steps.ordinary, name="mine")
    with pytest.raises(UsageError, match=r"mine is a training-step; traits are measured on optimizer and update-rule"):
        kind_of(subject).traits(subject)
