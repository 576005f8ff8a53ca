"""A training step is tried once: what it does in its own way is seen, and what cannot be used is said in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.faults.training_steps import window_faults, window_twins
from gdprops.kinds.resolve import resolve
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.numerics.decisions import DOUBLE, SINGLE
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.samples import training_steps


def habits(build: Any, **declared: Any) -> Any:
    return training_step(build, name="mine", **declared).habits


def examined(build: Any, clauses: str, **declared: Any) -> Outcome:
    subject = training_step(build, name="mine", **declared)
    return check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=15))


def verdict(build: Any, clause: str, **declared: Any) -> Verdict:
    (found,) = (v for v in examined(build, clause, **declared).verdicts if v.about is About.SUBJECT)
    return found


def test_an_ordinary_step_has_no_habits() -> None:
    found = habits(training_steps.ordinary)
    assert (found.splits, found.in_backward, found.precision, found.told_last) == (False, False, DOUBLE, False)


def test_what_a_step_does_in_its_own_way_is_seen() -> None:
    assert habits(window_twins.splits_its_batches).splits
    assert habits(window_twins.steps_in_hooks, lr=0.125).in_backward
    assert habits(window_twins.steps_from_its_inputs).in_backward
    assert not habits(training_steps.without_an_optimizer, lr=0.1).in_backward
    assert habits(window_twins.in_single_precision).precision == SINGLE
    assert habits(window_twins.window_by_window, accumulate=3).told_last
    assert not habits(window_twins.counts_its_window, accumulate=3).told_last


def test_a_step_that_rounds_to_float32_on_its_way_is_checked_in_float32() -> None:
    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        optimizer = training_steps.sgd(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            y = y.float() if y.is_floating_point() else y
            loss_fn(model(x).float(), y).backward()
            optimizer.step()

        return step, optimizer

    assert habits(build).precision == SINGLE
    assert examined(build, "step.simultaneous").exit_code == 0


@pytest.mark.parametrize(
    ("build", "declared", "clauses"),
    [
        (training_steps.ordinary, {}, {"step.clipping", "step.accumulation", "step.in-backward"}),
        (window_twins.splits_its_batches, {}, {"step.clipping", "step.in-backward"}),
        (window_twins.clips_its_norm, {"clip_norm": window_faults.CLIP}, {"step.accumulation", "step.in-backward"}),
        (window_twins.steps_in_hooks, {"lr": 0.125}, {"step.clipping", "step.accumulation"}),
    ],
)
def test_clauses_that_do_not_apply_say_why(build: Any, declared: dict[str, Any], clauses: set[str]) -> None:
    names = "step.clipping", "step.accumulation", "step.in-backward"
    found = [verdict(build, name, **declared) for name in names]
    assert {v.clause for v in found if v.status is Status.NOT_APPLICABLE} == clauses
    said = {
        "step.clipping": "no clipping is declared (clip_norm=, clip_value=)",
        "step.accumulation": "it computes one gradient of every whole batch, and no accumulate= is declared",
        "step.in-backward": "moves no weight during backward",
    }
    assert all(v.reason == said[v.clause] for v in found if v.status is Status.NOT_APPLICABLE)


def test_a_step_is_told_of_its_windows_last_call() -> None:
    told = list[tuple[int, bool]]()

    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        step, optimizer = window_twins.window_by_window(model, loss_fn)  # type: ignore[misc] # it returns both

        def telling(inputs: Tensor, targets: Tensor, last: bool = False) -> None:
            told.append((len(inputs), last))
            step(inputs, targets, last=last)  # type: ignore[call-arg] # likewise

        return telling, optimizer

    training_step(build, name="mine", accumulate=3)
    assert told[:3] == [(2, False), (2, False), (6, True)]


def test_a_short_last_window_that_is_divided_by_the_full_count_is_named() -> None:
    found = verdict(window_faults.divides_by_the_full_count, "step.accumulation", accumulate=window_faults.WINDOW)
    assert found.status is Status.VIOLATED
    assert found.reason == "divided by 3 for 2 micro-batches"
    assert found.counterexample is not None
    calls = [line for line in found.counterexample.python.splitlines() if line.startswith("step(")]
    assert [call.rpartition("last=")[2] for call in calls[-2:]] == ["False)", "True)"]


def test_clipping_each_tensor_is_named() -> None:
    found = verdict(window_faults.clips_each_tensor, "step.clipping", clip_norm=window_faults.CLIP)
    assert found.status is Status.VIOLATED
    assert "each parameter's gradient is clipped by itself" in found.reason


def test_a_step_that_never_moves_anything_is_a_violation() -> None:
    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        optimizer = training_steps.sgd(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()

        return step, optimizer

    found = verdict(build, "step.moves-all")
    assert found.status is Status.VIOLATED
    assert "never moves" in found.reason


def test_an_optimizer_that_never_moves_anything_is_one_too() -> None:
    def build(model: nn.Module, loss_fn: nn.Module) -> Any:
        optimizer = window_twins.Resting(model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> None:
            loss_fn(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()

        return step, optimizer

    found = verdict(build, "step.moves-all")
    assert found.status is Status.VIOLATED
    assert found.reason == "nothing moves, and the optimizer's own update moves nothing"


def raises(model: nn.Module, loss_fn: nn.Module) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        raise RuntimeError("no luck")

    return step, training_steps.sgd(model)


def yields(model: nn.Module, loss_fn: nn.Module) -> Any:
    ordinary, optimizer = training_steps.ordinary(model, loss_fn)

    def step(x: Tensor, y: Tensor) -> Any:
        yield ordinary(x, y)

    return step, optimizer


def awaits(model: nn.Module, loss_fn: nn.Module) -> Any:
    ordinary, optimizer = training_steps.ordinary(model, loss_fn)

    async def step(x: Tensor, y: Tensor) -> None:
        ordinary(x, y)

    return step, optimizer


def trains_and_returns_what_yields(model: nn.Module, loss_fn: nn.Module) -> Any:
    ordinary, optimizer = training_steps.ordinary(model, loss_fn)

    def step(x: Tensor, y: Tensor) -> Any:
        ordinary(x, y)
        return (number for number in range(3))

    return step, optimizer


def normalizes_weights(model: nn.Module, loss_fn: nn.Module) -> Any:
    for layer in [m for m in model.modules() if isinstance(m, nn.Linear)]:
        nn.utils.parametrizations.weight_norm(layer)
    return training_steps.ordinary(model, loss_fn)


def widens(model: nn.Module, loss_fn: nn.Module) -> Any:
    model.register_parameter("more", nn.Parameter(torch.zeros(1)))
    return training_steps.ordinary(model, loss_fn)


def freezes_its_first_parameter(model: nn.Module, loss_fn: nn.Module) -> Any:
    next(model.parameters()).requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


ONE_PARAMETER = {
    "models": lambda: nn.Linear(3, 2, bias=False),
    "batches": lambda index: (torch.ones(4, 3), torch.ones(4, 2)),
    "loss": nn.MSELoss(),
}
"""Once it is frozen torch refuses an optimizer of none; a tied network that is drawn may be such, too."""


class Uninitialized(torch.optim.Optimizer):
    def __init__(self, base: torch.optim.Optimizer) -> None:
        self.base, self.param_groups, self.state, self.defaults = base, base.param_groups, base.state, base.defaults

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # as people write it
        self.base.step()


def returns_an_uninitialized_one(model: nn.Module, loss_fn: nn.Module) -> Any:
    step, optimizer = training_steps.ordinary(model, loss_fn)
    return step, Uninitialized(optimizer)


def never_calls_the_step_of_its_optimizer(model: nn.Module, loss_fn: nn.Module) -> Any:
    optimizer = training_steps.SharpnessAware(model.parameters())

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.base.step()

    return step, optimizer


WRONG: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (yields, {}, r"mine: its step yields, so that calling it runs nothing; expected a function that trains when it is"),
    (awaits, {}, r"mine: its step is a coroutine, so that calling it runs nothing; expected a function that trains"),
    (freezes_its_first_parameter, ONE_PARAMETER, r"mine cannot be used: every parameter is frozen$"),
    (
        lambda model, loss_fn: (print, []),
        {},
        r"a tuple of .*, list; expected .*; several optimizers stand in a list",
    ),
    (returns_an_uninitialized_one, {}, r"the optimizer that it returns never calls torch.optim.Optimizer.__init__, so"),
    (
        never_calls_the_step_of_its_optimizer,
        {},
        r"SharpnessAware.step\(\) raised AssertionError on the same gradients: it requires a closure; say what update",
    ),
    (
        raises,
        {},
        r"step\(inputs, targets\) raised RuntimeError at .*test_trial\.py:\d+: no luck, on every batch",
    ),
    (
        window_twins.rests_while_hooks_step,
        {},
        r"mine: step\(\) of the optimizer that it returns moves nothing; say what update is expected with rule=…, or",
    ),
    (
        training_steps.ordinary,
        {"lr": 0.2},
        r"mine: lr=0.2 and the optimizer that it returns disagree: after step 1 on the same gradients .* is .* by the "
        r"one, .* by the other; leave lr= out to check the step against its own optimizer",
    ),
    (
        training_steps.with_momentum_and_a_scheduler,
        {"rule": lambda params: torch.optim.SGD(params, lr=0.1, weight_decay=0.01)},
        r"mine: rule= and the optimizer that it returns disagree: after step 2 on the same gradients",
    ),
    (
        training_steps.ordinary,
        {"rule": "adam"},
        r"rule='adam'; expected a function that makes an optimizer, such as rule=lambda params: torch.optim.Adam",
    ),
    (training_steps.ordinary, {"accumulate": 0}, r"accumulate=0; expected a number of micro-batches"),
    (training_steps.ordinary, {"clip_norm": -1.0}, r"clip_norm=-1.0; expected a finite number of at least 0"),
]


@pytest.mark.parametrize(("build", "declared", "message"), WRONG)
def test_what_cannot_be_used_is_said_in_one_line(build: Any, declared: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as found:
        training_step(build, name="mine", **declared)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("build", [normalizes_weights, widens])
def test_build_may_give_the_model_other_parameters(build: Any) -> None:
    assert training_step(build, name="mine").habits.kinds


def test_a_step_that_trains_may_return_what_it_likes() -> None:
    assert training_step(trains_and_returns_what_yields, name="mine").habits.kinds


def test_a_rule_that_agrees_is_accepted() -> None:
    subject = training_step(training_steps.ordinary, name="mine", rule=lambda params: torch.optim.SGD(params, lr=0.1))
    assert subject.habits.kinds


DECORATED = """
import gdprops
import torch

@gdprops.training_step(lr=0.5, name="decorated")
def mine(model, loss_fn):
    def step(inputs, targets):
        for p in model.parameters():
            (g,) = torch.autograd.grad(loss_fn(model(inputs), targets), [p], allow_unused=True)
            p.data -= 0 if g is None else 0.5 * g
    return step
"""


def test_the_script_of_a_decorated_step_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text(DECORATED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    subject = resolve("train.py:mine")
    assert (subject.name, subject.spec) == ("decorated", "train.py:mine")
    outcome = check_subject(subject, clauses="step.simultaneous", settings=Settings(seed=0, examples=5))
    (found,) = (v for v in outcome.verdicts if v.counterexample is not None)
    assert found.counterexample is not None
    assert "built = mine.build(model, loss_fn)" in found.counterexample.python
    with pytest.raises(AssertionError, match="expected"):
        exec(compile(found.counterexample.python, "script", "exec"), {})
