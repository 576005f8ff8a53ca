"""Published rules, read well and written otherwise than the specification has them: no clause may accuse them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.faults.fault import Twin
from gdprops.faults.update_rules.per_tensor import OneTensor, per_tensor
from gdprops.subjects.update_rule.subject import update_rule


@per_tensor
def folded_adam(w: Any, g: Any, s: Any, lr: float = 0.5, betas: Any = (0.5, 0.75), eps: float = 0.25) -> Any:
    """Adam with both corrections folded into the rate: the same numbers in another order."""
    s["t"] = t = s.get("t", 0) + 1
    s["m"] = s["m"] + (1 - betas[0]) * (g - s["m"]) if "m" in s else (1 - betas[0]) * g
    s["v"] = s["v"] + (1 - betas[1]) * (g**2 - s["v"]) if "v" in s else (1 - betas[1]) * g**2
    root = (1 - betas[1] ** t) ** 0.5
    return w - lr * root / (1 - betas[0] ** t) * (s["m"] / (np.sqrt(s["v"]) + eps * root))


@per_tensor
def adam_as_in_keras(
    w: Any, g: Any, s: Any, learning_rate: float = 0.5, beta_1: float = 0.5, beta_2: float = 0.75, epsilon: float = 0.25
) -> Any:
    """The other published form, with epsilon beside the uncorrected root, and other names."""
    s["t"] = t = s.get("t", 0) + 1
    s["m"] = beta_1 * s.get("m", 0.0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0.0) + (1 - beta_2) * g * g
    rate = learning_rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
    return w - rate * s["m"] / (np.sqrt(s["v"]) + epsilon)


@per_tensor
def momentum_as_in_keras(w: Any, g: Any, s: Any, learning_rate: float = 0.5, momentum: float = 0.5) -> Any:
    """The other published form: the rate inside the velocity."""
    s["v"] = momentum * s.get("v", 0.0) - learning_rate * g
    return w + s["v"]


@per_tensor
def lion(w: Any, g: Any, s: Any, lr: float = 0.5, betas: Any = (0.5, 0.75), weight_decay: float = 0.25) -> Any:
    """Lion, the decay first."""
    m = s.get("m", np.zeros_like(g))
    direction = np.sign(m + (1 - betas[0]) * (g - m))
    s["m"] = m + (1 - betas[1]) * (g - m)
    return (1 - lr * weight_decay) * w - lr * direction


@per_tensor
def lars(
    w: Any,
    g: Any,
    s: Any,
    lr: float = 0.5,
    momentum: float = 0.5,
    weight_decay: float = 0.25,
    trust_coefficient: float = 0.25,
) -> Any:
    """LARS, the norms taken by the library."""
    above, below = float(np.linalg.norm(w)), float(np.linalg.norm(g))
    ratio = trust_coefficient * above / (below + weight_decay * above) if above > 0 and below > 0 else 1.0
    s["v"] = momentum * s.get("v", 0.0) + (lr * ratio) * (g + weight_decay * w)
    return w - s["v"]


@per_tensor
def lamb(
    w: Any,
    g: Any,
    s: Any,
    lr: float = 0.5,
    betas: Any = (0.5, 0.75),
    eps: float = 0.25,
    weight_decay: float = 0.25,
) -> Any:
    """LAMB, the corrections after the root."""
    s["t"] = t = s.get("t", 0) + 1
    s["m"] = betas[0] * s.get("m", 0.0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0.0) + (1 - betas[1]) * g * g
    d = s["m"] / (1 - betas[0] ** t) / (np.sqrt(s["v"]) / (1 - betas[1] ** t) ** 0.5 + eps) + weight_decay * w
    above, below = float(np.linalg.norm(w)), float(np.linalg.norm(d))
    return w - lr * (above / below if above > 0 and below > 0 else 1.0) * d


def _twin(rule: str, function: OneTensor, name: str) -> Twin:
    return Twin(name, subject=lambda: update_rule(function, rule=rule, name=name))


TWINS = (
    _twin("adam", folded_adam, "folded-adam"),
    _twin("adam:epsilon-hat", adam_as_in_keras, "adam-as-in-keras"),
    _twin("momentum:rate-inside", momentum_as_in_keras, "momentum-as-in-keras"),
    _twin("lion", lion, "lion-rule"),
    _twin("lars", lars, "lars-rule"),
    _twin("lamb", lamb, "lamb-rule"),
)
