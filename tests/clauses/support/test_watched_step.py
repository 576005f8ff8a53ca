"""Watched steps: one by one they hold a model's arrays once, and all together they last."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from gdprops.clauses.support.watched_step import stream, watch
from gdprops.model.case import OwnCase, Plan
from gdprops.subjects.training_step.subject import training_step
from tests.samples import training_steps

CASE: Any = OwnCase(bytes(range(64)), ((0,), (1,), (2,), (3,)), Plan(()), 53)


def batch(index: int) -> Any:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def subject() -> Any:
    own: dict[str, Any] = {"models": lambda: nn.Linear(3, 2), "batches": batch, "loss": nn.MSELoss()}
    return training_step(training_steps.ordinary, name="ordinary", **own)


def test_a_streamed_step_is_the_users_memory_and_one_copy_before_it() -> None:
    step = next(stream(subject(), CASE))
    assert step.run.live is not None
    pairs = zip(step.after, step.run.live.parameters, strict=True)
    assert all(np.shares_memory(a, p.detach().numpy()) for a, p in pairs)
    assert all(e is a for e, a in zip(step.expected, step.after, strict=True)), "equal, and no copy"
    assert step.is_exact
    assert not any(np.shares_memory(b, a) for b, a in zip(step.before, step.after, strict=True))


def test_the_next_step_frees_what_the_last_one_held() -> None:
    running = stream(subject(), CASE)
    first = next(running)
    ended, held = [w.copy() for w in first.after], list(first.before)
    second = next(running)
    assert first.gradients == first.expected == []
    assert all(b is h for b, h in zip(second.before, held, strict=True)), "overwritten in place"
    assert all(np.array_equal(b, e) for b, e in zip(second.before, ended, strict=True))


def test_nothing_is_compared_where_the_gradients_norm_overflows_and_the_step_ends_at_nan() -> None:
    """To clip to the norm inf only measures it, and multiplies by inf / inf where it is inf."""
    step = replace(next(stream(subject(), CASE)), after=[np.full(2, np.nan)], expected=[np.ones(2)])
    assert replace(step, gradients=[np.array([1e200, 1.0])]).is_out_of_reach
    assert not replace(step, gradients=[np.array([1e150, 1.0])]).is_out_of_reach
    assert not replace(step, gradients=[np.array([1e200, 1.0])], after=[np.zeros(2)]).is_out_of_reach


def test_a_gradient_that_is_rounding_itself_pulls_nothing() -> None:
    """The cosine of two equal outputs is 1, whatever the weights: its gradient is some 1e-17."""
    step = replace(next(stream(subject(), CASE)), before=[np.ones(2)])
    assert replace(step, gradients=[np.array([0.0, 1e-14])]).is_pulled(0, 0.1)
    assert not replace(step, gradients=[np.array([0.0, 1e-15])]).is_pulled(0, 0.1)
    assert not replace(step, gradients=[np.ones(2)]).is_pulled(0, 0.0)
    assert not replace(step, gradients=[None]).is_pulled(0, 0.1)


def test_of_earlier_gradients_a_stream_keeps_the_last_ones() -> None:
    seen = list[list[Any]]()
    for step in stream(subject(), CASE, remembers=True):
        assert [len(grads) for grads in step.earlier] == [2] * bool(seen)
        if seen:
            assert all(a is b for a, b in zip(step.earlier[0], seen[-1], strict=True))
        seen.append(list(step.gradients))
    assert len(seen) == 4


def test_watched_steps_stay_as_they_were() -> None:
    ends = [[w.copy() for w in step.after] for step in stream(subject(), CASE)]
    found = watch(subject(), CASE)
    assert [step.number for step in found] == [1, 2, 3, 4]
    for step, end in zip(found, ends, strict=True):
        assert all(np.array_equal(a, e) for a, e in zip(step.after, end, strict=True))
        assert all(np.array_equal(a, e) for a, e in zip(step.expected, end, strict=True))
        assert [len(earlier) for earlier in step.earlier] == [2] * (step.number - 1)
    assert all(b is a for first, second in pairwise(found) for a, b in zip(first.after, second.before, strict=True))
