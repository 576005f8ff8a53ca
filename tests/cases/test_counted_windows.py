"""Windows of losses per token (`counts=`): right ones are held, and the mean of means is named with its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.faults.training_steps.token_windows import (
    PADDING,
    divides_by_the_tokens_of_the_window,
    means_of_token_means,
    per_token,
    sentences,
    tagger,
    tokens_in,
)
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

RATE = 0.125


def examined(
    build: Any, clauses: Any, *, batches: Any = sentences, counts: Any = tokens_in, loss: Any = per_token, **more: Any
) -> dict[str, Verdict]:
    declared: dict[str, Any] = {"accumulate": 2, "counts": counts, **more}
    subject = training_step(build, name="mine", models=tagger, batches=batches, loss=loss, **declared)
    outcome = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=8))
    return {v.clause: v for v in outcome.verdicts if v.about is About.SUBJECT}


def weighing(weight: Callable[[Tensor, Tensor], float]) -> Callable[..., Any]:
    """Return a build whose window is the mean of its micro-batches' losses with these weights."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
        held = list[tuple[Tensor, Tensor]]()

        def step(x: Tensor, y: Tensor) -> None:
            held.append((x, y))
            if len(held) == 2:
                optimizer.zero_grad()
                weights = [weight(*one) for one in held]
                for w, (inputs, targets) in zip(weights, held, strict=True):
                    (loss_fn(model(inputs), targets) * (w / sum(weights))).backward()
                optimizer.step()
                held.clear()

        return step, optimizer

    return build


def half_for_padding(_x: Tensor, y: Tensor) -> float:
    return float((y != PADDING).sum()) + 0.5 * float((y == PADDING).sum())


@pytest.mark.parametrize(
    ("build", "counts"),
    [
        (divides_by_the_tokens_of_the_window, tokens_in),
        (weighing(tokens_in), tokens_in),
        (weighing(half_for_padding), half_for_padding),  # a fraction counts, too
        (weighing(lambda x, y: 1.0), lambda x, y: torch.tensor(1)),  # all alike: the mean of means is right
    ],
)
def test_windows_that_count_as_declared_are_held(build: Any, counts: Any) -> None:
    found = examined(build, ["step.*"], counts=counts)
    assert [v.clause for v in found.values() if v.status is Status.VIOLATED] == []
    assert found["step.simultaneous"].status in (Status.HELD, Status.VACUOUS)
    if counts is not tokens_in:
        return
    assert found["step.accumulation"].status is Status.HELD


@pytest.mark.parametrize(
    ("build", "counts", "said"),
    [
        (means_of_token_means, tokens_in, "the mean of the micro-batches' means; they have 2, 2 rows and count 3, 5"),
        (
            weighing(lambda x, y: len(x)),
            lambda x, y: y.shape[1],
            "the mean of the micro-batches' means; they have 2, 2 rows and count 2, 3",
        ),
    ],
)
def test_the_mean_of_means_is_named_with_its_rows(build: Any, counts: Any, said: str) -> None:
    found = examined(build, ["step.accumulation"], counts=counts)["step.accumulation"]
    assert (found.status, found.reason) == (Status.VIOLATED, said)


def empty(index: int) -> tuple[Tensor, Tensor]:
    tokens, classes = sentences(index)
    return tokens, torch.full_like(classes, PADDING)


def half_empty(index: int) -> tuple[Tensor, Tensor]:
    return (empty if index % 2 else sentences)(index)


def without_nothing(model: nn.Module, loss_fn: Any) -> Any:
    """A micro-batch of padding alone has no loss, and is passed over."""
    step, optimizer = divides_by_the_tokens_of_the_window(model, summed)
    return step, optimizer


def summed(outputs: Tensor, classes: Tensor) -> Tensor:
    total = nn.functional.cross_entropy(outputs.flatten(0, 1), classes.flatten(), ignore_index=PADDING, reduction="sum")
    return total / max(1, int((classes != PADDING).sum()))


def test_a_micro_batch_that_counts_nothing_takes_no_part() -> None:
    found = examined(without_nothing, ["step.simultaneous", "step.accumulation"], batches=half_empty)
    assert [v.clause for v in found.values() if v.status is Status.VIOLATED] == []


def test_a_window_in_which_nothing_counts_is_not_decided() -> None:
    found = examined(without_nothing, ["step.accumulation"], batches=lambda i: (empty if i > 1 else sentences)(i))
    told = found["step.accumulation"]
    assert told.status is Status.VACUOUS
    assert "nothing counts in a window: the sum of counts= over its micro-batches is 0" in told.reason


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"counts": 3}, "counts=3; expected a function (inputs, targets) -> a number of at least 0"),
        ({"accumulate": 1}, "counts= without accumulate=, the number of micro-batches in a window"),
        (
            {"counts": lambda x, y: -1},
            "counts(inputs, targets) returned -1; expected a finite number of at least 0",
        ),
        (
            {"counts": lambda x, y: "3"},
            "counts(inputs, targets) returned a str; expected a finite number of at least 0",
        ),
    ],
)
def test_counts_that_cannot_be_meant_are_refused_in_one_line(declared: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        examined(means_of_token_means, "step.accumulation", **declared)
    assert str(refused.value) == said
