"""models=, batches=, loss= and objective=: the user's own network, fresh and re-drawn for every example."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.case import OwnCase, Plan
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import Status
from gdprops.numerics.decisions import DOUBLE
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.own.models import redraw
from gdprops.subjects.training_step.subject import training_step
from tests.samples import own_models

CARDS = bytes(range(64))
SECRET = random.SystemRandom()
"""Numbers that nobody can replay."""
PAIRS: dict[str, Any] = {"models": own_models.Pair, "batches": own_models.pairs, "objective": own_models.pair_objective}
READER: dict[str, Any] = {"models": own_models.Reader, "batches": own_models.sentences, "loss": nn.CrossEntropyLoss()}


def examined(subject: Any, clauses: str = "step.*", **settings: Any) -> Outcome:
    return check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=12, **settings))


def held(outcome: Outcome) -> set[str]:
    return {v.clause for v in outcome.verdicts if v.status is Status.HELD}


def test_dicts_classes_batch_norm_and_dropout_pass_through() -> None:
    outcome = examined(training_step(own_models.reads, name="reads", **READER))
    assert outcome.exit_code == 0
    assert held(outcome) >= {"step.simultaneous", "step.moves-all", "step.once", "step.fresh-gradient"}


def test_tuples_and_a_loss_of_the_models_own_pass_through() -> None:
    outcome = examined(training_step(own_models.trains_pairs, name="pairs", **PAIRS))
    assert outcome.exit_code == 0
    assert held(outcome) >= {"step.simultaneous", "step.moves-all", "step.once", "step.fresh-gradient"}


@pytest.mark.parametrize(
    "build", [own_models.by(torch.optim.SparseAdam, lr=0.01), own_models.by(torch.optim.SGD, lr=0.1, momentum=0.9)]
)
def test_rules_that_want_or_remember_sparse_gradients_are_given_those(build: Any) -> None:
    declared: dict[str, Any] = {"models": own_models.Bags, "batches": own_models.bags, "loss": nn.CrossEntropyLoss()}
    outcome = examined(training_step(build, name="bags", **declared))
    assert outcome.exit_code == 0
    assert held(outcome) >= {"step.simultaneous", "step.moves-all", "step.once", "step.fresh-gradient"}


def test_an_objective_may_differentiate_on_its_way() -> None:
    declared: dict[str, Any] = {"batches": own_models.rows_of_three, "objective": own_models.with_a_penalty}
    declared["models"] = lambda: nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    outcome = examined(training_step(own_models.trains_by, name="penalized", **declared))
    assert outcome.exit_code == 0
    assert held(outcome) >= {"step.simultaneous", "step.loss-falls"}


def test_windows_of_ragged_micro_batches_are_joined() -> None:
    outcome = examined(training_step(own_models.accumulates_pairs, name="windows", accumulate=2, **PAIRS))
    assert outcome.exit_code == 0
    assert "step.accumulation" in held(outcome)


def test_a_sweep_over_the_users_own_model_is_a_violation() -> None:
    outcome = examined(training_step(own_models.sweeps_pairs, name="sweeps", lr=0.1, **PAIRS), "step.simultaneous")
    (found,) = (v for v in outcome.verdicts if v.clause == "step.simultaneous")
    assert found.status is Status.VIOLATED
    assert "left.weight" not in found.blame
    assert "right.bias" in found.blame


def test_the_users_model_is_never_touched() -> None:
    """The very module that is handed out is copied; so are batches that are the same tensors every time."""
    shared, batch = own_models.Pair(), own_models.pairs(0)
    weights, data = copy.deepcopy(shared.state_dict()), copy.deepcopy(batch)
    kept = {**PAIRS, "models": lambda: shared, "batches": lambda index: batch}

    def build(model: nn.Module, objective: Any) -> Any:
        assert model is not shared
        step, optimizer = own_models.trains_pairs(model, objective)

        def writing(inputs: Any, targets: Any) -> None:
            step(inputs, targets)
            inputs[0].zero_()

        return writing, optimizer

    assert examined(training_step(build, name="shared", **kept), "step.simultaneous").exit_code == 0
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), shared.state_dict().values(), strict=True))
    assert torch.equal(data[0][0], batch[0][0])
    assert all(p.grad is None for p in shared.parameters())


def test_weights_are_drawn_anew_about_where_they_were() -> None:
    model = nn.Sequential(nn.Linear(3, 40), nn.LayerNorm(40))
    before = [p.detach().clone() for p in model.parameters()]
    redraw(model, CARDS)
    for p, old in zip(model.parameters(), before, strict=True):
        assert (p != old).any()
        assert abs(float(p.mean() - old.mean())) < 0.2
    assert 0 < float(list(model.parameters())[2].std()) < 0.2


def test_a_strategys_weights_stay_as_they_are_drawn() -> None:
    seen = list[Tensor]()

    def ones() -> own_models.Pair:
        model = own_models.Pair()
        nn.init.ones_(model.left.weight)
        return model

    def build(model: nn.Module, objective: Any) -> Any:
        seen.append(next(model.parameters()).detach().clone())
        return own_models.trains_pairs(model, objective)

    drawn = {**PAIRS, "models": st.builds(ones), "batches": st.integers(0, 3).map(own_models.pairs)}
    assert examined(training_step(build, name="drawn", **drawn), "step.simultaneous").exit_code == 0
    assert all(bool((w == 1).all()) for w in seen)


def test_large_models_keep_their_dtype_and_are_drawn_from_a_seed() -> None:
    model, other = nn.Linear(400, 400), nn.Linear(400, 400)
    redraw(model, CARDS)
    other.load_state_dict(model.state_dict())
    redraw(other, CARDS[::-1])
    assert not torch.equal(model.weight, other.weight)
    big: dict[str, Any] = {
        "models": lambda: nn.Linear(400, 400),
        "batches": lambda i: (torch.ones(2, 400), torch.ones(2, 400)),
    }

    def build(model: nn.Module, loss_fn: Any) -> Any:
        return own_models.trains_pairs(model, lambda m, x, y: loss_fn(m(x), y))

    subject = training_step(build, name="big", loss=nn.MSELoss(), **big)
    case = OwnCase(CARDS, ((0,),), Plan(()), subject.domain.precisions[0])
    assert subject.begin(case).weights()[0].dtype.name == "float32"


def test_a_violation_can_be_saved_and_replayed(tmp_path: Any) -> None:
    from gdprops.runner.replay import replay

    subject = training_step(own_models.sweeps_pairs, name="sweeps", lr=0.1, **PAIRS)
    outcome = examined(subject, "step.simultaneous", counterexamples=str(tmp_path))
    (path,) = (v.counterexample.path for v in outcome.verdicts if v.counterexample is not None)
    assert path is not None
    assert json.loads(Path(path).read_text(encoding="utf-8"))["case"]["type"] == "OwnCase"
    assert replay(path, subject, Settings(seed=0)).exit_code == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"models": None}, r"batches=, objective= without models=; the user's own model needs models= and batches="),
    ({"batches": None}, r"models=, objective= without batches=; the user's own model needs"),
    ({"objective": None}, r"models= needs one of loss=, a criterion \(outputs, targets\) -> scalar, and objective="),
    ({"loss": nn.MSELoss()}, r"models= needs one of loss=, a criterion"),
    ({"models": 3}, r"models=3; expected a function, or a Hypothesis strategy"),
    ({"models": lambda: 3}, r"models\(\) returned an int; expected a torch.nn.Module"),
    ({"models": st.just(3)}, r"models= drew an int; expected a torch.nn.Module"),
    ({"batches": lambda i: 3}, r"batches= gave an int; expected a pair \(inputs, targets\)"),
    ({"objective": lambda m, x, y: m(*x)}, r"returned a tensor of shape \(3, 3\); expected a tensor with one number"),
    ({"objective": lambda m, x, y: 1.0}, r"objective\(model, inputs, targets\) returned a float; expected a tensor"),
    (
        {"objective": lambda m, x, y: own_models.pair_objective(m, x, y).detach()},
        r"cannot be differentiated: it does not depend on a parameter that requires gradients",
    ),
    (
        {"objective": lambda m, x, y: own_models.pair_objective(m, x, y) * SECRET.random()},
        r"is not deterministic: .* from the same weights, batch and random numbers",
    ),
    ({"objective": lambda m, x, y: m(*x)["x"]}, r"mine cannot be used: objective\(model, inputs, targets\) raised"),
    ({"models": lambda: own_models.Pair().bfloat16().requires_grad_(False)}, r"cannot be differentiated"),
    ({"batches": [].__getitem__}, r"mine cannot be used: there is no batch 0: batches\(0\) raised IndexError"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_what_cannot_be_used_is_said_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as found:
        training_step(own_models.trains_pairs, name="mine", **{**PAIRS, **changed})
    assert "\n" not in str(found.value)


RECOMPUTING: dict[str, Any] = {
    "models": own_models.Recomputing,
    "batches": own_models.rows_of_three,
    "loss": nn.MSELoss(),
}


def trains_at_once(model: nn.Module, loss_fn: Any) -> Any:
    return own_models.trains_pairs(model, lambda m, x, y: loss_fn(m(x), y))


def test_segments_that_differentiate_for_themselves_are_seen() -> None:
    """Their parameters are no inputs of the segment: asking for their gradients alone would give none."""
    subject = training_step(trains_at_once, name="recomputing", **RECOMPUTING)
    outcome = examined(subject)
    assert outcome.exit_code == 0
    assert held(outcome) >= {"step.simultaneous", "step.moves-all", "step.once"}
    run = subject.begin(OwnCase(CARDS, ((0,),), Plan(()), DOUBLE))
    assert all(g is not None and g.any() for g in run.gradients(run.weights(), 0))
    assert all(p.grad is None for p in run.live.model.parameters())


class Taught(nn.Module):
    """Its last layer is a teacher that has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.teacher = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.teacher(x)
        out: Tensor = self.second(torch.tanh(self.first(x)))
        return out


