"""The question is answered alike by every framework, and a layer-by-layer trainer is told from the others."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from click.testing import CliRunner

from gdprops.cli import cli
from gdprops.demo.frameworks import frameworks
from gdprops.demo.in_numpy import InNumpy
from gdprops.demo.in_torch import InTorch
from gdprops.demo.page import print_demo
from gdprops.demo.programs import (
    all_gradients,
    furthest,
    gradients_of_a_sweep,
    large_rate,
    layer_by_layer,
    ten_steps,
)
from gdprops.demo.question_network import LAYERS, Framework, first_weights
from gdprops.demo.sweep_of_20000_weights import weight_by_weight, wide_weights
from gdprops.model.arrays import Array
from gdprops.report.consoles import to_text

EVERYWHERE: list[Framework] = [InNumpy(), InTorch()]


class LayerByLayer:
    """Moves layer 1, looks again, moves layer 2."""

    name = "layer by layer"

    def evaluate(self, weights: Sequence[Array]) -> tuple[float, list[Array]]:
        return InNumpy().evaluate(weights)

    def rate_in_force(self, rate: float) -> float:
        return rate

    def step(self, weights: Sequence[Array], rate: float) -> list[Array]:
        return layer_by_layer(InNumpy(), weights, rate)


@pytest.mark.parametrize("framework", frameworks()[1:], ids=lambda f: f.name)
def test_the_numbers_agree(framework: Framework) -> None:
    ours, theirs = ten_steps(InNumpy()), ten_steps(framework)
    room = 1e-14 if framework.rate_in_force(0.01) == 0.01 else 1e-8  # a rate in float32 is 2e-8 off
    assert furthest(ours.weights, theirs.weights) < room
    assert np.allclose(ours.losses, theirs.losses, rtol=0, atol=room)
    assert furthest(all_gradients(InNumpy()), all_gradients(framework)) < 1e-15
    assert furthest(large_rate(InNumpy()).large, large_rate(framework).large) < 1e-14


@pytest.mark.parametrize("framework", EVERYWHERE, ids=lambda f: f.name)
def test_one_step_is_simultaneous(framework: Framework) -> None:
    done = ten_steps(framework)
    assert done.simultaneous
    assert done.moved == [4] * 10
    assert done.off < 1e-15
    assert done.losses[-1] < done.losses[0]
    assert done.apart > 1e-5
    assert [g.shape for g in all_gradients(framework)] == [(5, 10), (10,), (10, 1), (1,)]


@pytest.mark.parametrize("framework", EVERYWHERE, ids=lambda f: f.name)
def test_a_large_rate_is_one_large_step(framework: Framework) -> None:
    seen = large_rate(framework)
    assert seen.proportional
    assert seen.exact
    assert seen.ratio_off < 1e-12
    assert all(large == pytest.approx(100 * small, rel=1e-12) for small, large in seen.sizes)
    assert [abs(large / small - 100) > 0.1 for small, large in seen.swept] == [False, False, True, True]


def test_the_gradients_of_a_sweep_are_other_ones_in_layer_2_only() -> None:
    pairs = zip(all_gradients(InNumpy()), gradients_of_a_sweep(InNumpy()), strict=True)
    assert [bool((a == b).all()) for a, b in pairs] == [i in LAYERS[0] for i in range(4)]


def test_the_answer_can_be_yes() -> None:
    swept = LayerByLayer()
    assert not ten_steps(swept).simultaneous
    assert not large_rate(swept).proportional
    page = to_text(lambda console: print_demo(console, [swept]), width=80)
    assert page.count("Yes: ") == 2
    assert "Yes: a step is off by" in page


def test_the_command_answers_three_times_for_each_framework() -> None:
    said = CliRunner().invoke(cli, ["demo"])
    assert said.exit_code == 0
    assert said.output.count("\nNo: ") == 3 * len(frameworks())
    assert "Yes" not in said.output
    assert "After 10 steps torch and NumPy, by hand are" in said.output


def test_it_fits_eighty_columns_without_broken_lines() -> None:
    page = to_text(lambda console: print_demo(console, EVERYWHERE), width=80)
    assert max(map(len, page.splitlines())) <= 80
    assert all(line.rstrip().endswith(tuple("0123456789)")) for line in page.splitlines() if line.startswith("  "))


def naive_sweep(weights: Sequence[Array], rate: float) -> list[Array]:
    """Move one weight after the other, each by its entry of a whole new gradient."""
    moved = [w.copy() for w in weights]
    for k, w in enumerate(moved):
        for index in np.ndindex(w.shape):
            w[index] -= rate * InNumpy().evaluate(moved)[1][k][index]
    return moved


@pytest.mark.parametrize("rate", [0.01, 1.0])
def test_the_fast_sweep_is_the_naive_one(rate: float) -> None:
    weights = wide_weights(hidden=150)
    swept, looks = weight_by_weight(weights, rate)
    assert looks == 7 * 150 + 1
    assert furthest(swept, naive_sweep(weights, rate)) < 1e-12
    assert furthest(swept, InNumpy().step(weights, rate)) > 1e-5
    assert furthest(weights, wide_weights(hidden=150)) == 0.0, "the weights that it was given stay"


def test_twenty_thousand_weights_take_twenty_thousand_looks() -> None:
    began = time.process_time()
    _, looks = weight_by_weight(wide_weights(), 0.01)
    assert looks == 20_000
    assert time.process_time() - began < 3.0, "0.3 s where nothing else runs"


def test_the_first_weights_are_the_same_every_time() -> None:
    assert furthest(first_weights(), first_weights()) == 0.0
