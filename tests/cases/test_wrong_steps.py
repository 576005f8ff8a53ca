"""What wrong training steps do is told in words that are true of them, and right siblings are not accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gdprops.model.verdict import About, Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.cases import wrong_steps as steps
from tests.explanations.training_step.examples import instead, instead_of

PLAIN = {"lr": steps.RATE}
SIMULTANEOUS, ACCUMULATION, CLIPPING, FRESH = (
    "step.simultaneous",
    "step.accumulation",
    "step.clipping",
    "step.fresh-gradient",
)
FORGETS = "the declared rule's memory (momentum, averages) has no effect"

WRONG: dict[str, tuple[Callable[..., Any], dict[str, Any], str, str]] = {
    "steps-before-backward": (
        steps.steps_before_backward,
        {},
        FRESH,
        "at step 1 nothing moves: the optimizer is called before any gradient exists; from step 2 on the last step's "
        "gradient is used (stale)",
    ),
    "smoothed": (
        steps.smooths_its_loss(0.1),
        {},
        SIMULTANEOUS,
        "from step 2 on backward starts from a smoothed loss: 0.1 of this step's loss plus 0.9 of what the last one",
    ),
    "smoothed-by-half": (
        steps.smooths_its_loss(0.5),
        {},
        SIMULTANEOUS,
        "a smoothed loss: 0.5 of this step's loss plus",
    ),
    "mean-of-all": (
        steps.averages_all_losses,
        {},
        SIMULTANEOUS,
        "from step 2 on backward starts from the mean of all losses so far (wrong_steps.py:",
    ),
    "clips-the-scaled": (
        steps.of_gradients(steps.clips_the_scaled, scale=1024.0),
        {"clip_norm": 1.0},
        CLIPPING,
        "the gradients are clipped to the norm 1 while they are still scaled by 1024",
    ),
    "scaler-clips-the-scaled": (
        steps.scaler_clips(unscales=False),
        {"clip_norm": 0.5},
        CLIPPING,
        "the gradients are clipped to the norm 0.5 while they are still scaled by 256",
    ),
    "guarded-clip": (
        steps.of_gradients(steps.guarded_clip),
        {"clip_norm": 0.5},
        CLIPPING,
        "each parameter's gradient is clipped by itself, to the norm 0.5",
    ),
    "clips-by-group": (
        steps.clips_each_group,
        {"clip_norm": 0.1},
        CLIPPING,
        "the gradients of each parameter group are clipped by themselves, to the norm 0.1",
    ),
    "normalizes-one-by-one": (
        steps.of_gradients(steps.normalizes_one_by_one),
        {},
        CLIPPING,
        "each parameter's gradient is divided by its own norm",
    ),
    "mixes-its-average": (
        steps.averages(into_weights=True),
        {},
        SIMULTANEOUS,
        "the optimizer's update is right, and after it the step changes the weights once more",
    ),
    "trains-on-from-its-average": (
        steps.trains_on_from_its_average,
        {},
        SIMULTANEOUS,
        "the optimizer's update is right, and after it the step changes the weights once more",
    ),
    "climbs-by-hand-and-stays": (
        steps.climbs_by_hand(comes_back=False),
        {},
        SIMULTANEOUS,
        "the weights are moved for a second look and never moved back (SAM's climb is not undone)",
    ),
    "rounds-to-float16": (
        steps.of_gradients(steps.rounds_to(torch.float16)),
        {},
        SIMULTANEOUS,
        "the gradients are rounded to float16 before the update",
    ),
    "rounds-to-bfloat16": (
        steps.of_gradients(steps.rounds_to(torch.bfloat16)),
        {},
        SIMULTANEOUS,
        "the gradients are rounded to bfloat16 before the update",
    ),
    "bounds-its-weights": (
        steps.bounds_its_weights,
        {},
        SIMULTANEOUS,
        "the weights are changed between their gradients and the update: from the weights that the optimizer is called",
    ),
    "decays-beside-adamw": (
        steps.decays_beside_adamw,
        {},
        SIMULTANEOUS,
        "between backward and the update all weights are multiplied by 0.99 (a decay beside the optimizer's)",
    ),
    "clips-by-kind": (
        steps.of_gradients(steps.clips_by_kind),
        {"clip_norm": 0.5},
        CLIPPING,
        "the gradients of the biases are clipped by themselves, and those of all others, to the norm 0.5",
    ),
    "momentum-in-grad": (
        steps.momentum_in_grad,
        {"rule": steps.momentum},
        SIMULTANEOUS,
        "from step 2 on the step moves by -0.18 times this step's gradient; nothing of earlier steps enters: "
        f"{FORGETS}",
    ),
    "rate-captured": (
        steps.by_hand_at(lambda _, rates: rates[0]),
        {},
        SIMULTANEOUS,
        "every step moves by the rate of the first one: the rate is read once, and what a scheduler makes of it later",
    ),
    "rate-lags": (
        steps.by_hand_at(lambda _, rates: rates[max(0, len(rates) - 2)]),
        {},
        SIMULTANEOUS,
        "every step moves by the rate of the step before it",
    ),
    "schedule-twice": (
        steps.by_hand_at(lambda _, rates: rates[-1] ** 2 / rates[0]),
        {},
        SIMULTANEOUS,
        "what a scheduler makes of the rate acts twice",
    ),
    "tail-of-two-lost": (
        steps.in_chunks(2, drops=True),
        {},
        ACCUMULATION,
        "rows that nobody looks at: row 12 of 13; beside them, the gradients of 6 micro-batches (rows 0-1; 2-3;",
    ),
    "tail-of-four-lost": (
        steps.in_chunks(4, drops=True),
        {},
        ACCUMULATION,
        "rows that nobody looks at: row 12 of 13; beside them, the gradients of 3 micro-batches (rows 0-3; 4-7; 8-11)",
    ),
    "means-of-unseen-chunks": (
        steps.means_of_chunks,
        PLAIN,
        ACCUMULATION,
        "rows 0-11 1/15, row 12 0.2 (the mean of the means of chunks of 3)",
    ),
    "first-of-two": (
        steps.window(lambda call: call % 2 == 1),
        {"accumulate": 2},
        ACCUMULATION,
        "the window is shifted: it updates at calls 1, 3, 5, … instead of 2, 4, 6, …",
    ),
    "first-of-four": (
        steps.window(lambda call: call % 4 == 1),
        {"accumulate": 4},
        ACCUMULATION,
        "the window is shifted: it updates at calls 1, 5, 9, … instead of 4, 8, 12, …",
    ),
    "every-third-of-two": (
        steps.window(lambda call: call % 3 == 0),
        {"accumulate": 2},
        ACCUMULATION,
        "the window is shifted: it updates at calls 3, 6, … instead of 2, 4, 6, …",
    ),
    "hooks-pile-up": (
        steps.hooks(once=False),
        PLAIN,
        SIMULTANEOUS,
        "step 2 moves 0.5 times as far as it should, step 3 0.25 times, and so on: a factor of 0.5 more with every "
        "step; every step registers gradient hooks that stay (1 more on a parameter): they pile up",
    ),
    "hooks-pile-up-on-biases": (
        steps.hooks(once=False, biases=True, factor=0.9),
        PLAIN,
        "",
        "the biases alone are wrong: step 1 moves 0.9 times as far as it should, step 2 moves 0.81 times",
    ),
    "once-per-name": (
        steps.once_per_name,
        PLAIN,
        SIMULTANEOUS,
        "a parameter that several layers share moves once for each of them",
    ),
    "once-per-module": (
        steps.once_per_module,
        PLAIN,
        SIMULTANEOUS,
        "a parameter that several layers share moves once for each of them",
    ),
    "shuffled-inputs": (
        steps.shuffled,
        {},
        SIMULTANEOUS,
        "the rows of inputs and targets do not belong together (wrong_steps.py:",
    ),
    "rolled-targets": (
        steps.of_loss(steps.rolled),
        {},
        SIMULTANEOUS,
        "the model is given rows 0-12 of the batch, the loss the targets of rows 12, 0-11",
    ),
    "squeezed-outputs": (
        steps.of_loss(steps.squeezed),
        {},
        SIMULTANEOUS,
        "the loss is given outputs of shape (12,) and targets of shape (12, 1) (wrong_steps.py:",
    ),
    "flattened-targets": (
        steps.of_loss(steps.flattened),
        {},
        SIMULTANEOUS,
        "the loss is given outputs of shape (12, 1) and targets of shape (12,) (wrong_steps.py:",
    ),
    "softmax-twice": (
        steps.of_loss(steps.softmax_twice),
        {},
        SIMULTANEOUS,
        "the loss is given the softmax of the outputs (wrong_steps.py:",
    ),
    "a-tenth": (
        steps.of_gradients(steps.times(lambda _: 0.1)),
        {},
        SIMULTANEOUS,
        "the gradient is scaled by 0.1 in every failing example",
    ),
    "rate-twice": (
        steps.of_gradients(steps.times(lambda optimizer: optimizer.param_groups[0]["lr"])),
        {},
        SIMULTANEOUS,
        "the gradient is multiplied by the learning rate once more",
    ),
    "heavy-ball-with-decay": (
        steps.heavy_ball_with_decay,
        PLAIN,
        SIMULTANEOUS,
        "the step moves by -0.1 times this step's gradient plus 0.5 times the last move plus -0.01 times the weights",
    ),
    "two-backwards": (
        steps.two_backwards,
        {},
        SIMULTANEOUS,
        "the gradients of the backward at wrong_steps.py:",
    ),
    "sweeps-at-a-third": (
        steps.sweeps_at_a_third,
        PLAIN,
        SIMULTANEOUS,
        "two faults: all parameters move 0.3 times as far, and beside that layer by layer, first layer first",
    ),
    "grows": (steps.grows, PLAIN, SIMULTANEOUS, "step t moves t times as far as step 1"),
}

RIGHT: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "clips-all-groups": (steps.clips_all_groups, {"clip_norm": 0.1}),
    "keeps-its-average": (steps.averages(into_weights=False), {}),
    "normalizes-a-copy": (steps.of_gradients(steps.normalizes_a_copy), {}),
    "clips-the-unscaled": (steps.of_gradients(steps.clips_the_unscaled, scale=1024.0), {"clip_norm": 1.0}),
    "scaler-clips-the-unscaled": (steps.scaler_clips(unscales=True), {"clip_norm": 0.5}),
    "rate-in-force": (steps.by_hand_at(lambda _, rates: rates[-1]), {}),
    "whole-chunks": (steps.in_chunks(2, drops=False), {}),
    "second-of-two": (steps.window(lambda call: call % 2 == 0), {"accumulate": 2}),
    "hooks-once": (steps.hooks(once=True), PLAIN),
    "shuffled-together": (steps.shuffled_together, {}),
    "both-squeezed": (steps.of_loss(steps.both_squeezed), {}),
}


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_step_is_named(name: str) -> None:
    build, declared, clause, text = WRONG[name]
    build.__name__ = "mine"
    found = instead_of(build, **declared)
    assert text in found.text
    assert " or, which gives the same weights, " not in found.text
    assert (found.clause, found.constants is None) == (clause, False)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_sibling_needs_no_explanation(name: str) -> None:
    build, declared = RIGHT[name]
    assert instead(training_step(build, name=name, **declared), most=25) is None


def test_a_captured_rate_is_no_update_applied_twice_though_the_first_wrong_step_looks_like_it() -> None:
    build = steps.by_hand_at(lambda _, rates: rates[0])
    found = check_subject(training_step(build, name="mine"), clauses="step.*", settings=Settings(seed=0, examples=20))
    states = {verdict.clause: verdict.status for verdict in found.of(About.SUBJECT)}
    assert states["step.once"] is Status.VACUOUS
    (primary,) = (verdict for verdict in found.of(About.SUBJECT) if verdict.also)
    assert (primary.clause, primary.also) == ("step.simultaneous", ("step.loss-falls",))
    assert primary.same_fault == ("step.loss-falls",)
