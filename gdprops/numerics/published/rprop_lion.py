"""Rules that use the sign of the gradient: Rprop and Lion. sign(0) = 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.rule import Dialect, Published, State

Pair = tuple[float, float]


def rprop(w: Any, g: Any, s: State, *, lr: float, etas: Pair = (0.5, 1.2), step_sizes: Pair = (1e-6, 50.0)) -> Any:
    """Where the sign of g stays, D <- eta+ D; where it turns, D <- eta- D and g <- 0.  w <- w - sign(g) D.

    The learning rate is the first D. Igel and Huesken (2000), iRprop-; torch.
    """
    turned, s["D"] = _step_sizes(g, s, lr, etas, step_sizes)
    g = np.where(turned, 0.0, g)
    s["g"] = g
    return w - np.sign(g) * s["D"]


def rprop_minus(
    w: Any, g: Any, s: State, *, lr: float, etas: Pair = (0.5, 1.2), step_sizes: Pair = (1e-6, 50.0)
) -> Any:
    """As iRprop-, but a turned gradient moves at once.  Riedmiller (1994), Rprop-."""
    _, s["D"] = _step_sizes(g, s, lr, etas, step_sizes)
    s["g"] = g
    return w - np.sign(g) * s["D"]


def rprop_plus(w: Any, g: Any, s: State, *, lr: float, etas: Pair = (0.5, 1.2), step_sizes: Pair = (1e-6, 50.0)) -> Any:
    """Where the sign turns, the last step is taken back.  Riedmiller and Braun (1993), Rprop+."""
    turned, s["D"] = _step_sizes(g, s, lr, etas, step_sizes)
    s["g"] = np.where(turned, 0.0, g)
    s["step"] = np.where(turned, -s["step"], -np.sign(g) * s["D"])
    return w + s["step"]


def _step_sizes(g: Any, s: State, lr: float, etas: Pair, limits: Pair) -> tuple[Any, Any]:
    """Return where the sign has turned, and the new step sizes."""
    same = g * s["g"]
    before = s["D"] if s["begun"] else np.full_like(g, lr)
    s["begun"] = 1
    factor = np.where(same > 0, etas[1], np.where(same < 0, etas[0], 1.0)).astype(g.dtype)
    return same < 0, np.minimum(np.maximum(before * factor, limits[0]), limits[1])


def lion(w: Any, g: Any, s: State, *, lr: float, betas: Pair = (0.9, 0.99), weight_decay: float = 0.0) -> Any:
    """w <- w - eta (sign(b1 m + (1 - b1) g) + lambda w); m <- b2 m + (1 - b2) g.  Chen et al. (2023), algorithm 2."""
    b1, b2 = betas
    direction = np.sign(b1 * s["m"] + (1 - b1) * g)
    s["m"] = b2 * s["m"] + (1 - b2) * g
    return w - lr * (direction + weight_decay * w)


def lion_remembers_first(
    w: Any, g: Any, s: State, *, lr: float, betas: Pair = (0.9, 0.99), weight_decay: float = 0.0
) -> Any:
    """m <- b2 m + (1 - b2) g comes first."""
    b1, b2 = betas
    s["m"] = b2 * s["m"] + (1 - b2) * g
    return w - lr * (np.sign(b1 * s["m"] + (1 - b1) * g) + weight_decay * w)


def sign_of_momentum(
    w: Any, g: Any, s: State, *, lr: float, betas: Pair = (0.9, 0.99), weight_decay: float = 0.0
) -> Any:
    """m <- b1 m + (1 - b1) g; w <- w - eta (sign(m) + lambda w): one beta.  Signum, Bernstein et al. (2018)."""
    s["m"] = betas[0] * s["m"] + (1 - betas[0]) * g
    return w - lr * (np.sign(s["m"]) + weight_decay * w)


def lion_coupled(w: Any, g: Any, s: State, *, lr: float, betas: Pair = (0.9, 0.99), weight_decay: float = 0.0) -> Any:
    """The decay goes through the gradient."""
    return lion(w, g + weight_decay * w, s, lr=lr, betas=betas)


RPROP = Published(
    "rprop",
    rprop,
    (
        Dialect("minus", rprop_minus, "a turned gradient moves at once", "Riedmiller 1994, Rprop-"),
        Dialect("plus", rprop_plus, "where the sign turns, the last step is taken back", "Riedmiller and Braun 1993"),
    ),
)
LION = Published(
    "lion",
    lion,
    (
        Dialect("remembers-first", lion_remembers_first, "the mean is updated before it is used"),
        Dialect("one-beta", sign_of_momentum, "one beta serves for the step and for the mean", "Signum"),
        Dialect("coupled", lion_coupled, "the decay goes through the gradient"),
    ),
    {"weight_decay": 0.25},
    (4, 6),
)
