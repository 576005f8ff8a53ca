"""Old looks, old losses, old optimizers and the wrong models: what the clauses say on ledgers written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gdprops.model.ledger import Clip, Event, Forward, Holding, Optimizer, Parameter, SchedulerStep
from tests.clauses.live.ledgers import line, look, run, said, step, usual

A, B, C = {1: 0, 2: 1}, {1: 2, 2: 3}, {1: 4, 2: 5}
KEPT = {1: Holding.KEPT, 2: Holding.KEPT}


def numbered(number: int, call: int, weights: dict[int, int], **more: Any) -> list[Event]:
    """Return a look whose graph contains its own forward pass."""
    passed, *rest = look(call, weights, looks=frozenset({number}), **more)
    assert isinstance(passed, Forward)
    return [replace(passed, number=number), *rest]


def test_a_backward_pass_through_an_earlier_look_is_told_with_all_four_lines() -> None:
    late = numbered(1, 2, A, at=13)[1:]
    assert said("frozen-weights", run(numbered(1, 1, A), step(1, A, B), late, step(2, B, C, at=14))) == [
        "the backward pass at train.py:13 goes through the forward pass at train.py:10, whose weights a and b the step "
        "at train.py:12 has moved in between: the step at train.py:14 uses a gradient of other weights than it starts "
        "from"
    ]


def test_looks_of_their_own_and_weights_that_came_back_are_right() -> None:
    apart = [numbered(1, 1, A), step(1, A, B), numbered(2, 2, B), step(2, B, C)]
    assert said("frozen-weights", run(*apart)) == []
    back = numbered(1, 2, A, at=13)[1:]
    assert said("frozen-weights", run(numbered(1, 1, A), step(1, A, B), back, step(2, A, C))) == []


def test_a_head_that_the_gradient_does_not_go_through_may_have_moved() -> None:
    late = numbered(1, 2, A, at=13, to=(2,))[1:]
    heads = {1: Optimizer("SGD", frozenset({1})), 2: Optimizer("SGD", frozenset({2}))}
    ledger = run(
        numbered(1, 1, A), step(1, {1: 0}, {1: 2}), late, step(2, {2: 1}, {2: 3}, optimizer=2), optimizers=heads
    )
    assert said("frozen-weights", ledger) == []


def test_a_loss_that_contains_one_of_the_same_window_counts_twice() -> None:
    def window(*, stepped_between: bool) -> list[str]:
        between = step(1, A, B) if stepped_between else []
        second = look(2, A, had={} if stepped_between else KEPT, contains=frozenset({1}))
        return said("accumulation", run(look(1, A, at=8), between, second, step(2, A, C)))

    assert window(stepped_between=False) == [
        "the loss of the backward pass at train.py:11 contains the one that the backward pass at train.py:8 has "
        "differentiated before: the step at train.py:12 uses both, and counts the earlier loss twice"
    ]
    assert window(stepped_between=True) == []


def test_a_scheduler_of_an_optimizer_that_never_steps() -> None:
    def scheduled(**facts: bool) -> list[str]:
        made = {
            1: Optimizer("Adam", frozenset({1, 2}), line(5)),
            2: Optimizer("SGD", frozenset({1, 2}), line(3), nested=facts.get("nested", False)),
        }
        ticks = [[SchedulerStep(1, 2, line(14))] for _ in range(2)]
        first, rest = list(usual(1)), list(usual(1))
        return said("schedule", run(*first, ticks[0], *rest, ticks[1], optimizers=made))

    assert scheduled() == [
        "the scheduler that steps at train.py:14 changes the rate of SGD, made at train.py:3, which never steps: its "
        "parameters are stepped at train.py:12 by Adam, made at train.py:5, whose rate it does not change"
    ]
    assert scheduled(nested=True) == []


def clips(parameters: frozenset[int], gradients: dict[int, Holding]) -> list[str]:
    known = {1: Parameter("a", 1), 2: Parameter("b", 1), 3: Parameter("copy.a")}
    clip = [Clip(line(11), parameters, gradients, 1.0, acted=False)]
    return said("clipping", run(look(1, A), clip, step(1, A, B), look(2, B), clip, step(2, B, C), parameters=known))


def test_a_clip_of_what_is_not_trained_is_told() -> None:
    assert clips(frozenset({3}), {}) == [
        "the clip at train.py:11 never meets a gradient: no optimizer that steps holds copy.a"
    ]
    assert clips(frozenset({3}), {3: Holding.KEPT}) == []
    assert clips(frozenset({1, 2}), {1: Holding.KEPT}) == []


def test_a_rate_that_is_always_zero_is_told_from_the_fourth_step_on() -> None:
    def still(steps: int, last: float = 0.0) -> list[str]:
        parts = []
        for k in range(steps):
            rate = last if k == steps - 1 else 0.0
            parts += [look(k + 1, A), step(k + 1, A, A, rates={1: rate, 2: rate})]
        return said("moves", run(*parts))

    assert still(3) == []
    assert still(4, last=0.1) == []
    assert still(4) == [
        "the rate of SGD was 0 at each of its 4 watched steps at train.py:12: nothing has moved",
    ]


def test_what_stands_beside_parameters_that_the_script_moves_itself_is_not_told() -> None:
    def held_by_masters(moved: int) -> list[str]:
        parts = []
        for k in range(2):
            model, master = {1: 10 * k * moved, 2: 1}, {3: 100 * k}
            parts += [look(k + 1, model), step(k + 1, master, {3: 100 * k + 100}, gradients={3: Holding.ASSIGNED})]
        facts = {1: Parameter("a", 1), 2: Parameter("b", 1), 3: Parameter("a tensor")}
        return said("complete", run(*parts, parameters=facts, optimizers={1: Optimizer("SGD", frozenset({3}))}))

    assert held_by_masters(1) == []
    assert len(held_by_masters(0)) == 1


def test_findings_that_differ_in_their_parameters_are_one() -> None:
    wrote = [look(1, A), step(1, A, B), look(2, B), step(2, {1: 7, 2: 3}, C), look(3, C), step(3, {1: 4, 2: 8}, A)]
    assert said("frozen-weights", run(*wrote)) == [
        "the step at train.py:12 uses the gradients of train.py:11, but somebody wrote to a and b between that look "
        "and the step"
    ]
