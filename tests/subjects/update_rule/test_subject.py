"""A pure update rule as a subject."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.arrays import Array
from gdprops.model.case import Plan
from gdprops.model.subject import Delivery
from gdprops.subjects.update_rule.subject import UpdateRule, update_rule

ONE = Plan(((0, 1),))


def momentum(params: Any, grads: Any, state: Any, *, lr: float = 0.5, beta: float = 0.5) -> tuple[Any, Any]:
    """Move by a running sum of the gradients."""
    state = state or {}
    velocity = {**state, **{k: beta * state.get(k, 0) + g for k, g in grads.items()}}
    return {k: w - lr * velocity[k] if k in grads else w for k, w in params.items()}, velocity


def tensors() -> list[Array]:
    return [np.ones((2,)), np.array(4.0)]


def gradients() -> list[Array]:
    return [np.array([1.0, -1.0]), np.array(2.0)]


def lists(weights: list[Array]) -> list[Any]:
    return [w.tolist() for w in weights]


def test_steps_carry_state_and_leave_the_users_arrays() -> None:
    mine, run = tensors(), update_rule(momentum).start(tensors(), ONE)
    run.step(gradients())
    assert lists(run.weights()) == [[0.5, 1.5], 3.0]
    run.step(gradients())
    assert lists(run.weights()) == [[-0.25, 2.25], 1.5]
    assert lists(mine) == lists(tensors())


def test_a_rule_that_writes_into_what_it_is_handed_writes_into_copies() -> None:
    def in_place(params: Any, grads: Any, state: Any, *, lr: float = 0.5) -> tuple[Any, Any]:
        for k in params:
            params[k] -= lr * grads[k]
            grads[k][...] = np.nan
        return params, None

    mine, slopes = tensors(), gradients()
    run = update_rule(in_place).start(mine, ONE)
    run.step(slopes)
    assert lists(run.weights()) == [[0.5, 1.5], 3.0]
    assert lists(mine) == lists(tensors())
    assert lists(slopes) == lists(gradients())


def test_missing_gradients_and_frozen_or_absent_tensors_are_left_out() -> None:
    handed: list[tuple[list[str], list[str]]] = []

    def watch(params: Any, grads: Any, state: Any, *, lr: float = 0.5) -> tuple[Any, Any]:
        handed.append((sorted(params), sorted(grads)))
        return params, state

    subject = update_rule(watch)
    subject.start(tensors(), ONE).step([None, gradients()[1]])
    subject.start(tensors(), Plan(((0, 1),), frozen=frozenset({1}))).step(gradients())
    subject.start(tensors(), Plan(((1,),))).step(gradients())
    assert handed == [(["w0", "w1"], ["w1"]), (["w0"], ["w0"]), (["w1"], ["w1"])]


def test_the_rate_is_read_set_and_scaled() -> None:
    run = update_rule(momentum, lr=0.25).start(tensors(), ONE)
    assert run.rates() == [0.25, 0.25]
    run.scale_rate(2.0)
    assert run.rates() == [0.5, 0.5]
    planned = update_rule(momentum).start(tensors(), Plan(((0, 1),), (0.125,), {"beta": 0.0}))
    assert planned.rates() == [0.125, 0.125]
    planned.step(gradients())
    planned.step(gradients())
    assert planned.weights()[1].tolist() == 3.5


@pytest.mark.parametrize("name", ["lr", "learning_rate", "eta"])
def test_the_rate_has_one_of_three_names(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def rule(params, grads, state, {name}=0.25): return params, state", scope)
    subject = update_rule(scope["rule"])
    assert (subject.rate_name, subject.own_rate) == (name, 0.25)


def test_a_rule_without_a_rate_shows_none() -> None:
    def fixed(params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        return {k: w - 0.5 * grads[k] for k, w in params.items()}, None

    subject = update_rule(fixed)
    run = subject.start(tensors(), Plan(((0, 1),), (0.25,)))
    assert (subject.rate_name, subject.own_rate, run.rates()) == (None, None, [None, None])
    run.scale_rate(2.0)
    run.step(gradients())
    assert run.weights()[1].tolist() == 3.0


def test_a_rate_without_a_default_is_unknown_until_it_is_given() -> None:
    def needs(params: Any, grads: Any, state: Any, *, lr: float) -> tuple[Any, Any]:
        return params, state

    assert update_rule(needs).own_rate is None
    assert update_rule(needs, lr=0.5).own_rate == 0.5


def test_one_rate_for_all_groups_or_none() -> None:
    subject = update_rule(momentum)
    assert subject.start(tensors(), Plan(((0,), (1,)), (0.5, 0.5))).rates() == [0.5, 0.5]
    with pytest.raises(Unsupported, match=r"^an update rule has one learning rate$"):
        subject.start(tensors(), Plan(((0,), (1,)), (0.5, 0.25)))


def test_it_takes_no_closure_and_no_backward() -> None:
    run = update_rule(momentum).start(tensors(), ONE)
    with pytest.raises(Unsupported, match=r"^an update rule takes no closure$"):
        run.step_closure(lambda w: (0.0, gradients()))
    with pytest.raises(Unsupported, match=r"^an update rule takes its gradients as an argument$"):
        run.step(gradients(), Delivery.BACKWARD)


def test_a_resumed_run_has_deep_copies_of_weights_and_state() -> None:
    run = update_rule(momentum).start(tensors(), ONE)
    run.step(gradients())
    run.scale_rate(0.5)
    again = run.resumed()
    again.step(gradients())
    before = lists(run.weights())
    assert before != lists(again.weights())
    run.step(gradients())
    assert lists(run.weights()) == lists(again.weights())


def test_crashes_and_wrong_returns_are_the_rules() -> None:
    def forgets(params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        return {}, None

    def returns_one(params: Any, grads: Any, state: Any) -> Any:
        return params

    with pytest.raises(SubjectCrash, match=r"^the update rule raised KeyError: 'w0'$"):
        update_rule(forgets).start(tensors(), ONE).step(gradients())
    with pytest.raises(SubjectCrash, match=r"^the update rule raised"):
        update_rule(returns_one).start([*tensors(), np.ones(1)], Plan(((0, 1, 2),))).step([*gradients(), np.ones(1)])


def test_layouts_and_dtypes_are_kept() -> None:
    seen: list[Any] = []

    def watch(params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        seen.append((params["w0"].flags.f_contiguous, params["w0"].dtype, grads["w0"].dtype))
        return params, state

    fortran = np.asfortranarray(np.ones((2, 3), np.float32))
    update_rule(watch).start([fortran], Plan(((0,),))).step([np.ones((2, 3))])
    assert seen == [(True, np.dtype(np.float32), np.dtype(np.float32))]


def test_it_is_an_update_rule_with_its_options() -> None:
    subject = update_rule(momentum, name="mine", rule="sgd", traits={"separability": "element"}, beta=0.25)
    assert (subject.kind, subject.name, subject.rule) == ("update-rule", "mine", "sgd")
    assert subject.declared["separability"].value == "element"
    assert subject.accepts("lr")
    assert not subject.accepts("beta")
    assert not subject.accepts("weight_decay")
    with pytest.raises(UsageError, match=r"takes no hyperparameter 'bata'; did you mean 'beta'\?"):
        update_rule(momentum, bata=0.25)


def test_random_rules_repeat() -> None:
    def noisy(params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        return {k: w + np.random.standard_normal(w.shape) for k, w in params.items()}, state

    def moved(seed: int) -> Any:
        run = update_rule(noisy).start(tensors(), Plan(((0, 1),), seed=seed))
        run.step(gradients())
        return lists(run.weights())

    assert moved(0) == moved(0)
    assert moved(0) != moved(1)


def test_its_script_hands_the_gradients_over_in_the_order_of_the_run() -> None:
    subject = UpdateRule(momentum, {"beta": 0.25}, "mine", spec=f"{__name__}:momentum")
    plan = Plan(((1, 0),), frozen=frozenset())
    (fed, _) = subject.script.step(gradients(), Delivery.ASSIGNED, plan)
    assert fed.index('"w1"') < fed.index('"w0"')


def test_its_script_does_what_its_run_did() -> None:
    subject = UpdateRule(momentum, {"beta": 0.25}, "mine", spec=f"{__name__}:momentum")
    plan = Plan(((0, 1),), (0.125,))
    run = subject.start(tensors(), plan)
    lines = [subject.script.head(), *subject.script.start(tensors(), plan)]
    for _ in range(2):
        run.step(gradients())
        lines += subject.script.step(gradients(), Delivery.ASSIGNED, plan)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    assert [names["params"][k].tolist() for k in ("w0", "w1")] == lists(run.weights())