def test_a_sweep_is_told_apart_at_the_last_layer_that_learns() -> None:
    subject = training_step(trains_at_once, name="taught", **{**RECOMPUTING, "models": Taught})
    assert "step.simultaneous" in held(examined(subject, "step.simultaneous"))


def test_a_shared_weight_that_moves_at_its_first_use_is_named() -> None:
    """There a hook fires once per use: what it moves at once is read again by the segments before."""

    def moves_in_backward(model: nn.Module, loss_fn: Any) -> Any:
        def move(p: Any) -> None:
            p.data.sub_(0.1 * p.grad)
            p.grad = None

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(move)  # type: ignore[no-untyped-call] # torch's own
        return lambda x, y: loss_fn(model(x), y).backward()

    outcome = examined(training_step(moves_in_backward, name="hooks", lr=0.1, **RECOMPUTING), "step.in-backward")
    (found,) = (v for v in outcome.verdicts if v.clause == "step.in-backward")
    assert found.status is Status.VIOLATED
    assert "already updated weights of first.weight" in str(found.explanation)


def wide(width: int) -> dict[str, Any]:
    """Return a model of width² weights and its batches."""
    return {
        "models": lambda: nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)),
        "batches": lambda index: (
            torch.randn(4, width, generator=torch.Generator().manual_seed(index)),
            torch.ones(4, 2),
        ),
        "loss": nn.MSELoss(),
    }


def test_autocast_rounds_nothing_in_float64() -> None:
    outcome = examined(training_step(own_models.casts, name="casts", **wide(5)), "step.simultaneous")
    assert outcome.exit_code == 0


def test_what_autocast_rounds_is_refused_and_not_accused() -> None:
    with pytest.raises(
        UsageError,
        match=r"^casts cannot be used: autocast rounds the step's forward pass, and gdprops computes in float32; "
        r"leave autocast out, or hand over a model of at most 20,000 weights: in float64 autocast rounds nothing$",
    ):
        training_step(own_models.casts, name="casts", **wide(160))


def test_past_the_last_of_finitely_many_batches_there_is_nothing_to_check() -> None:
    five = [own_models.pairs(i) for i in range(5)]
    subject = training_step(own_models.trains_pairs, name="mine", **{**PAIRS, "batches": five.__getitem__})
    outcome = check_subject(subject, clauses="step.simultaneous", settings=Settings(seed=0, examples=20))
    (verdict,) = [v for v in outcome.verdicts if v.clause == "step.simultaneous"]
    assert verdict.status is Status.HELD
    assert any(reason.startswith("there is no batch 5") for reason in verdict.vacuous_reasons)
