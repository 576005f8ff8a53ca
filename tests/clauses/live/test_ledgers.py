"""Each clause of the chapter live on ledgers that are written by hand: what it says, and where it is silent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

from gdprops.clauses import catalogue
from gdprops.model.ledger import (
    Clip,
    Ending,
    EpochBegins,
    Event,
    Forward,
    Holding,
    Optimizer,
    Parameter,
    SchedulerStep,
    SkippedStep,
    Unscale,
)
from tests.clauses.live.ledgers import all_said, line, look, run, said, step, usual

A, B = {1: 0, 2: 1}, {1: 2, 2: 3}
KEPT = {1: Holding.KEPT, 2: Holding.KEPT}
ZEROS = {1: Holding.ZERO, 2: Holding.ZERO}


def test_the_usual_run_keeps_every_clause() -> None:
    assert all_said(run(*usual())) == []


def test_a_ledger_is_judged_without_torch() -> None:
    code = (
        "from tests.clauses.live.ledgers import *; import sys; all_said(run(*usual())); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nothing_is_decided_where_nothing_steps() -> None:
    seen = catalogue()["live.once"].examine(run(look(1, A)), None)
    assert (seen.violated, seen.decisive, seen.reason) == (False, False, "no optimizer stepped")


# live.frozen-weights


def test_a_write_between_look_and_step_is_named_with_both_lines() -> None:
    first = [look(1, A), step(1, A, B)]
    assert said("frozen-weights", run(*first, look(2, B), step(2, {1: 7, 2: 3}, {1: 8, 2: 9}))) == [
        "the step at train.py:12 uses the gradients of train.py:11, but somebody wrote to a between that look and "
        "the step"
    ]


def test_a_displaced_look_that_comes_back_is_right() -> None:
    away = {1: 20, 2: 21}
    ledger = run(look(1, A), step(1, A, B), look(2, away), step(2, B, {1: 4, 2: 5}))
    assert said("frozen-weights", ledger) == []


def test_what_a_forward_pass_writes_itself_is_read_after_it() -> None:
    found = [Forward(1, line(10), found=B, reads={1: 7, 2: 3}), *look(2, {1: 7, 2: 3})[1:]]
    assert said("frozen-weights", run(look(1, A), step(1, A, B), found, step(2, {1: 7, 2: 3}, {1: 8, 2: 9}))) == []


def test_the_first_step_and_what_no_module_has_read_are_not_judged() -> None:
    assert said("frozen-weights", run(look(1, A), step(1, {1: 7, 2: 1}, B))) == []
    unread = [event for event in look(2, B) if not isinstance(event, Forward)]
    assert said("frozen-weights", run(look(1, A), step(1, A, B), unread, step(2, {1: 7, 2: 3}, A))) == []


def test_one_common_factor_is_a_note_and_rounding_is_nothing() -> None:
    first, moved = [look(1, A), step(1, A, B), look(2, B)], {1: 7, 2: 3}
    rounded = run(*first, step(2, moved, A, rounded=frozenset({1})))
    assert said("frozen-weights", rounded) == []
    shrunk = catalogue()["live.frozen-weights"].examine(run(*first, step(2, moved, A, shrunk=frozenset({1}))), None)
    assert [(f.level, f.sentence) for f in shrunk.findings] == [
        (
            "recommended",
            "a shrinks by one factor between the look at train.py:11 and the step at train.py:12: a decay beside the "
            "optimizer's",
        )
    ]


def test_an_assigned_gradient_is_not_judged() -> None:
    assigned = {1: Holding.ASSIGNED, 2: Holding.ASSIGNED}
    ledger = run(look(1, A), step(1, A, B), look(2, B), step(2, {1: 7, 2: 3}, A, gradients=assigned))
    assert said("frozen-weights", ledger) == []


# live.fresh-gradient


def test_a_rest_is_named_with_the_step_that_has_used_it() -> None:
    assert said("fresh-gradient", run(look(1, A), step(1, A, B), look(2, B, had=KEPT), step(2, B, A))) == [
        "the step at train.py:12 uses the gradients of train.py:11 again for a and b: the step at train.py:12 has used "
        "them before, and nothing has cleared them"
    ]
    assert said("fresh-gradient", run(look(1, A), step(1, A, B), step(2, B, A, at=13))) == [
        "the step at train.py:13 uses the gradients of train.py:11 again for a and b: the step at train.py:12 has used "
        "them before, and no backward pass has added to them since"
    ]


def test_zeros_and_edited_gradients_are_no_rest() -> None:
    assert said("fresh-gradient", run(look(1, A), step(1, A, B), look(2, B, had=ZEROS), step(2, B, A))) == []
    edited = {1: Holding.EDITED, 2: Holding.EDITED}
    assert said("fresh-gradient", run(look(1, A), step(1, A, B), look(2, B, had=edited), step(2, B, A))) == []


def test_a_step_that_moved_nothing_has_used_nothing() -> None:
    assert said("fresh-gradient", run(look(1, A), step(1, A, A), look(2, A, had=KEPT), step(2, A, B))) == []


# live.once, live.together, live.moves


def test_two_optimizers_on_one_gradient() -> None:
    one = run(look(1, A), step(1, A, B), step(2, B, {1: 5, 2: 6}, optimizer=2, at=13))
    assert said("once", one) == [
        "two optimizers step a and b on the gradients of train.py:11: at train.py:12 and at train.py:13"
    ]
    apart = run(look(1, A), step(1, A, B), look(2, B), step(2, B, {1: 5, 2: 6}, optimizer=2, at=13))
    assert said("once", apart) == []


def test_a_tensor_that_is_held_twice() -> None:
    held = run(look(1, A), step(1, A, B, twice=frozenset({1})))
    assert said("once", held) == ["SGD, stepped at train.py:12, holds a twice"]


def sweep(inputs: tuple[int, int, int, int], to: tuple[int, ...] = (1, 2)) -> list[str]:
    contents = [{1: 0, 2: 1}, {1: 2, 2: 1}, {1: 2, 2: 3}, {1: 4, 2: 3}, {1: 4, 2: 5}]
    parts = []
    for k in range(4):
        parts += [look(k + 1, contents[k], inputs=inputs[k], to=to), step(k + 1, contents[k], contents[k + 1])]
    return said("together", run(*parts))


def test_a_sweep_on_two_batches_is_told_and_turns_on_other_inputs_are_not() -> None:
    assert sweep((1, 1, 2, 2)) == [
        "the step at train.py:12 moves one part of the parameters after another on the same inputs, looking again at "
        "train.py:11 in between: a; then b"
    ]
    assert sweep((1, 2, 3, 4)) == []
    assert sweep((1, 1, 2, 3)) == []
    assert sweep((0, 0, 0, 0)) == []
    assert sweep((1, 1, 2, 2), to=(1,)) == []


def test_a_sweep_over_frozen_layers_is_one_and_steps_inside_one_backward_call_are_none() -> None:
    frozen = [{1: 0, 2: 1}, {1: 2, 2: 1}, {1: 2, 2: 3}, {1: 4, 2: 3}, {1: 4, 2: 5}]
    parts = []
    for k in range(4):
        own, other = (1, 2) if k % 2 == 0 else (2, 1)
        passed, *rest = look(k + 1, frozen[k], inputs=k // 2 + 1, to=(own,))
        assert isinstance(passed, Forward)
        parts += [[replace(passed, frozen=frozenset({other})), *rest], step(k + 1, frozen[k], frozen[k + 1])]
    assert len(said("together", run(*parts))) == 1
    both = []
    for k in range(2):
        at = {1: 10 * k, 2: 10 * k + 1}
        both += [look(k + 1, at, inputs=k + 1), step(2 * k + 1, {1: at[1]}, {1: at[1] + 10})]
        both += [step(2 * k + 2, {2: at[2]}, {2: at[2] + 10}, optimizer=2)]
    assert said("together", run(*both)) == []


def test_windows_of_which_only_the_last_pass_is_left() -> None:
    def windows(cleared: int) -> list[str]:
        parts = []
        for k in range(4):
            at = {1: 10 * k, 2: 10 * k + 1}
            parts += [look(10 * k + n, at) for n in range(cleared + 1)]
            parts += [step(k + 1, at, {1: 10 * k + 10, 2: 10 * k + 11})]
        return said("window", run(*parts))

    assert windows(2) == [
        "of 3 backward passes at train.py:11 before each step at train.py:12, only the last is used: the others are "
        "cleared at an unseen line first"
    ]
    assert windows(0) == []


def test_what_is_pulled_and_never_moves_is_named_from_the_fourth_step_on() -> None:
    def stuck(steps: int) -> list[str]:
        parts = []
        for k in range(steps):
            before, after = {1: 10 * k, 2: 1}, {1: 10 * k + 10, 2: 1}
            parts += [look(k + 1, before), step(k + 1, before, after, stuck=frozenset({2}))]
        return said("moves", run(*parts))

    assert stuck(3) == []
    assert stuck(4) == [
        "no step of SGD at train.py:12 moves b: 4 steps were watched, with gradients that are not zero and a rate "
        "above zero"
    ]


# live.clipping, live.scale


def clip(at: int, *, met: dict[int, Holding] = KEPT, acted: bool = True) -> list[Clip]:
    return [Clip(line(at), frozenset({1, 2}), met, 1.0, acted=acted)]


def test_a_clip_before_backward_meets_nothing() -> None:
    early = [*clip(9, met={}, acted=False)]
    assert said("clipping", run(early, look(1, A), step(1, A, B))) == [
        "the clip at train.py:9 meets no gradient: the backward pass at train.py:11 comes after it, and the step at "
        "train.py:12 uses unclipped gradients"
    ]
    assert said("clipping", run(early, look(1, A), clip(11), step(1, A, B))) == []


def test_a_clip_in_the_middle_of_a_window_and_one_that_changes_nothing() -> None:
    def window(acted: bool) -> list[str]:
        return said("clipping", run(look(1, A), clip(20, acted=acted), look(2, A, had=KEPT), clip(20), step(1, A, B)))

    assert window(True) == [
        "the clip at train.py:20 changes a part of what the step at train.py:12 uses: the backward pass at train.py:11 "
        "adds to it afterwards"
    ]
    assert window(False) == []


def test_a_clip_after_the_step_is_too_late_and_logging_there_is_right() -> None:
    late: list[Sequence[Event]] = [look(1, A), step(1, A, B), clip(13), look(2, B), step(2, B, A)]
    assert said("clipping", run(*late)) == [
        "the clip at train.py:13 changes gradients that the step at train.py:12 has used already, and nothing uses "
        "them afterwards"
    ]
    logged: list[Sequence[Event]] = [look(1, A), step(1, A, B), clip(13, acted=False), look(2, B), step(2, B, A)]
    assert said("clipping", run(*logged)) == []


def test_scaled_gradients_are_unscaled_before_they_are_clipped_and_used() -> None:
    scaled = look(1, A, scaled=True)
    unscale: list[Event] = [Unscale(frozenset({1, 2}))]
    assert said("scale", run(scaled, clip(11), unscale, step(1, A, B, by_scaler=True))) == [
        "the clip at train.py:11 meets the gradients of train.py:11 while they are still scaled by the GradScaler: "
        "unscale_ comes later or never"
    ]
    assert said("scale", run(scaled, unscale, clip(11), step(1, A, B, by_scaler=True))) == []
    assert said("scale", run(scaled, step(1, A, B))) == [
        "the step at train.py:12 uses the gradients of train.py:11 as the GradScaler scaled them, for a and b: it is "
        "not called by scaler.step, and nothing has unscaled them"
    ]
    early = [unscale, look(2, A, scaled=True, had=KEPT)]
    assert said("scale", run(scaled, *early, step(1, A, B, by_scaler=True))) == [
        "the step at train.py:12 uses the gradients of train.py:11 as the GradScaler scaled them, for a and b: "
        "unscale_ came before them, and nothing has unscaled them"
    ]


# The recommended clauses


def test_a_line_whose_every_gradient_is_dropped() -> None:
    parts = []
    for k in range(3):
        parts += [look(2 * k + 1, A, at=5), look(2 * k + 2, A), step(k + 1, A, A)]
    assert said("unused-gradient", run(*parts)) == [
        "no step uses the gradients of train.py:5: those of a and b are dropped every time"
    ]
    elsewhere = [[*look(1, A, at=5, elsewhere=True)], *parts[1:3], [*look(3, A, at=5, elsewhere=True)], *parts[4:6]]
    assert said("unused-gradient", run(*elsewhere)) == []


def test_what_no_optimizer_holds_and_what_no_loss_reaches() -> None:
    parameters = {1: Parameter("a", 1), 2: Parameter("b", 1), 3: Parameter("old")}
    optimizers = {1: Optimizer("SGD", frozenset({1, 3}))}
    parts = []
    for k in range(2):
        before, after = {1: k, 3: 9}, {1: k + 1, 3: 9}
        parts += [look(k + 1, {1: k, 2: 5}), step(k + 1, before, after, gradients={1: Holding.KEPT})]
    facts = {"parameters": parameters, "optimizers": optimizers}
    assert said("complete", run(*parts, **facts)) == [
        "backward at train.py:11 reaches b, and no optimizer holds that: it is never trained (requires_grad_(False) "
        "says that this is meant)",
        "SGD, stepped at train.py:12, holds old, which no loss reaches and no module of a forward pass has: it does "
        "not train what runs",
    ]
    assert said("complete", run(*parts, **facts, frozen=("b", "ol*"))) == []
    idle = {**parameters, 3: Parameter("expert", idle=True)}
    assert len(said("complete", run(*parts, parameters=idle, optimizers=optimizers))) == 1


def test_left_over_gradients_are_told_only_where_the_run_ended() -> None:
    parts = [*usual(2), look(9, {1: 20, 2: 21})]
    assert said("window", run(*parts)) == [
        "at the end of the run the gradients of the last backward pass at train.py:11 are left over for a and b: no "
        "step has used them"
    ]
    assert said("window", run(*parts, ending=Ending.STOPPED)) == []
    assert said("window", run(*parts, ending=Ending.RAISED)) == []


def test_a_window_across_the_epoch_and_the_loader_of_a_test_in_its_middle() -> None:
    def across(alone: bool) -> list[str]:
        begins = [EpochBegins(1, alone=alone)]
        return said("window", run(begins, look(1, A), begins, look(2, A, had=KEPT), step(1, A, B)))

    assert across(True) == [
        "the step at train.py:12 uses gradients of train.py:11 from before the data loader began anew together with "
        "later ones: the epoch's last window was not stepped"
    ]
    assert across(False) == []


def test_a_scheduler_twice_without_an_update_but_after_a_skipped_step() -> None:
    def scheduled(between: list[SkippedStep], by_library: bool = False) -> list[str]:
        tick = [SchedulerStep(1, 1, line(14), by_library=by_library)]
        return said("schedule", run(*usual(1), tick, between, tick))

    assert scheduled([]) == [
        "the scheduler steps at train.py:14 2 times for 1 updates of its optimizer: twice without an update between"
    ]
    assert scheduled([SkippedStep(1)]) == []
    assert scheduled([], by_library=True) == []


def test_a_fast_forward_before_the_first_update_is_right_and_one_step_too_early_is_not() -> None:
    tick, other = [SchedulerStep(1, 1, line(9))], [SchedulerStep(1, 1, line(14))]
    assert said("schedule", run(tick, tick, *usual(1), other)) == []
    assert said("schedule", run(tick, *usual(1), tick)) == [
        "the scheduler steps at train.py:9 before the first update of its optimizer: the first rate is never used"
    ]


def test_a_loss_that_another_optimizer_has_descended_before_is_told_and_tasks_are_not() -> None:
    def gan(*, leaks: bool) -> list[str]:
        generator = {1: Optimizer("SGD", frozenset({1})), 2: Optimizer("SGD", frozenset({2}))}
        held = {2: Holding.KEPT} if leaks else {}
        parts = [look(1, A), step(1, {1: 0}, {1: 5}), look(2, {1: 5, 2: 1}, at=21, to=(2,), had=held)]
        return said("owner", run(*parts, step(2, {2: 1}, {2: 6}, optimizer=2, at=22), optimizers=generator))

    assert gan(leaks=True) == [
        "the step at train.py:22 applies the gradients of train.py:21 and of train.py:11 to b: the latter are of the "
        "loss that the other optimizer, stepped at train.py:12, descends"
    ]
    assert gan(leaks=False) == []
    tasks = [look(1, A), look(2, A, at=21, to=(2,), had=KEPT), step(1, {1: 0}, {1: 5})]
    assert said("owner", run(*tasks, step(2, {2: 1}, {2: 6}, optimizer=2, at=22))) == []


def test_an_optimizer_made_anew_on_another_line_is_another_phase() -> None:
    def phases(first: int, second: int, *, remembers: bool = True, drawn_anew: bool = False) -> list[str]:
        made = {
            1: Optimizer("Adam", frozenset({1, 2}), line(first), remembers),
            2: Optimizer("Adam", frozenset({1, 2}), line(second), remembers),
        }
        begin = {1: 50, 2: 51} if drawn_anew else B
        parts = [look(1, A), step(1, A, B), look(2, begin), step(2, begin, A, optimizer=2)]
        return said("state", run(*parts, optimizers=made))

    assert phases(3, 3) == [
        "Adam is made anew at train.py:3 on a and b: the state of the one before, with which it had stepped, is dropped"
    ]
    assert phases(3, 4) == []
    assert phases(3, 3, remembers=False) == []
    assert phases(3, 3, drawn_anew=True) == []
