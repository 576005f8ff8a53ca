"""More public reports about training loops of one loss: clocks, checkpoints, loss scaling, and what never trains."""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.cases.test_public_loops import IN_WINDOWS, Report, decaying, require_caught_and_corrected, sgd

RATE = 0.1


def plain(m: Any, loss_fn: Any, optimizer: Any, *, clips: float | None = None) -> Any:
    """Return the step that every tutorial has."""

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(m(x), y).backward()
        if clips is not None:
            nn.utils.clip_grad_norm_(m.parameters(), clips)
        optimizer.step()

    return step


def validates_now_and_then(m: Any, loss_fn: Any, *, back: bool) -> Any:
    """Return a loop that validates at every second call; the start of an epoch of four turns to training mode."""
    optimizer, calls = sgd(m), 0
    train = plain(m, loss_fn, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        if calls % 4 == 0:
            m.train()
        train(x, y)
        calls += 1
        if calls % 2 == 0:
            m.eval()
            with torch.no_grad():
                m(x)
            if back:
                m.train()

    return step, optimizer


def scaled(m: Any, loss_fn: Any, *, unscales: bool) -> Any:
    optimizer, scaler = sgd(m), torch.amp.GradScaler("cpu", init_scale=1024.0)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        scaler.scale(loss_fn(m(x), y)).backward()
        if unscales:
            scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(m.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()

    return step, optimizer


def clips_too_early(m: Any, loss_fn: Any, *, early: bool) -> Any:
    optimizer = sgd(m)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(m(x), y)
        if early:
            nn.utils.clip_grad_norm_(m.parameters(), 0.1)
        loss.backward()
        if not early:
            nn.utils.clip_grad_norm_(m.parameters(), 0.1)
        optimizer.step()

    return step, optimizer


def replaced(m: Any, loss_fn: Any, *, late: bool) -> Any:
    """Return a loop on layers that a pruner has replaced; ``late``: after the optimizer was made."""
    optimizer = sgd(m) if late else None
    for place in (0, 3):
        m[place] = copy.deepcopy(m[place])
    optimizer = optimizer or sgd(m)
    return plain(m, loss_fn, optimizer), optimizer


def steps_once_an_epoch(m: Any, loss_fn: Any, *, every: int) -> Any:
    optimizer, calls = sgd(m), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss_fn(m(x), y).backward()
        if calls % every == 0:
            optimizer.step()

    return step, optimizer


def in_windows(m: Any, loss_fn: Any, *, window: int = 3, flushes: bool = True, differentiates: bool = True) -> Any:
    """Return a loop whose last window may be short: it divides by the micro-batches that there are."""
    optimizer, calls = sgd(m), 0

    def step(x: Tensor, y: Tensor, last: bool) -> None:
        nonlocal calls
        calls += 1
        loss = loss_fn(m(x), y)
        if differentiates:
            loss.backward()
        if calls == window or (last and flushes):
            for p in m.parameters():
                p.grad = None if p.grad is None else p.grad / calls
            optimizer.step()
            optimizer.zero_grad()
            calls = 0

    return step, optimizer


def advances(m: Any, loss_fn: Any, *, every: int) -> Any:
    optimizer, calls = sgd(m), 0
    train, scheduler = plain(m, loss_fn, optimizer), decaying(optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        train(x, y)
        calls += 1
        if calls % every == 0:
            scheduler.step()

    return step, optimizer


def warming(t: int) -> float:
    """Return the rate of update ``t``: a warm-up over four updates, whose first is not 0, and a decay."""
    return RATE * (t + 1) / 4 if t < 4 else RATE * 0.5 ** (t - 3)


def sets_rates(m: Any, loss_fn: Any, rate: Any) -> Any:
    optimizer, taken = sgd(m), 0
    train = plain(m, loss_fn, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        optimizer.param_groups[0]["lr"] = rate(taken)
        train(x, y)
        taken += 1

    return step, optimizer


def warms_for_ever(t: int) -> float:
    """Return the rate of update ``t``: the warm-up is over when the rate is 1, and it never is."""
    return min(RATE, warming(min(t, 3)))


def restart(t: int) -> float:
    """Return the decay of update ``t``; the second stage begins at update 3, with a smaller one."""
    return (0.9 if t < 3 else 0.5) * (1 - math.exp(-(t + 1) / 2.0))


def averaged(m: Any, loss_fn: Any, *, captured: bool) -> Any:
    optimizer, ema, taken = sgd(m), copy.deepcopy(m), 0
    train = plain(m, loss_fn, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        train(x, y)
        d = 0.9 * (1 - math.exp(-(taken + 1) / 2.0)) if captured else restart(taken)
        taken += 1
        with torch.no_grad():
            for p, q in zip(ema.parameters(), m.parameters(), strict=True):
                p.lerp_(q, 1 - d)

    return {"step": step, "optimizer": optimizer, "average": ema}


def resumed(m: Any, loss_fn: Any, *, optimizer_last: bool) -> Any:
    """Return a loop whose ``load`` makes a new scheduler, which sets the first rate, before or after the optimizer."""
    optimizer = sgd(m)
    loop = SimpleNamespace(optimizer=optimizer, scheduler=decaying(optimizer))
    train = plain(m, loss_fn, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        train(x, y)
        loop.scheduler.step()

    def save() -> Any:
        return copy.deepcopy((m.state_dict(), optimizer.state_dict(), loop.scheduler.state_dict()))

    def load(saved: Any) -> None:
        weights, state, clock = saved
        m.load_state_dict(weights)
        if not optimizer_last:
            optimizer.load_state_dict(state)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        loop.scheduler = decaying(optimizer)
        loop.scheduler.load_state_dict(clock)
        if optimizer_last:
            optimizer.load_state_dict(state)

    loop.step, loop.save, loop.load = step, save, load
    return loop


def freezes(m: Any, loss_fn: Any, *, by_mode: bool) -> Any:
    """Return a loop that wants its first layer frozen; evaluation mode does not freeze."""
    m[0].eval() if by_mode else m[0].requires_grad_(False)
    optimizer = sgd(m)
    return plain(m, loss_fn, optimizer), optimizer


REPORTS = [
    Report(
        "tomhosking/torchseq#8: the last micro-batches of an epoch are lost",
        lambda m, f: in_windows(m, f, flushes=False),
        in_windows,
        "step.simultaneous",
        "a short window makes no update",
        IN_WINDOWS,
    ),
    Report(
        "joeynmt/joeynmt#184, wkentaro/pytorch-fcn#57: in evaluation mode until the next epoch",
        lambda m, f: validates_now_and_then(m, f, back=False),
        lambda m, f: validates_now_and_then(m, f, back=True),
        "step.mode",
        "from step 3 on gradients are taken in evaluation mode",
    ),
    Report(
        "Lightning-AI/pytorch-lightning#9330, catalyst-team/catalyst#1319: clipped while scaled",
        lambda m, f: scaled(m, f, unscales=False),
        lambda m, f: scaled(m, f, unscales=True),
        "step.simultaneous",
        "clipped to the norm 0.1 while they are still scaled by 1024",
        {"clip_norm": 0.1},
    ),
    Report(
        "Cranial-XIX/FAMO#4: clipped before the backward pass",
        lambda m, f: clips_too_early(m, f, early=True),
        lambda m, f: clips_too_early(m, f, early=False),
        "step.clipping",
        "the gradient is not clipped",
        {"clip_norm": 0.1},
    ),
    Report(
        "microsoft/nni#4521: layers are replaced after the optimizer was made",
        lambda m, f: replaced(m, f, late=True),
        lambda m, f: replaced(m, f, late=False),
        "step.complete",
        "in no group of the optimizer",
    ),
    Report(
        "XinyiYS/Gradient-Driven-Rewards#3: the optimizer steps once an epoch",
        lambda m, f: steps_once_an_epoch(m, f, every=4),
        lambda m, f: steps_once_an_epoch(m, f, every=1),
        "step.simultaneous",
        "the step moves at every 4th call only",
    ),
    Report(
        "thunlp/OpenBackdoor#3: in windows the loss is never differentiated",
        lambda m, f: in_windows(m, f, differentiates=False),
        in_windows,
        "step.moves-all",
        "no parameter has a gradient when the optimizer is called",
        IN_WINDOWS,
    ),
    Report(
        "ivadomed/ivadomed#55, automl/Auto-PyTorch#210: the scheduler advances per batch, not per epoch",
        lambda m, f: advances(m, f, every=1),
        lambda m, f: advances(m, f, every=4),
        "clock.schedule",
        "the schedule advances with every update, and not once an epoch",
        {"schedule": decaying, "per": "epoch"},
    ),
    Report(
        "NVIDIA-NeMo/Megatron-Bridge#5399: the warm-up is one update behind",
        lambda m, f: sets_rates(m, f, lambda t: warming(t - 1)),
        lambda m, f: sets_rates(m, f, warming),
        "clock.schedule",
        "the schedule's one update late, after a first rate that is none of its own",
        {"schedule": warming},
    ),
    Report(
        "facebookresearch/ParlAI#4384: the warm-up never ends",
        lambda m, f: sets_rates(m, f, warms_for_ever),
        lambda m, f: sets_rates(m, f, warming),
        "clock.schedule",
        "from update 4 on the rate does not change any more",
        {"schedule": warming},
    ),
    Report(
        "Peterande/D-FINE#331: the decay of the second stage is never used",
        lambda m, f: averaged(m, f, captured=True),
        lambda m, f: averaged(m, f, captured=False),
        "clock.average",
        "is not 0.432332 a + 0.567668 w: it keeps 0.778198 of itself",
        {"average": restart},
    ),
    Report(
        "torch-points3d/torch-points3d#630: the scheduler made after loading sets the first rate again",
        lambda m, f: resumed(m, f, optimizer_last=False),
        lambda m, f: resumed(m, f, optimizer_last=True),
        "clock.resume",
        "saved after update 2 and loaded: at update 3 the rate is 0.1, without an interruption 0.025",
    ),
    Report(
        "alexrich021/3dvnet#11, roboflow/rf-detr#357: what should be frozen trains",
        lambda m, f: freezes(m, f, by_mode=True),
        lambda m, f: freezes(m, f, by_mode=False),
        "step.complete-as-declared",
        "declared frozen, and moved",
        {"frozen": "0.*"},
    ),
]


@pytest.mark.nightly
@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.where.partition(":")[0])
def test_a_public_bug_is_caught_and_named_and_its_correction_holds(report: Report) -> None:
    require_caught_and_corrected(report)
