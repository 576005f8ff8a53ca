"""Activations as formulas: value, slope and curvature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.network import Network

LEAK = 0.25
"""The slope of leaky ReLU below zero: dyadic, so that exact cases stay exact."""

Elementwise = Callable[["Array"], "Array"]


@final
@dataclass(frozen=True, slots=True)
class Activation:
    """f, f' and f'' entry by entry. ``exact``: maps dyadic numbers to dyadic numbers. ``kinked``: no slope at 0."""

    value: Elementwise
    slope: Elementwise
    curvature: Elementwise
    exact: bool
    kinked: bool = False


def _zeros(z: Array) -> Array:
    return z * 0


def _ones(z: Array) -> Array:
    return z * 0 + 1


def _positive(z: Array) -> Array:
    return (z > 0) * _ones(z)


def _leak(z: Array) -> Array:
    ones = _ones(z)
    leak = LEAK if z.dtype != object else ones / 4
    return np.where(z > 0, ones, leak * ones)


def _sigmoid(z: Array) -> Array:
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


def _tanh_slope(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


def _sigmoid_slope(z: Array) -> Array:
    return _sigmoid(z) * _sigmoid(-z)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda z: z, _ones, _zeros, exact=True),
    "relu": Activation(lambda z: z * (z > 0), _positive, _zeros, exact=True, kinked=True),
    "leaky-relu": Activation(lambda z: z * _leak(z), _leak, _zeros, exact=True, kinked=True),
    "square": Activation(lambda z: z * z, lambda z: 2 * z, lambda z: 2 * _ones(z), exact=True),
    "tanh": Activation(np.tanh, _tanh_slope, lambda z: -2 * np.tanh(z) * _tanh_slope(z), exact=False),
    "sigmoid": Activation(_sigmoid, _sigmoid_slope, lambda z: _sigmoid_slope(z) * (1 - 2 * _sigmoid(z)), exact=False),
}


def has_kinks(network: Network) -> bool:
    """Say whether any activation of a network has a kink."""
    return any(ACTIVATIONS[layer.activation].kinked for layer in network.layers)
