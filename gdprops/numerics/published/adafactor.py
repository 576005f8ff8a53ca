"""Adafactor: the mean squares of a matrix are kept as those of its rows and columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gdprops.numerics.published.exact_numbers import scalar
from gdprops.numerics.published.lars_lamb import norm
from gdprops.numerics.published.rule import Dialect, Published, State

Eps = tuple[float | None, float]


def adafactor(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    beta2_decay: float = -0.8,
    eps: Eps = (None, 1e-3),
    d: float = 1.0,
    weight_decay: float = 0.0,
) -> Any:
    """u = g / sqrt(v); w <- (1 - eta lambda) w - alpha u / max(1, rms(u) / d).

    alpha = max(eps2, rms(w)) min(eta, 1 / sqrt(t)). Shazeer and Stern (2018), algorithm 4; eps as a lower bound: torch.
    """
    s["t"] += 1
    eps1 = float(np.finfo(g.dtype).eps) if eps[0] is None else eps[0]
    v = _estimate(g * g, s, s["t"] ** beta2_decay, eps1)
    u = g / np.sqrt(np.maximum(v, eps1 * eps1))
    alpha = max(eps[1], rms(w)) * min(lr, 1 / s["t"] ** 0.5)
    return w - lr * weight_decay * w - alpha / max(1.0, rms(u) / d) * u


def rms(x: Any) -> Any:
    """Return the root of the mean square."""
    return scalar(norm(x)) / math.sqrt(x.size)


def _estimate(squares: Any, s: State, share: float, eps1: float) -> Any:
    """v <- (1 - share) v + share g^2; of a matrix rows x columns / mean of rows."""
    if squares.ndim < 2:
        s["v"] = (1 - share) * s["v"] + share * squares
        return s["v"]
    s["rows"] = (1 - share) * s["rows"] + share * np.mean(squares, axis=-1, keepdims=True)
    s["columns"] = (1 - share) * s["columns"] + share * np.mean(squares, axis=-2, keepdims=True)
    return s["rows"] * s["columns"] / np.maximum(np.mean(s["rows"], axis=-2, keepdims=True), eps1)


def adafactor_epsilon_added(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    beta2_decay: float = -0.8,
    eps: Eps = (1e-30, 1e-3),
    d: float = 1.0,
    weight_decay: float = 0.0,
) -> Any:
    """The squares are g^2 + eps1.  Shazeer and Stern (2018), algorithm 4."""
    s["t"] += 1
    eps1 = float(np.finfo(g.dtype).eps) if eps[0] is None else eps[0]
    u = g / np.sqrt(_estimate(g * g + eps1, s, s["t"] ** beta2_decay, 0.0))
    alpha = max(eps[1], rms(w)) * min(lr, 1 / s["t"] ** 0.5)
    return w - lr * weight_decay * w - alpha / max(1.0, rms(u) / d) * u


def adafactor_unfactored(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """The mean square of every entry is kept, also for a matrix."""
    return adafactor(w.reshape(-1), g.reshape(-1), s, **settings).reshape(w.shape)


def adafactor_unclipped(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """w <- w - alpha u."""
    return adafactor(w, g, s, **{**settings, "d": float("inf")})


def adafactor_absolute(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    beta2_decay: float = -0.8,
    eps: Eps = (None, 1e-3),
    d: float = 1.0,
    weight_decay: float = 0.0,
) -> Any:
    """alpha = min(eta, 1 / sqrt(t)): the step does not follow the size of the weights."""
    eps1 = float(np.finfo(g.dtype).eps) if eps[0] is None else eps[0]
    s["t"] += 1
    u = g / np.sqrt(np.maximum(_estimate(g * g, s, s["t"] ** beta2_decay, eps1), eps1 * eps1))
    return w - lr * weight_decay * w - min(lr, 1 / s["t"] ** 0.5) / max(1.0, rms(u) / d) * u


ADAFACTOR = Published(
    "adafactor",
    adafactor,
    (
        Dialect(
            "epsilon-added", adafactor_epsilon_added, "ε is added to the squares", "Shazeer and Stern 2018, algorithm 4"
        ),
        Dialect("unfactored", adafactor_unfactored, "the mean square is kept entry by entry"),
        Dialect("unclipped", adafactor_unclipped, "the update is not clipped"),
        Dialect("absolute", adafactor_absolute, "the step does not follow the size of the weights"),
    ),
    {"weight_decay": 0.25},
)
