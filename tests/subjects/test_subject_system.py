"""A plain optimizer as a system: its step and its sweeps are those of plain descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gdprops.numerics.flat import flat_weights
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.updates import trust_ratios
from gdprops.strategies.partitions import partition
from gdprops.subjects import script_lines
from gdprops.subjects.subject_system import SubjectSystem
from gdprops.subjects.torch_optimizer.subject import optimizer
from tests.numerics.random_points import Recipe, multiples, points
from tests.subjects import odd_optimizers

RECIPE = Recipe(multiples(1, 2), ("identity", "relu"), least_depth=2, depth=3, width=3, rows=2)
SGD = SubjectSystem(optimizer(torch.optim.SGD, lr=0.1))


@pytest.mark.parametrize("kind", ["tensor", "layer", "weight", "random"])
def test_its_sweeps_are_those_of_the_reference(kind: str) -> None:
    for point in points(RECIPE, 15, seed=71):
        blocks = partition(point, kind, bytes([0, 1, 2]))
        ours = NumpySystem().sweep(point, blocks, 2.0**-4)
        assert np.allclose(SGD.sweep(point, blocks, 2.0**-4), ours, rtol=1e-12), point


def test_its_step_is_that_of_the_reference_at_one_rate_or_one_for_each_tensor() -> None:
    for point in points(RECIPE, 15, seed=72):
        assert np.allclose(SGD.step(point, 0.25), NumpySystem().step(point, 0.25), rtol=1e-13)
        w = flat_weights(point)
        rates = trust_ratios(w, w + 1, partition(point, "tensor"), 0.5)
        assert np.allclose(SGD.step(point, rates), NumpySystem().step(point, rates), rtol=1e-13)


def test_a_subject_that_moves_twice_as_far_is_seen_to() -> None:
    twice = SubjectSystem(optimizer(odd_optimizers.Twice))
    point = next(points(RECIPE, 1, seed=73))
    assert np.allclose(twice.step(point, 0.25), NumpySystem().step(point, 0.5), rtol=1e-13)
    assert twice.name == "tests.subjects.odd_optimizers:Twice"
    assert not twice.rational


def test_looks_are_counted_through_it_too() -> None:
    point = next(points(RECIPE, 1, seed=74))
    system, blocks = SubjectSystem(optimizer(torch.optim.SGD, lr=0.1)), partition(point, "tensor")
    system.step(point, 0.5)
    system.sweep(point, blocks, 0.5)
    assert system.looks() == 1 + len(blocks)


def test_a_sweep_hands_whole_tensors_over_in_their_shape_and_parts_as_vectors() -> None:
    shapes: list[Any] = []

    class Looks(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            shapes.append(tuple(p.shape))

    point = next(p for p in points(RECIPE, 50, seed=75) if p.tensors[p.network.moving[0]].size > 2)
    first = point.tensors[point.network.moving[0]]
    system = SubjectSystem(optimizer(Looks))
    system.sweep(point, [tuple(range(first.size)), (0, 1)], 0.5)
    assert shapes == [first.shape, (2,)]


@pytest.mark.parametrize(
    ("spec", "lines"),
    [
        ("torch.optim:SGD", ["from torch.optim import SGD"]),
        ("pkg.mod:Outer.Inner", ["from pkg.mod import Outer"]),
        ("my/file.py:Mine", ["import runpy", "Mine = runpy.run_path('my/file.py')['Mine']"]),
    ],
)
def test_scripts_import_what_a_subject_string_names(spec: str, lines: list[str]) -> None:
    assert script_lines.import_lines(spec) == lines


def test_literals_and_keywords() -> None:
    assert script_lines.literal(None) == "None"
    assert script_lines.literals([np.array([0.5, 1.0]), None, np.array(2.0)]) == "[0.5, 1.0], None, 2.0"
    assert script_lines.keywords({"lr": 0.1, "nesterov": True}) == ", lr=0.1, nesterov=True"
    assert script_lines.keywords({}) == ""
    assert script_lines.listed(["w1", "w2"]) == "[w1, w2]"
