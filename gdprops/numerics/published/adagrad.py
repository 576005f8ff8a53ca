"""Adagrad and Adadelta: every entry has a learning rate of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.rule import Dialect, Published, State
from gdprops.numerics.published.weight_decay import decoupled


def adagrad(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    lr_decay: float = 0.0,
    eps: float = 1e-10,
    initial_accumulator_value: float = 0.0,
    weight_decay: float = 0.0,
) -> Any:
    """G <- G + g^2; w <- w - eta / (1 + (t - 1) delta) g / (sqrt(G) + eps).  Duchi, Hazan, Singer (2011), figure 1."""
    g, total = _accumulated(w, g, s, initial_accumulator_value, weight_decay)
    return w - lr / (1 + (s["t"] - 1) * lr_decay) * g / (np.sqrt(total) + eps)


def adagrad_epsilon_inside(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    lr_decay: float = 0.0,
    eps: float = 1e-10,
    initial_accumulator_value: float = 0.0,
    weight_decay: float = 0.0,
) -> Any:
    """w <- w - eta g / sqrt(G + eps).  Keras, optax."""
    g, total = _accumulated(w, g, s, initial_accumulator_value, weight_decay)
    return w - lr / (1 + (s["t"] - 1) * lr_decay) * g / np.sqrt(total + eps)


def adagrad_decays_at_once(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    lr_decay: float = 0.0,
    eps: float = 1e-10,
    initial_accumulator_value: float = 0.0,
    weight_decay: float = 0.0,
) -> Any:
    """The rate is already eta / (1 + delta) at the first step."""
    g, total = _accumulated(w, g, s, initial_accumulator_value, weight_decay)
    return w - lr / (1 + s["t"] * lr_decay) * g / (np.sqrt(total) + eps)


def _accumulated(w: Any, g: Any, s: State, start: float, weight_decay: float) -> tuple[Any, Any]:
    """t <- t + 1; g <- g + lambda w; G <- G + g^2."""
    g = g + weight_decay * w
    s["t"] += 1
    s["G"] = (start if s["t"] == 1 else s["G"]) + g * g
    return g, s["G"]


def adadelta(
    w: Any, g: Any, s: State, *, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """v <- rho v + (1 - rho) g^2; d = sqrt((u + eps) / (v + eps)) g; u <- rho u + (1 - rho) d^2; w <- w - eta d.

    Zeiler (2012), algorithm 1.
    """
    g = g + weight_decay * w
    s["v"] = rho * s["v"] + (1 - rho) * g * g
    d = np.sqrt((s["u"] + eps) / (s["v"] + eps)) * g
    s["u"] = rho * s["u"] + (1 - rho) * d * d
    return w - lr * d


def adadelta_epsilon_outside(
    w: Any, g: Any, s: State, *, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """d = (sqrt(u) + eps) / (sqrt(v) + eps) g."""
    g = g + weight_decay * w
    s["v"] = rho * s["v"] + (1 - rho) * g * g
    d = (s["u"] ** 0.5 + eps) / (np.sqrt(s["v"]) + eps) * g
    s["u"] = rho * s["u"] + (1 - rho) * d * d
    return w - lr * d


def adadelta_scaled_memory(
    w: Any, g: Any, s: State, *, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """u remembers the steps eta d that were taken."""
    g = g + weight_decay * w
    s["v"] = rho * s["v"] + (1 - rho) * g * g
    d = lr * np.sqrt((s["u"] + eps) / (s["v"] + eps)) * g
    s["u"] = rho * s["u"] + (1 - rho) * d * d
    return w - d


_INSIDE = "ε stands inside the square root"
_DECOUPLED = "the weights decay by themselves, not through the gradient"

ADAGRAD = Published(
    "adagrad",
    adagrad,
    (
        Dialect("epsilon-inside", adagrad_epsilon_inside, _INSIDE, "Keras, optax"),
        Dialect("decays-at-once", adagrad_decays_at_once, "the rate decays already at the first step"),
        Dialect("decoupled", decoupled(adagrad), _DECOUPLED, "Loshchilov and Hutter 2019, section 2; Keras decays so"),
    ),
    {"weight_decay": 0.25, "eps": 0.25, "lr_decay": 0.25, "initial_accumulator_value": 0.25},
)
ADADELTA = Published(
    "adadelta",
    adadelta,
    (
        Dialect("epsilon-outside", adadelta_epsilon_outside, "ε stands outside the square roots"),
        Dialect("scaled-memory", adadelta_scaled_memory, "the learning rate enters the memory of the steps"),
        Dialect("decoupled", decoupled(adadelta), _DECOUPLED, "optax"),
    ),
    {"weight_decay": 0.25, "eps": 0.25},
)
