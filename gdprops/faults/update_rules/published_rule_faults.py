"""Published rules, misread: update rules over NumPy arrays that declare a name and do something else."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.faults.fault import Fault
from gdprops.faults.update_rules.per_tensor import OneTensor, per_tensor
from gdprops.subjects.update_rule.subject import update_rule


@per_tensor
def sgd_decays_after_it_moved(w: Any, g: Any, s: Any, lr: float = 0.5, weight_decay: float = 0.25) -> Any:
    """The weights decay after they have moved."""
    w = w - lr * g
    return w - lr * weight_decay * w


@per_tensor
def momentum_dampens_at_once(
    w: Any, g: Any, s: Any, lr: float = 0.5, momentum: float = 0.5, dampening: float = 0.25
) -> Any:
    """The first gradient is dampened too."""
    s["v"] = momentum * s.get("v", 0.0) + (1 - dampening) * g
    return w - lr * s["v"]


@per_tensor
def nesterov_does_not_look_ahead(w: Any, g: Any, s: Any, lr: float = 0.5, momentum: float = 0.5) -> Any:
    """Plain momentum."""
    s["v"] = momentum * s.get("v", 0.0) + g
    return w - lr * s["v"]


@per_tensor
def adagrad_with_epsilon_inside(w: Any, g: Any, s: Any, lr: float = 0.5, eps: float = 0.25) -> Any:
    """Epsilon stands inside the square root."""
    s["total"] = s.get("total", 0.0) + g * g
    return w - lr * g / np.sqrt(s["total"] + eps)


@per_tensor
def rmsprop_with_epsilon_inside(w: Any, g: Any, s: Any, lr: float = 0.5, alpha: float = 0.75, eps: float = 0.25) -> Any:
    """Epsilon stands inside the square root."""
    s["v"] = alpha * s.get("v", 0.0) + (1 - alpha) * g * g
    return w - lr * g / np.sqrt(s["v"] + eps)


@per_tensor
def adadelta_remembers_gradients(w: Any, g: Any, s: Any, lr: float = 0.5, rho: float = 0.75, eps: float = 0.25) -> Any:
    """The memory of the steps is fed with gradients."""
    s["v"] = rho * s.get("v", 0.0) + (1 - rho) * g * g
    d = np.sqrt((s.get("u", 0.0) + eps) / (s["v"] + eps)) * g
    s["u"] = rho * s.get("u", 0.0) + (1 - rho) * g * g
    return w - lr * d


def _moments(g: Any, s: Any, b1: float, b2: float) -> tuple[Any, Any, int]:
    s["t"] = s.get("t", 0) + 1
    s["m"], s["v"] = b1 * s.get("m", 0.0) + (1 - b1) * g, b2 * s.get("v", 0.0) + (1 - b2) * g * g
    return s["m"], s["v"], s["t"]


@per_tensor
def adam_without_state(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """The means are copies that are thrown away."""
    copied = dict(s)
    m, v, t = _moments(g, copied, b1, b2)
    return w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


@per_tensor
def adam_without_correction(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """The bias of the means is not corrected."""
    m, v, _ = _moments(g, s, b1, b2)
    root = np.sqrt(v) + eps
    return w - lr * m / root


@per_tensor
def adam_with_epsilon_inside(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """Epsilon stands inside the square root."""
    m, v, t = _moments(g, s, b1, b2)
    return w - lr * m / (1 - b1**t) / np.sqrt(v / (1 - b2**t) + eps)


@per_tensor
def adam_begins_with_a_synthetic_step(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """A gradient of zeros allocates the state, and advances the clock."""
    if not s:
        _moments(0 * g, s, b1, b2)
    m, v, t = _moments(g, s, b1, b2)
    return w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


@per_tensor
def adamw_couples_its_decay(
    w: Any,
    g: Any,
    s: Any,
    lr: float = 0.5,
    b1: float = 0.5,
    b2: float = 0.75,
    eps: float = 0.25,
    weight_decay: float = 0.25,
) -> Any:
    """The decay goes through the gradient."""
    m, v, t = _moments(g + weight_decay * w, s, b1, b2)
    return w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


@per_tensor
def adamw_decays_moved_weights(
    w: Any,
    g: Any,
    s: Any,
    lr: float = 0.5,
    b1: float = 0.5,
    b2: float = 0.75,
    eps: float = 0.25,
    weight_decay: float = 0.25,
) -> Any:
    """The weights decay after they have moved."""
    m, v, t = _moments(g, s, b1, b2)
    w = w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)
    return w - lr * weight_decay * w


@per_tensor
def amsgrad_never_stores_its_maximum(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """The maximum is taken with zero, and nobody keeps it."""
    m, v, t = _moments(g, s, b1, b2)
    largest = np.maximum(s.get("largest", 0.0), v)
    return w - lr * m / (1 - b1**t) / (np.sqrt(largest / (1 - b2**t)) + eps)


@per_tensor
def adamax_without_correction(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """The bias of the mean is not corrected."""
    m, _, _ = _moments(g, s, b1, b2)
    s["u"] = np.maximum(b2 * s.get("u", 0.0), np.abs(g) + eps)
    return w - lr * m / s["u"]


@per_tensor
def nadam_does_not_look_ahead(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """Adam."""
    m, v, t = _moments(g, s, b1, b2)
    return w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


@per_tensor
def radam_never_rectifies(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """Every step stays a step of momentum."""
    m, _, t = _moments(g, s, b1, b2)
    corrected = m / (1 - b1**t)
    return w - lr * corrected


@per_tensor
def rprop_moves_where_it_turned(w: Any, g: Any, s: Any, lr: float = 0.5) -> Any:
    """A gradient that turned moves at once."""
    same = g * s.get("g", 0.0)
    factor = np.where(same > 0, 1.2, np.where(same < 0, 0.5, 1.0)).astype(g.dtype)
    s["size"] = np.clip(s.get("size", np.full_like(g, lr)) * factor, 1e-6, 50.0)
    s["g"] = g
    return w - np.sign(g) * s["size"]


@per_tensor
def lion_remembers_first(w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75) -> Any:
    """The mean is updated before it is used."""
    s["m"] = b2 * s.get("m", 0.0) + (1 - b2) * g
    direction = np.sign(b1 * s["m"] + (1 - b1) * g)
    return w - lr * direction


@per_tensor
def lars_scales_nothing(
    w: Any, g: Any, s: Any, lr: float = 0.5, momentum: float = 0.5, trust_coefficient: float = 0.25
) -> Any:
    """There is no trust ratio."""
    s["v"] = momentum * s.get("v", 0.0) + lr * trust_coefficient * g
    return w - s["v"]


@per_tensor
def lamb_forgets_the_ratio(
    w: Any, g: Any, s: Any, lr: float = 0.5, b1: float = 0.5, b2: float = 0.75, eps: float = 0.25
) -> Any:
    """There is no trust ratio."""
    m, v, t = _moments(g, s, b1, b2)
    return w - lr * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


@per_tensor
def adafactor_keeps_every_entry(w: Any, g: Any, s: Any, lr: float = 0.5) -> Any:
    """The mean square is kept entry by entry."""
    s["t"] = s.get("t", 0) + 1
    share, tiny = s["t"] ** -0.8, float(np.finfo(g.dtype).eps)
    s["v"] = (1 - share) * s.get("v", 0.0) + share * g * g
    u = g / np.sqrt(np.maximum(s["v"], tiny * tiny))
    alpha = max(1e-3, float(np.sqrt(np.mean(w * w)))) * min(lr, s["t"] ** -0.5)
    return w - alpha / max(1.0, float(np.sqrt(np.mean(u * u)))) * u


@per_tensor
def muon_only_normalizes(
    w: Any, g: Any, s: Any, lr: float = 0.5, momentum: float = 0.5, weight_decay: float = 0.25
) -> Any:
    """The momentum is normalized, not orthogonalized."""
    if w.ndim != 2:
        raise ValueError("matrices only")
    s["B"] = momentum * s.get("B", 0.0) + (1 - momentum) * g
    ahead = momentum * s["B"] + (1 - momentum) * g
    unit = ahead / max(float(np.sqrt(np.sum(ahead * ahead))), 1e-7)
    return w - lr * weight_decay * w - lr * max(1, w.shape[0] / w.shape[1]) ** 0.5 * unit


def _fault(rule: str, function: OneTensor, summary: str, source: str = "") -> Fault:
    name = function.__name__.replace("_", "-")
    return Fault(
        name,
        summary,
        source,
        lambda: update_rule(function, rule=rule, name=name),
    )


FAULTS = (
    _fault(
        "sgd", sgd_decays_after_it_moved, "The weights decay after they have moved.", "huggingface/transformers#14539"
    ),
    _fault("momentum", momentum_dampens_at_once, "The first gradient is dampened too."),
    _fault("nesterov", nesterov_does_not_look_ahead, "It is momentum that does not look ahead."),
    _fault("adagrad", adagrad_with_epsilon_inside, "ε stands inside the square root."),
    _fault("rmsprop", rmsprop_with_epsilon_inside, "ε stands inside the square root."),
    _fault("adadelta", adadelta_remembers_gradients, "The memory of the steps is fed with gradients."),
    _fault(
        "adam", adam_without_state, "The means are updated in copies: they are always zero.", "raskr/rust-autograd#16"
    ),
    _fault("adam", adam_without_correction, "The bias of the means is not corrected."),
    _fault("adam", adam_with_epsilon_inside, "ε stands inside the square root."),
    _fault(
        "adam",
        adam_begins_with_a_synthetic_step,
        "A gradient of zeros allocates the state and advances the clock.",
        "NVIDIA/Megatron-LM#5976",
    ),
    _fault("adamw", adamw_couples_its_decay, "The decay goes through the gradient."),
    _fault(
        "adamw",
        adamw_decays_moved_weights,
        "The weights decay after they have moved.",
        "huggingface/transformers#14539",
    ),
    _fault("amsgrad", amsgrad_never_stores_its_maximum, "The maximum is never stored.", "pytorch/pytorch#78807"),
    _fault("adamax", adamax_without_correction, "The bias of the mean is not corrected."),
    _fault("nadam", nadam_does_not_look_ahead, "It is Adam: the momentum does not look ahead."),
    _fault("radam", radam_never_rectifies, "The adaptive rate never sets in."),
    _fault("rprop", rprop_moves_where_it_turned, "A gradient that turned moves at once."),
    _fault("lion", lion_remembers_first, "The mean is updated before it is used."),
    _fault("lars", lars_scales_nothing, "There is no trust ratio."),
    _fault("lamb", lamb_forgets_the_ratio, "There is no trust ratio."),
    _fault("adafactor", adafactor_keeps_every_entry, "The mean square is kept entry by entry."),
    _fault("muon", muon_only_normalizes, "The momentum is normalized, not orthogonalized."),
)
