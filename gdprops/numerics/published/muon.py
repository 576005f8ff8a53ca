"""Muon: the momentum of a matrix, orthogonalized in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gdprops.numerics.published.rule import Dialect, Published, State
from gdprops.numerics.published.shaken_arrays import bfloat16

Coefficients = tuple[float, float, float]
QUINTIC = (3.4445, -4.7750, 2.0315)


def muon(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    momentum: float = 0.95,
    nesterov: bool = True,
    weight_decay: float = 0.1,
    ns_coefficients: Coefficients = QUINTIC,
    ns_steps: int = 5,
    eps: float = 1e-7,
    adjust_lr_fn: str | None = None,
) -> Any:
    """B <- mu B + (1 - mu) g; w <- (1 - eta lambda) w - eta r NS(mu B + (1 - mu) g), r = sqrt(max(1, rows / columns)).

    Jordan et al. (2024); torch. "match_rms_adamw": r = 0.2 sqrt(max(rows, columns)), Liu et al. (2025).
    """
    turned = orthogonal(_direction(g, s, momentum, nesterov), ns_coefficients, ns_steps, eps)
    return w - lr * weight_decay * w - lr * _ratio(w.shape, adjust_lr_fn) * turned


def _direction(g: Any, s: State, mu: float, nesterov: bool) -> Any:
    """B <- mu B + (1 - mu) g; the direction is mu B + (1 - mu) g with Nesterov's look ahead, else B."""
    s["B"] = mu * s["B"] + (1 - mu) * g
    return mu * s["B"] + (1 - mu) * g if nesterov else s["B"]


def _ratio(shape: tuple[int, ...], adjust_lr_fn: str | None) -> float:
    """r = sqrt(max(1, rows / columns)), or 0.2 sqrt(max(rows, columns)) for "match_rms_adamw"."""
    rows, columns = shape
    wanted = 0.2 * max(rows, columns) ** 0.5 if adjust_lr_fn == "match_rms_adamw" else max(1, rows / columns) ** 0.5
    return float(wanted)


def orthogonal(
    matrix: Any, coefficients: Coefficients, steps: int, eps: float, *, rounded: Callable[[Any], Any] = bfloat16
) -> Any:
    """X <- X / ||X||, then X <- a X + (b A + c A A) X with A = X X': Newton and Schulz in bfloat16."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = rounded(matrix.T if tall else matrix)
    x = rounded(x / np.maximum(rounded(np.sqrt(np.sum(x * x))), eps))
    for _ in range(steps):
        gram = rounded(x @ x.T)
        x = rounded(a * x + rounded(b * gram + c * gram @ gram) @ x)
    return (x.T if tall else x).astype(matrix.dtype)


def muon_full_precision(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """Newton and Schulz in the precision of the weights.  Keras, optax."""
    lr, decay, limits = settings["lr"], settings["weight_decay"], (settings["ns_steps"], settings["eps"])
    direction = _direction(g, s, settings["momentum"], settings["nesterov"])
    turned = orthogonal(direction, settings["ns_coefficients"], *limits, rounded=lambda x: x)
    return w - lr * decay * w - lr * _ratio(w.shape, settings["adjust_lr_fn"]) * turned


def muon_otherwise_accelerated(w: Any, g: Any, s: State, *, nesterov: bool = True, **settings: Any) -> Any:
    """The direction is B where nesterov is asked for, and mu B + (1 - mu) g where it is not."""
    return muon(w, g, s, nesterov=not nesterov, **settings)


def muon_of_means_unscaled(w: Any, g: Any, s: State, *, adjust_lr_fn: str | None = None, **settings: Any) -> Any:
    """r = 1: the step does not follow the shape."""
    still = w - settings["lr"] * settings["weight_decay"] * w
    moved = muon(w, g, s, adjust_lr_fn=adjust_lr_fn, **settings)
    return still + (moved - still) / _ratio(w.shape, adjust_lr_fn)


def muon_normalized(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """NS(X) = X / ||X||: the momentum is normalized, not orthogonalized."""
    return muon(w, g, s, **{**settings, "ns_steps": 0})


def muon_coupled(w: Any, g: Any, s: State, *, weight_decay: float = 0.1, **settings: Any) -> Any:
    """The decay goes through the gradient."""
    return muon(w, g + weight_decay * w, s, weight_decay=0.0, **settings)


MUON = Published(
    "muon",
    muon,
    (
        Dialect(
            "full-precision",
            muon_full_precision,
            "Newton and Schulz run in the precision of the weights",
            "Keras and optax.contrib run them so",
            within_rounding=True,
        ),
        Dialect("otherwise-accelerated", muon_otherwise_accelerated, "Nesterov's look ahead is missing, or unwanted"),
        Dialect("unscaled", muon_of_means_unscaled, "the step does not follow the shape of the matrix"),
        Dialect("normalized", muon_normalized, "the momentum is normalized, not orthogonalized"),
        Dialect("coupled", muon_coupled, "the decay goes through the gradient"),
    ),
    {"weight_decay": 0.25, "momentum": 0.5},
)
