"""Central differences: their value, their own error, and the kinks that they notice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gdprops.model.arrays import Array
from gdprops.numerics.decisions import RICHARDSON_STEP
from gdprops.numerics.differences import numerical_gradient, richardson, roughness

SMOOTH: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "cubic": (lambda x: x**3 + 2 * x, lambda x: 3 * x**2 + 2),
    "exp": (math.exp, math.exp),
    "sine": (lambda x: math.sin(3 * x), lambda x: 3 * math.cos(3 * x)),
    "logistic": (lambda x: math.log1p(math.exp(-4 * x)), lambda x: -4 / (1 + math.exp(4 * x))),
    "constant": (lambda x: 7.0, lambda x: 0.0),
    "large offset": (lambda x: 1e8 + x, lambda x: 1.0),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_are_within_their_error_and_have_no_kink(name: str) -> None:
    f, slope = SMOOTH[name]
    for x in np.linspace(-2, 2, 81):
        found = richardson(lambda w: f(float(w[0])), np.array([x]), 0)
        assert abs(found.value - slope(x)) <= found.error, x
        assert not found.kinked, x


@pytest.mark.parametrize("name", ["cubic", "exp", "sine", "logistic"])
def test_the_error_is_small_where_the_function_is(name: str) -> None:
    f, _ = SMOOTH[name]
    errors = [richardson(lambda w: f(float(w[0])), np.array([x]), 0).error for x in np.linspace(-1, 1, 21)]
    assert max(errors) < 1e-7


@pytest.mark.parametrize("x", [0.0, 0.3, -5.0])
@pytest.mark.parametrize("kink", [abs, lambda x: max(x, 0.0), lambda x: max(x, 0.25 * x), lambda x: abs(x) + x**2])
def test_a_kink_at_the_point_is_noticed(kink: Callable[[float], float], x: float) -> None:
    assert richardson(lambda w: kink(float(w[0]) - x), np.array([x]), 0).kinked


@pytest.mark.parametrize("share", [0.55, 0.6, 0.75, 0.9])
def test_a_kink_beside_the_point_widens_the_error(share: float) -> None:
    """The wide differences cross it and the narrow ones do not: they disagree."""
    h = RICHARDSON_STEP
    found = richardson(lambda w: abs(float(w[0]) - share * h), np.array([0.0]), 0)
    assert found.kinked or abs(found.value + 1.0) <= found.error


def test_a_value_that_is_a_cancellation_needs_its_noise_said() -> None:
    """x³ - 2x near its root at √2: its rounding is that of x³, not of the small value that is left."""
    x, terms = 1.4, 1.4**3 + 2.8
    found = richardson(lambda w: float(w[0] ** 3 - 2 * w[0]), np.array([x]), 0, noise=2.0**-53 * terms)
    assert abs(found.value - (3 * x**2 - 2)) <= found.error


def test_noise_that_is_known_is_part_of_the_error() -> None:
    quiet = richardson(lambda w: float(w[0]), np.array([1.0]), 0, noise=0.0)
    noisy = richardson(lambda w: float(w[0]), np.array([1.0]), 0, noise=1e-6)
    assert quiet.error == 0.0
    assert noisy.error == pytest.approx(6e-6 / RICHARDSON_STEP)


def test_the_whole_gradient_is_one_derivative_per_position() -> None:
    w = np.array([1.0, -2.0, 0.5])

    def f(v: Array) -> float:
        return float(v[0] * v[1] + v[2] ** 2)

    found = numerical_gradient(f, w)
    assert [d.value for d in found] == pytest.approx([-2.0, 1.0, 1.0], abs=1e-11)
    assert w.tolist() == [1.0, -2.0, 0.5]


@pytest.mark.parametrize(
    ("digits", "least", "most"),
    [(lambda v: v, 0.0, 1e-14), (lambda v: float(np.float32(v)), 1e-8, 1e-6), (lambda v: round(v, 4), 1e-5, 1e-3)],
)
def test_roughness_is_the_rounding_of_one_value(digits: Any, least: float, most: float) -> None:
    w = np.array([0.3, -1.2, 0.7])
    found = roughness(lambda v: float(digits(float(np.sum(np.tanh(v) ** 2)))), w)
    assert least <= found <= most
