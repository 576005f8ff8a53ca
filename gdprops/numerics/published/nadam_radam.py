"""NAdam and RAdam: Adam with Nesterov's momentum, and Adam whose early steps are rectified."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.adam import BETAS, COUPLED, DECOUPLED, OPTIONS, Betas, moments, unbiased
from gdprops.numerics.published.exact_numbers import scalar
from gdprops.numerics.published.rule import Dialect, Published, State
from gdprops.numerics.published.shaken_arrays import kept_in_single


def _decay(w: Any, g: Any, lr: float, weight_decay: float, decoupled: bool) -> tuple[Any, Any]:
    """Decay the weights, or let the decay enter the gradient."""
    return (w - lr * weight_decay * w, g) if decoupled else (w, g + weight_decay * w)


def nadam(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    betas: Betas = BETAS,
    eps: float = 1e-8,
    momentum_decay: float = 4e-3,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> Any:
    """w <- w - eta ((1 - mu) g / (1 - M) + mu' m / (1 - M mu')) / (sqrt(v^) + eps), M the product of all mu so far.

    mu = b1 (1 - 0.96^(t psi) / 2), mu' the next one. Dozat (2016), algorithm 2; torch.
    """
    w, g = _decay(w, g, lr, weight_decay, decoupled_weight_decay)
    m, v, t = moments(g, s, betas)
    now, following = (betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
    s["M"] = product = kept_in_single(now * (s["M"] if t > 1 else 1), like=g)
    m_bar = (1 - now) * g / (1 - product) + following * m / (1 - product * following)
    return w - lr * m_bar / (np.sqrt(v / unbiased(betas[1], t, g)) + eps)


def nadam_of_keras(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """mu = b1 (1 - 0.96^t / 2): psi is 1.  Keras."""
    return nadam(w, g, s, **{**settings, "momentum_decay": 1.0})


def nadam_constant(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    betas: Betas = BETAS,
    eps: float = 1e-8,
    momentum_decay: float = 4e-3,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> Any:
    """w <- w - eta (b1 m / (1 - b1^(t + 1)) + (1 - b1) g / (1 - b1^t)) / (sqrt(v^) + eps).  optax."""
    w, g = _decay(w, g, lr, weight_decay, decoupled_weight_decay)
    m, v, t = moments(g, s, betas)
    m_bar = betas[0] * m / unbiased(betas[0], t + 1, g) + (1 - betas[0]) * g / unbiased(betas[0], t, g)
    return w - lr * m_bar / (np.sqrt(v / unbiased(betas[1], t, g)) + eps)


def nadam_without_nesterov(w: Any, g: Any, s: State, *, decoupled_weight_decay: bool = False, **settings: Any) -> Any:
    """w <- w - eta m^ / (sqrt(v^) + eps): Adam."""
    lr, betas, eps = settings["lr"], settings["betas"], settings["eps"]
    w, g = _decay(w, g, lr, settings["weight_decay"], decoupled_weight_decay)
    m, v, t = moments(g, s, betas)
    return w - lr * m / unbiased(betas[0], t, g) / (np.sqrt(v / unbiased(betas[1], t, g)) + eps)


def _length(t: float, b2: float) -> tuple[float, float]:
    """rho = rho_inf - 2 t b2^t / (1 - b2^t), rho_inf = 2 / (1 - b2) - 1: how many gradients the mean square holds."""
    rho_inf = 2 / (1 - b2) - 1
    return rho_inf - 2 * t * b2**t / (1 - b2**t), rho_inf


def _rectified(rho: float, rho_inf: float) -> Any:
    """r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))."""
    return scalar(((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5)


def radam(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    betas: Betas = BETAS,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    threshold: float = 5.0,
) -> Any:
    """w <- w - eta r m^ sqrt(1 - b2^t) / (sqrt(v) + eps) where rho > 5, else w <- w - eta m^.

    Liu et al. (2020), algorithm 2, with the threshold 5 of the authors' code; torch.
    """
    w, g = _decay(w, g, lr, weight_decay, decoupled_weight_decay)
    m, v, t = moments(g, s, betas)
    m_hat, (rho, rho_inf) = m / unbiased(betas[0], t, g), _length(t, betas[1])
    if rho <= threshold:
        return w - lr * m_hat
    return w - lr * _rectified(rho, rho_inf) * m_hat * unbiased(betas[1], t, g) ** 0.5 / (np.sqrt(v) + eps)


def radam_of_the_paper(w: Any, g: Any, s: State, **settings: Any) -> Any:
    """Rectified where rho > 4.  Liu et al. (2020), algorithm 2."""
    return radam(w, g, s, **{**settings, "threshold": 4.0})


def radam_epsilon_outside(
    w: Any,
    g: Any,
    s: State,
    *,
    lr: float,
    betas: Betas = BETAS,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    threshold: float = 5.0,
) -> Any:
    """w <- w - eta r m^ / (sqrt(v^) + eps) where rho > 5, else w <- w - eta m^.  optax."""
    w, g = _decay(w, g, lr, weight_decay, decoupled_weight_decay)
    m, v, t = moments(g, s, betas)
    m_hat, (rho, rho_inf) = m / unbiased(betas[0], t, g), _length(t, betas[1])
    if rho < threshold:
        return w - lr * m_hat
    return w - lr * _rectified(rho, rho_inf) * m_hat / (np.sqrt(v / unbiased(betas[1], t, g)) + eps)


def radam_unrectified(w: Any, g: Any, s: State, *, decoupled_weight_decay: bool = False, **settings: Any) -> Any:
    """w <- w - eta m^ / (sqrt(v^) + eps): Adam."""
    return nadam_without_nesterov(w, g, s, decoupled_weight_decay=decoupled_weight_decay, **settings)


def otherwise_decayed(step: Any) -> Any:
    """Return the rule with its decay decoupled where it should go through the gradient, and the reverse."""

    def decay(w: Any, g: Any, s: State, *, decoupled_weight_decay: bool = False, **settings: Any) -> Any:
        return step(w, g, s, decoupled_weight_decay=not decoupled_weight_decay, **settings)

    return decay


_OTHER_SIDE = f"{DECOUPLED} or the reverse: {COUPLED}"

NADAM = Published(
    "nadam",
    nadam,
    (
        Dialect("steps", nadam_of_keras, "the momentum's schedule runs by whole steps: ψ is 1", "Keras"),
        Dialect("constant", nadam_constant, "the momentum has no schedule", "optax"),
        Dialect("without-nesterov", nadam_without_nesterov, "it is Adam: the momentum does not look ahead"),
        Dialect("otherwise-decayed", otherwise_decayed(nadam), _OTHER_SIDE),
    ),
    {**OPTIONS, "momentum_decay": 0.25},
)
RADAM = Published(
    "radam",
    radam,
    (
        Dialect("epsilon-outside", radam_epsilon_outside, "ε stands beside the corrected root", "optax"),
        Dialect("threshold-4", radam_of_the_paper, "steps are rectified from ρ > 4 on", "Liu et al. 2020, algorithm 2"),
        Dialect("unrectified", radam_unrectified, "it is Adam: early steps are not rectified"),
        Dialect("otherwise-decayed", otherwise_decayed(radam), _OTHER_SIDE),
    ),
    OPTIONS,
    (7, 8),
)
