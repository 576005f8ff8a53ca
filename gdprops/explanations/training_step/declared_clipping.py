"""The declared clipping beside what was seen: whether it acts in a step, and how another bound is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.explanation_wording import number

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched


def is_clipped(step: Watched) -> bool:
    """Say whether the declared clipping shortens the gradient of a step."""
    if step.run.clip_norm is None and step.run.clip_value is None:
        return False
    g = step.run.gradients(step.before, step.batch, clipped=False)
    pairs = zip(step.run.clip(g), g, strict=True)
    return any(a is not None and b is not None and not np.array_equal(a, b) for a, b in pairs)


def beside_declared(key: str, most: float, declared: float | None, *, whole: bool = True) -> str:
    """Return what is said of a bound beside the declared one: how to declare it, or that it is another one."""
    if declared is None:
        return f" (where that is meant, declare it: {key}={number(most)})" if whole else ""
    return "" if number(most) == number(declared) else f", not to {number(declared)}"
