"""Beside an explanation stand the lines in which the step clears, differentiates, clips and updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gdprops
from gdprops.subjects.training_step.subject import training_step
from tests.explanations.training_step.examples import instead


def line_of(text: str) -> int:
    """Return the number of the line of this file that a comment marks."""
    (number,) = (n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(f"# {text}"))
    return number


def places(build: Any, clause: str) -> list[tuple[str, int | None]]:
    report = gdprops.check(gdprops.training_step(build, name="mine"), clauses=clause, examples=10, seed=0)
    (found,) = report.violations
    return [(place.text, place.line) for place in found.places]


def never_clears(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        loss_fn(model(x), y).backward()  # adds up
        optimizer.step()  # moves

    return step, optimizer


def clips_undeclared(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()  # clears
        for _ in range(2):
            loss_fn(model(x), y).backward()  # looks twice
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)  # clips
        optimizer.step()  # moves then

    return step, optimizer


def test_a_backward_that_nobody_clears_is_told_with_its_line() -> None:
    assert places(never_clears, "step.fresh-gradient") == [
        ("backward() is called here, and no zero_grad() in this step", line_of("adds up")),
        ("the optimizer's step() is called here", line_of("moves")),
    ]


def test_every_call_is_told_in_its_order() -> None:
    assert places(clips_undeclared, "step.simultaneous") == [
        ("zero_grad() is called here", line_of("clears")),
        ("backward() is called here, 2 times in this step", line_of("looks twice")),
        ("clipping is called here", line_of("clips")),
        ("the optimizer's step() is called here", line_of("moves then")),
    ]


def layer_by_layer(model: nn.Module, loss_fn: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        for p in model.parameters():
            (g,) = torch.autograd.grad(loss_fn(model(x), y), [p], allow_unused=True)  # asks
            if g is not None:
                with torch.no_grad():
                    p.sub_(g, alpha=0.1)  # writes

    return step


def through_data(model: nn.Module, loss_fn: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        for p in model.parameters():
            p.grad = None
            loss_fn(model(x), y).backward()  # looks
            if p.grad is not None:
                p.data = p.data - 0.1 * p.grad  # assigns

    return step


@pytest.mark.parametrize(
    ("build", "asked", "look", "write"),
    [
        (layer_by_layer, "torch.autograd.grad() is called here", "asks", "writes"),
        (through_data, "backward() is called here", "looks", "assigns"),
    ],
)
def test_the_lines_of_a_sweep_by_hand_are_told(build: Any, asked: str, look: str, write: str) -> None:
    subject = gdprops.training_step(build, name="mine", lr=0.1)
    (found, *_) = gdprops.check(subject, clauses="step.simultaneous", examples=10, seed=0).violations
    assert [(place.text.partition(",")[0], place.line) for place in found.places] == [
        (asked, line_of(look)),
        ("the weights are written here", line_of(write)),
    ]


def scales_the_loss(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        (loss_fn(model(x), y) / 4).backward()  # divided
        optimizer.step()  # once

    return step, optimizer


def from_one_vector(model: nn.Module, loss_fn: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        ps = list(model.parameters())
        model.zero_grad()
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            held = [p - 0.2 * (torch.zeros_like(p) if p.grad is None else p.grad) for p in ps]
            flat = nn.utils.parameters_to_vector(held)
            nn.utils.vector_to_parameters(flat, ps)  # all of them

    return step


def test_a_line_that_ran_once_is_told_once() -> None:
    assert instead_places(scales_the_loss) == [
        ("backward() is called here", line_of("divided")),
        ("the optimizer's step() is called here", line_of("once")),
    ]
    assert instead_places(from_one_vector, lr=0.1)[-1] == ("the weights are written here", line_of("all of them"))


def instead_places(build: Any, **declared: Any) -> list[tuple[str, int | None]]:
    found = instead(training_step(build, name="mine", **declared), 2)
    assert found is not None
    return [(place.text.partition(", and")[0], place.line) for place in found.places]


def test_the_report_prints_the_lines() -> None:
    report = gdprops.check(gdprops.training_step(never_clears, name="mine"), clauses="step.fresh-gradient", seed=0)
    printed = " ".join(str(report).split())
    assert f"test_calls_by_line.py:{line_of('adds up')})" in printed
