"""Adam and its descendants: AdamW, AMSGrad, Adamax. betas: (b1, b2), the shares of the means that stay."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.exact_numbers import scalar
from gdprops.numerics.published.rule import Dialect, Published, State
from gdprops.numerics.published.shaken_arrays import in_dtype
from gdprops.numerics.published.weight_decay import decayed_last, decoupled, unscaled

Betas = tuple[float, float]
BETAS = (0.9, 0.999)


def moments(g: Any, s: State, betas: Betas) -> tuple[Any, Any, float]:
    """t <- t + 1; m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2."""
    b1, b2 = betas
    s["t"] += 1
    s["m"] = b1 * s["m"] + (1 - b1) * g
    s["v"] = b2 * s["v"] + (1 - b2) * g * g
    return s["m"], s["v"], s["t"]


def unbiased(beta: float, t: float, g: Any) -> Any:
    """1 - beta^t; some implementations compute it in the tensor's own dtype."""
    return 1 - scalar(in_dtype(beta**t, like=g))


def adam(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta m^ / (sqrt(v^) + eps), m^ = m / (1 - b1^t), v^ = v / (1 - b2^t).

    Kingma and Ba (2015), algorithm 1; torch, optax.
    """
    m, v, t = moments(g + weight_decay * w, s, betas)
    m_hat, v_hat = m / unbiased(betas[0], t, g), v / unbiased(betas[1], t, g)
    return w - lr * m_hat / (np.sqrt(v_hat) + eps)


def adam_epsilon_hat(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta_t m / (sqrt(v) + eps), eta_t = eta sqrt(1 - b2^t) / (1 - b1^t).

    Kingma and Ba (2015), end of section 2; TensorFlow 1, Keras.
    """
    m, v, t = moments(g + weight_decay * w, s, betas)
    return w - lr * unbiased(betas[1], t, g) ** 0.5 / unbiased(betas[0], t, g) * m / (np.sqrt(v) + eps)


def adam_epsilon_inside(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta m^ / sqrt(v^ + eps)."""
    m, v, t = moments(g + weight_decay * w, s, betas)
    return w - lr * m / unbiased(betas[0], t, g) / np.sqrt(v / unbiased(betas[1], t, g) + eps)


def adam_epsilon_kept(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """v <- b2 v + (1 - b2) g^2 + eps; w <- w - eta m^ / sqrt(v^): eps piles up in the state."""
    m, v, t = moments(g + weight_decay * w, s, betas)
    s["v"] = v + eps
    return w - lr * m / unbiased(betas[0], t, g) / np.sqrt(s["v"] / unbiased(betas[1], t, g))


def adam_epsilon_twice(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """v <- b2 v + (1 - b2) g^2 + eps; w <- w - eta m^ / (sqrt(v^) + eps), as in AdaBelief."""
    m, v, t = moments(g + weight_decay * w, s, betas)
    s["v"] = v + eps
    return w - lr * m / unbiased(betas[0], t, g) / (np.sqrt(s["v"] / unbiased(betas[1], t, g)) + eps)


def adam_uncorrected(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta m / (sqrt(v) + eps)."""
    m, v, _ = moments(g + weight_decay * w, s, betas)
    return w - lr * m / (np.sqrt(v) + eps)


def amsgrad(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """u <- max(u, v); w <- w - eta m^ / (sqrt(u / (1 - b2^t)) + eps).

    Reddi, Kale, Kumar (2018), algorithm 2, with Adam's bias correction; torch.
    """
    m, v, t = moments(g + weight_decay * w, s, betas)
    s["u"] = np.maximum(s["u"], v)
    return w - lr * m / unbiased(betas[0], t, g) / (np.sqrt(s["u"] / unbiased(betas[1], t, g)) + eps)


def amsgrad_epsilon_hat(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta_t m / (sqrt(u) + eps).  Keras."""
    m, v, t = moments(g + weight_decay * w, s, betas)
    s["u"] = np.maximum(s["u"], v)
    return w - lr * unbiased(betas[1], t, g) ** 0.5 / unbiased(betas[0], t, g) * m / (np.sqrt(s["u"]) + eps)


def amsgrad_of_corrected(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """u <- max(u, v^); w <- w - eta m^ / (sqrt(u) + eps).  optax."""
    m, v, t = moments(g + weight_decay * w, s, betas)
    s["u"] = np.maximum(s["u"], v / unbiased(betas[1], t, g))
    return w - lr * m / unbiased(betas[0], t, g) / (np.sqrt(s["u"]) + eps)


def amsgrad_uncorrected(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """u <- max(u, v); w <- w - eta m / (sqrt(u) + eps).  Reddi, Kale, Kumar (2018), algorithm 2."""
    m, v, _ = moments(g + weight_decay * w, s, betas)
    s["u"] = np.maximum(s["u"], v)
    return w - lr * m / (np.sqrt(s["u"]) + eps)


def adamax(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """u <- max(b2 u, |g| + eps); w <- w - eta / (1 - b1^t) m / u.

    Kingma and Ba (2015), algorithm 2, with an eps against division by zero; torch.
    """
    g = g + weight_decay * w
    m, _, t = moments(g, s, betas)
    s["u"] = np.maximum(betas[1] * s["u"], np.abs(g) + eps)
    return w - lr / unbiased(betas[0], t, g) * m / s["u"]


def adamax_epsilon_outside(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """u <- max(b2 u, |g|); w <- w - eta / (1 - b1^t) m / (u + eps).  Keras, TensorFlow."""
    g = g + weight_decay * w
    m, _, t = moments(g, s, betas)
    s["u"] = np.maximum(betas[1] * s["u"], np.abs(g))
    return w - lr / unbiased(betas[0], t, g) * m / (s["u"] + eps)


def adamax_uncorrected(
    w: Any, g: Any, s: State, *, lr: float, betas: Betas = BETAS, eps: float = 1e-8, weight_decay: float = 0.0
) -> Any:
    """w <- w - eta m / u."""
    g = g + weight_decay * w
    m, _, _ = moments(g, s, betas)
    s["u"] = np.maximum(betas[1] * s["u"], np.abs(g) + eps)
    return w - lr * m / s["u"]


HAT = "ε stands beside the uncorrected root (ε-hat)"
INSIDE = "ε stands inside the square root"
KEPT = "ε is added to the mean square at every step, where it piles up"
UNCORRECTED = "the bias of the means is not corrected"
DECOUPLED = "the weights decay by themselves, not through the gradient"
LAST = "the weights decay after they have moved"
COUPLED = "the decay goes through the gradient"
OPTIONS: dict[str, float | bool] = {"weight_decay": 0.25, "eps": 0.25}

ADAM = Published(
    "adam",
    adam,
    (
        Dialect("epsilon-hat", adam_epsilon_hat, HAT, "Kingma and Ba 2015, end of section 2; Keras, TensorFlow 1"),
        Dialect("epsilon-inside", adam_epsilon_inside, INSIDE, "optax (eps_root)"),
        Dialect("uncorrected", adam_uncorrected, UNCORRECTED),
        Dialect("epsilon-kept", adam_epsilon_kept, KEPT),
        Dialect("epsilon-twice", adam_epsilon_twice, f"{KEPT}, and to the root"),
        Dialect("decoupled", decoupled(adam), f"{DECOUPLED} (AdamW)", "torch.optim.Adam(decoupled_weight_decay=True)"),
    ),
    OPTIONS,
)
ADAMW = Published(
    "adamw",
    decoupled(adam),
    (
        Dialect("epsilon-hat", decoupled(adam_epsilon_hat), HAT, "Keras"),
        Dialect("unscaled", unscaled(adam), "the decay is not multiplied by the learning rate", "the paper's text"),
        Dialect("epsilon-inside", decoupled(adam_epsilon_inside), INSIDE, "optax (eps_root)"),
        Dialect("coupled", adam, f"{COUPLED} (Adam)"),
        Dialect("decays-last", decayed_last(adam), LAST),
        Dialect(
            "decays-last-epsilon-hat",
            decayed_last(adam_epsilon_hat),
            f"{LAST}, and {HAT}",
            "huggingface/transformers#14539",
        ),
        Dialect("uncorrected", decoupled(adam_uncorrected), UNCORRECTED),
        Dialect("epsilon-kept", decoupled(adam_epsilon_kept), KEPT),
        Dialect("epsilon-twice", decoupled(adam_epsilon_twice), f"{KEPT}, and to the root"),
    ),
    OPTIONS,
)
AMSGRAD = Published(
    "amsgrad",
    amsgrad,
    (
        Dialect("epsilon-hat", amsgrad_epsilon_hat, HAT, "Keras"),
        Dialect("of-corrected", amsgrad_of_corrected, "the maximum is taken of the corrected squares", "optax"),
        Dialect("uncorrected", amsgrad_uncorrected, UNCORRECTED, "Reddi et al. 2018, algorithm 2"),
        Dialect("adam", adam, "it is Adam: the maximum is not kept"),
        Dialect("decoupled", decoupled(amsgrad), DECOUPLED, "torch.optim.AdamW(amsgrad=True)"),
    ),
    OPTIONS,
)
ADAMAX = Published(
    "adamax",
    adamax,
    (
        Dialect("epsilon-outside", adamax_epsilon_outside, "ε is added to the maximum", "Keras, TensorFlow"),
        Dialect("uncorrected", adamax_uncorrected, UNCORRECTED),
        Dialect("decoupled", decoupled(adamax), DECOUPLED, "pytorch_optimizer.AdaMax(weight_decouple=True)"),
    ),
    OPTIONS,
)
