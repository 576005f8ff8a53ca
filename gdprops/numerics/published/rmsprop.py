"""RMSprop, centered or not, with or without momentum. alpha: the share of the mean square that stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.rule import Dialect, Published, State
from gdprops.numerics.published.weight_decay import decoupled


def rmsprop(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> Any:
    """d = g / (sqrt(v) + eps); b <- mu b + d; w <- w - eta b.  Hinton (2012), lecture 6e; centered: Graves (2013)."""
    g = g + weight_decay * w
    s["b"] = momentum * s["b"] + g / (np.sqrt(mean_square(g, s, alpha, centered)) + eps)
    return w - lr * s["b"]


def mean_square(g: Any, s: State, alpha: float, centered: bool) -> Any:
    """v <- alpha v + (1 - alpha) g^2; centered: less the square of the mean gradient."""
    s["v"] = alpha * s["v"] + (1 - alpha) * g * g
    if not centered:
        return s["v"]
    s["mean"] = alpha * s["mean"] + (1 - alpha) * g
    return s["v"] - s["mean"] * s["mean"]


def rmsprop_epsilon_inside(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> Any:
    """d = g / sqrt(v + eps); b <- mu b + d; w <- w - eta b."""
    g = g + weight_decay * w
    s["b"] = momentum * s["b"] + g / np.sqrt(mean_square(g, s, alpha, centered) + eps)
    return w - lr * s["b"]


def rmsprop_rate_inside(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> Any:
    """b <- mu b + eta g / sqrt(v + eps); w <- w - b.  Keras, optax."""
    g = g + weight_decay * w
    s["b"] = momentum * s["b"] + lr * g / np.sqrt(mean_square(g, s, alpha, centered) + eps)
    return w - s["b"]


def rmsprop_from_ones(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """As in Keras, but the mean square starts at 1.  TensorFlow 1."""
    if not s["begun"]:
        s["v"], s["begun"] = np.ones_like(g), 1
    return rmsprop_rate_inside(w, g, s, **settings)


def rmsprop_uncentered(w: Any, g: Any, s: State, *, centered: bool = False, **settings: Any) -> Any:
    """The mean square is centered where ``centered`` is False, and is not where it is True."""
    return rmsprop(w, g, s, centered=not centered, **settings)


RMSPROP = Published(
    "rmsprop",
    rmsprop,
    (
        Dialect(
            "epsilon-inside", rmsprop_epsilon_inside, "ε stands inside the square root", "fastai, timm's RMSpropTF"
        ),
        Dialect(
            "rate-inside",
            rmsprop_rate_inside,
            "ε stands inside the square root and the learning rate inside the momentum",
            "Keras, optax",
        ),
        Dialect("from-ones", rmsprop_from_ones, "as rate-inside, and the mean square starts at 1", "TensorFlow 1"),
        Dialect("otherwise-centered", rmsprop_uncentered, "it is centered although it should not be, or the reverse"),
        Dialect(
            "decoupled",
            decoupled(rmsprop),
            "the weights decay by themselves, not through the gradient",
            "Loshchilov and Hutter 2019, section 2; Keras decays so",
        ),
    ),
    {"weight_decay": 0.25, "eps": 0.25, "momentum": 0.5},
)
