"""LARS and LAMB: the learning rate of a tensor follows its norm. ||.|| is the Euclidean norm of one tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.adam import BETAS, Betas, moments, unbiased
from gdprops.numerics.published.rule import Dialect, Published, State


def norm(x: Any) -> Any:
    """Return the Euclidean norm."""
    return np.sqrt(np.sum(x * x))


def _trust(above: Any, below: Any) -> Any:
    """Return above / below, 1 where either is 0."""
    return above / below if above > 0 and below > 0 else 1.0


def lars(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust_coefficient: float = 1e-3,
    eps: float = 0.0,
) -> Any:
    """v <- mu v + eta r (g + lambda w), r = c ||w|| / (||g|| + lambda ||w|| + eps); w <- w - v.

    You, Gitman, Ginsburg (2017), algorithm 1.
    """
    ratio = _trust(trust_coefficient * norm(w), norm(g) + weight_decay * norm(w) + eps)
    s["v"] = momentum * s["v"] + lr * ratio * (g + weight_decay * w)
    return w - s["v"]


def lars_rate_outside(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust_coefficient: float = 1e-3,
    eps: float = 0.0,
) -> Any:
    """v <- mu v + r (g + lambda w); w <- w - eta v."""
    ratio = _trust(trust_coefficient * norm(w), norm(g) + weight_decay * norm(w) + eps)
    s["v"] = momentum * s["v"] + ratio * (g + weight_decay * w)
    return w - lr * s["v"]


def lars_norm_of_sum(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust_coefficient: float = 1e-3,
    eps: float = 0.0,
) -> Any:
    """r = c ||w|| / (||g + lambda w|| + eps).  optax."""
    g = g + weight_decay * w
    s["v"] = momentum * s["v"] + lr * _trust(trust_coefficient * norm(w), norm(g) + eps) * g
    return w - s["v"]


def lars_without_ratio(w: Any, g: Any, s: State, *, trust_coefficient: float = 1e-3, **settings: Any) -> Any:
    """v <- mu v + eta c (g + lambda w): no trust ratio."""
    lr, decay = settings["lr"], settings["weight_decay"]
    s["v"] = settings["momentum"] * s["v"] + lr * trust_coefficient * (g + decay * w)
    return w - s["v"]


def _direction(g: Any, s: State, betas: Betas, eps: float) -> Any:
    """Return Adam's m^ / (sqrt(v^) + eps)."""
    m, v, t = moments(g, s, betas)
    return m / unbiased(betas[0], t, g) / (np.sqrt(v / unbiased(betas[1], t, g)) + eps)


def lamb(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta ||w|| / ||d|| d, d = m^ / (sqrt(v^) + eps) + lambda w.  You et al. (2020), algorithm 2."""
    d = _direction(g, s, betas, eps) + weight_decay * w
    return w - lr * _trust(norm(w), norm(d)) * d


def lamb_uncorrected(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """d = m / (sqrt(v) + eps) + lambda w: the bias of the means is not corrected."""
    m, v, _ = moments(g, s, betas)
    d = m / (np.sqrt(v) + eps) + weight_decay * w
    return w - lr * _trust(norm(w), norm(d)) * d


def lamb_without_ratio(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta d: AdamW."""
    return w - lr * (_direction(g, s, betas, eps) + weight_decay * w)


def lamb_decay_outside(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-6, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta (||w|| / ||d|| d + lambda w), d = m^ / (sqrt(v^) + eps): the ratio leaves the decay out."""
    d = _direction(g, s, betas, eps)
    return w - lr * (_trust(norm(w), norm(d)) * d + weight_decay * w)


LARS = Published(
    "lars",
    lars,
    (
        Dialect("rate-outside", lars_rate_outside, "the learning rate stands outside the velocity", "many ports"),
        Dialect("norm-of-sum", lars_norm_of_sum, "the ratio is taken of the decayed gradient", "optax"),
        Dialect("without-ratio", lars_without_ratio, "there is no trust ratio"),
    ),
    {"weight_decay": 0.25, "momentum": 0.5, "trust_coefficient": 0.25},
)
LAMB = Published(
    "lamb",
    lamb,
    (
        Dialect(
            "uncorrected", lamb_uncorrected, "the bias of the means is not corrected", "early versions of the paper"
        ),
        Dialect("without-ratio", lamb_without_ratio, "there is no trust ratio (AdamW)"),
        Dialect("decay-outside", lamb_decay_outside, "the decay is left out of the trust ratio"),
    ),
    {"weight_decay": 0.25, "eps": 0.25},
)
