"""Weight decay in its different forms: decoupled, after the step, or not scaled by the learning rate."""

from __future__ import annotations

import functools
from typing import Any

from gdprops.numerics.published.rule import State, Step


def decoupled(step: Step) -> Step:
    """Return a rule with decoupled decay: w <- (1 - eta lambda) w, then the rule without decay."""

    @functools.wraps(step)
    def decay_first(w: Any, g: Any, s: State, *, lr: float, weight_decay: float = 0.0, **settings: Any) -> Any:
        return step(w - lr * weight_decay * w, g, s, lr=lr, weight_decay=0.0, **settings)

    return decay_first


def decayed_last(step: Step) -> Step:
    """Return a rule that decays the weights after they have moved (huggingface/transformers#14539)."""

    @functools.wraps(step)
    def decay_last(w: Any, g: Any, s: State, *, lr: float, weight_decay: float = 0.0, **settings: Any) -> Any:
        moved = step(w, g, s, lr=lr, weight_decay=0.0, **settings)
        return moved - lr * weight_decay * moved

    return decay_last


def unscaled(step: Step) -> Step:
    """Return a rule with decoupled decay that the learning rate does not multiply: w <- (1 - lambda) w."""

    @functools.wraps(step)
    def decay_fully(w: Any, g: Any, s: State, *, lr: float, weight_decay: float = 0.0, **settings: Any) -> Any:
        return step(w - weight_decay * w, g, s, lr=lr, weight_decay=0.0, **settings)

    return decay_fully
