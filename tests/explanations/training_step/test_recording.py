"""What a watched step shows: passes with their rows, calls, writes, and reads of weights that have moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gdprops.explanations.training_step.frozen_reads import stepped_on_frozen_reads
from gdprops.explanations.training_step.observation import LateRead, Observation
from gdprops.explanations.training_step.recording import record, rows_seen
from gdprops.faults.training_steps.late_read_faults import backprops_through_moved_weights
from gdprops.strategies.distinguishing_networks import distinguishing_cases
from gdprops.subjects.training_step.subject import training_step
from gdprops.subjects.user_code.isolation import isolated

RATE = 0.125
ALL = tuple(range(13))


def watched(build: Callable[..., Any], **declared: Any) -> Observation:
    subject = training_step(build, name=build.__name__, **(declared or {"lr": RATE}))
    with isolated():
        return record(subject.begin(distinguishing_cases()[0]), 0)


def sgd(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=RATE, **options)


def ordinary(model: nn.Module, loss_fn: Any, **options: Any) -> Any:
    optimizer = sgd(model, **options)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        loss_fn(model(x), y)  # for the log

    return step


@pytest.mark.parametrize("foreach", [False, True])
def test_an_ordinary_step_looks_once_and_writes_each_parameter_once(foreach: bool) -> None:
    seen = watched(lambda model, loss_fn: ordinary(model, loss_fn, foreach=foreach), lr=RATE)
    assert [one.rows for one in seen.learning] == [ALL]
    assert [one.rows for one in seen.passes] == [ALL, ALL]
    assert dict(seen.writes) == dict.fromkeys(range(6), 1)
    assert len(seen.calls) == 1
    assert not seen.hands_over_twice()
    assert all(g is not None for g in seen.door() or [None])
    assert all(m.any() for m in seen.moved_after()[0])
    assert {read.place for read in seen.late} == {"forward"}


def in_both_modes(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        for training in (True, False):
            loss_fn(model.train(training)(x), y).backward()
        optimizer.step()

    return step


def test_what_gdprops_computes_around_the_users_call_is_not_logged() -> None:
    seen = watched(in_both_modes)  # gdprops compares loss and gradients in both modes, right after the call
    assert (len(seen.losses), len(seen.roots), len(seen.passes)) == (2, 2, 2)


def micro_batches(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        for rows in (slice(0, 5), slice(5, 10), slice(10, 13)):
            loss_fn(model(x[rows].clone()), y[rows]).backward()
        optimizer.step()

    return step


def test_micro_batches_are_told_by_their_rows_also_in_copies() -> None:
    seen = watched(micro_batches)
    assert [one.rows for one in seen.learning] == [ALL[:5], ALL[5:10], ALL[10:]]
    assert [any(m.any() for m in masks) for masks in seen.moved_after()] == [False, False, True]


def recomputed(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(checkpoint(model, x, use_reentrant=False), y).backward()
        optimizer.step()

    return step


def test_a_pass_that_is_recomputed_in_backward_is_none_of_its_own() -> None:
    seen = watched(recomputed)
    assert [one.rows for one in seen.passes] == [ALL]
    assert seen.late == ()


def in_backward(model: nn.Module, loss_fn: Any) -> Any:
    def hook(p: Tensor) -> None:
        p.data -= 0 if p.grad is None else RATE * p.grad

    for p in model.parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call] # torch's own

    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(x), y).backward()

    return step


def test_a_correct_update_in_backward_reads_nothing_that_has_moved() -> None:
    assert watched(in_backward).late == ()


def test_in_place_backprop_reads_moved_weights_while_errors_are_sent_back() -> None:
    seen = watched(backprops_through_moved_weights)
    assert {LateRead(2, "backward"), LateRead(4, "backward")} <= set(seen.late)
    assert "forward" not in {read.place for read in seen.late}


def test_it_is_right_where_those_reads_find_the_old_weights() -> None:
    subject, case = training_step(backprops_through_moved_weights, lr=RATE), distinguishing_cases()[0]
    with isolated():
        run = subject.begin(case)
        before = run.weights()
        ended = stepped_on_frozen_reads(run, 0, {2, 4})
        right = run.update(before, run.gradients(before, 0), None)
        bare = subject.begin(case)
        bare.step(0)
    assert all(abs(a - b).max() < 1e-12 for a, b in zip(ended, right, strict=True))
    assert abs(bare.weights()[0] - right[0]).max() > 1e-3


def test_watching_changes_nothing() -> None:
    subject = training_step(backprops_through_moved_weights, lr=RATE)
    with isolated():
        run, bare = (subject.begin(distinguishing_cases()[0]) for _ in range(2))
        record(run, 0)
        bare.step(0)
    assert [w.tobytes() for w in run.weights()] == [w.tobytes() for w in bare.weights()]


@pytest.mark.parametrize(
    ("seen", "rows"),
    [
        (lambda x: x, (0, 1, 2, 3)),
        (lambda x: x[1:3], (1, 2)),
        (lambda x: x[::2], (0, 2)),
        (lambda x: x[[3, 0]], (3, 0)),
        (lambda x: torch.cat([x[:1], x[:1]]), (0, 0)),
        (lambda x: x + 1, None),
        (lambda x: x[:, :1], None),
    ],
)
def test_rows_are_known_by_their_place_or_their_numbers(
    seen: Callable[[Tensor], Tensor], rows: tuple[int, ...] | None
) -> None:
    batch = torch.arange(8.0).reshape(4, 2)
    assert rows_seen(seen(batch), batch) == rows


def test_of_equal_rows_the_next_one_is_meant() -> None:
    assert rows_seen(torch.ones(3, 2), torch.ones(3, 2)) == (0, 1, 2)
