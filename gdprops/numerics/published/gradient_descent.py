"""Gradient descent, momentum and Nesterov. lr: eta, momentum: mu, dampening: tau, weight_decay: lambda."""

from __future__ import annotations

from typing import Any

from gdprops.numerics.published.rule import Dialect, Published, State
from gdprops.numerics.published.weight_decay import decayed_last, decoupled


def sgd(w: Any, g: Any, s: State, *, lr: float, weight_decay: float = 0.0) -> Any:
    """w <- w - eta (g + lambda w).  Cauchy (1847); Robbins and Monro (1951)."""
    return w - lr * (g + weight_decay * w)


def climb(w: Any, g: Any, s: State, *, lr: float, weight_decay: float = 0.0) -> Any:
    """w <- w + eta (g + lambda w)."""
    return w + lr * (g + weight_decay * w)


def velocity(g: Any, s: State, mu: float, tau: float = 0.0) -> Any:
    """v <- g at first, then mu v + (1 - tau) g."""
    s["t"] += 1
    s["v"] = g if s["t"] == 1 or mu == 0 else mu * s["v"] + (1 - tau) * g
    return s["v"]


def momentum(
    w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, dampening: float = 0.0, weight_decay: float = 0.0
) -> Any:
    """v <- mu v + (1 - tau) g; w <- w - eta v.  Polyak (1964); torch.optim.SGD."""
    return w - lr * velocity(g + weight_decay * w, s, momentum, dampening)


def momentum_rate_inside(
    w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, dampening: float = 0.0, weight_decay: float = 0.0
) -> Any:
    """v <- mu v - eta g; w <- w + v.  Sutskever et al. (2013), equation 1; Keras. Differs when the rate changes."""
    s["v"] = momentum * s["v"] - lr * (1 - dampening) * (g + weight_decay * w)
    return w + s["v"]


def momentum_of_means(
    w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, dampening: float = 0.0, weight_decay: float = 0.0
) -> Any:
    """v <- mu v + (1 - mu) g; w <- w - eta v: the exponential mean that Adam takes."""
    s["v"] = momentum * s["v"] + (1 - momentum) * (g + weight_decay * w)
    return w - lr * s["v"]


def momentum_dampened_at_once(
    w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, dampening: float = 0.0, weight_decay: float = 0.0
) -> Any:
    """v <- mu v + (1 - tau) g from the first step on."""
    s["v"] = momentum * s["v"] + (1 - dampening) * (g + weight_decay * w)
    return w - lr * s["v"]


def nesterov(w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> Any:
    """v <- mu v + g; w <- w - eta (g + mu v).  torch.optim.SGD(nesterov=True)."""
    g = g + weight_decay * w
    return w - lr * (g + momentum * velocity(g, s, momentum))


def nesterov_rate_inside(
    w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0
) -> Any:
    """v <- mu v - eta g; w <- w + mu v - eta g.

    Nesterov (1983) as in Sutskever et al. (2013), equations 3 and 4, in the weights at which the gradient is taken;
    Keras.
    """
    g = g + weight_decay * w
    s["v"] = momentum * s["v"] - lr * g
    return w + momentum * s["v"] - lr * g


def heavy_ball(w: Any, g: Any, s: State, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> Any:
    """v <- mu v + g; w <- w - eta v: momentum without acceleration."""
    return w - lr * velocity(g + weight_decay * w, s, momentum)


_RATE_INSIDE = "the learning rate stands inside the velocity"
_DECOUPLED = "the weights decay by themselves, not through the gradient"

SGD = Published(
    "sgd",
    sgd,
    (
        Dialect("climbs", climb, "it goes uphill"),
        Dialect("decayed-last", decayed_last(sgd), "the weights decay after they have moved"),
    ),
    {"weight_decay": 0.25},
)
MOMENTUM = Published(
    "momentum",
    momentum,
    (
        Dialect("rate-inside", momentum_rate_inside, _RATE_INSIDE, "Sutskever et al. 2013, equation 1; Keras, Caffe"),
        Dialect("mean", momentum_of_means, "the velocity is an exponential mean: (1 - mu) g enters it", "Adam's m"),
        Dialect("dampened-at-once", momentum_dampened_at_once, "the first gradient is dampened too"),
        Dialect("decoupled", decoupled(momentum), _DECOUPLED, "Loshchilov and Hutter 2019, SGDW"),
    ),
    {"weight_decay": 0.25, "momentum": 0.5, "dampening": 0.25},
)
NESTEROV = Published(
    "nesterov",
    nesterov,
    (
        Dialect("rate-inside", nesterov_rate_inside, _RATE_INSIDE, "Sutskever et al. 2013, equations 3, 4; Keras"),
        Dialect("heavy-ball", heavy_ball, "it is momentum without Nesterov's look ahead"),
        Dialect("decoupled", decoupled(nesterov), _DECOUPLED, "Loshchilov and Hutter 2019, SGDW"),
    ),
    {"weight_decay": 0.25, "momentum": 0.5},
)
