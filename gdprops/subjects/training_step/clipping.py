"""Gradients clipped as a training step declares it, in torch's form and in the other legitimate one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.numerics.decisions import CLIP_GUARD
from gdprops.numerics.norm import global_norm

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


def clipped(gradients: list[Array | None], norm: float | None, each: float | None) -> list[Array | None]:
    """Return the gradients clipped to a global norm, by C / (N + 1e-6) as torch does it, or entry by entry."""
    if each is not None:
        return [None if g is None else np.clip(g, -each, each) for g in gradients]
    if norm is None:
        return gradients
    return _scaled(gradients, min(1.0, norm / (global_norm(gradients) + CLIP_GUARD)))


def clipped_without_guard(gradients: Sequence[Array | None], norm: float | None) -> list[Array | None] | None:
    """Return gradients clipped as the other form does it, by min(1, C / N); None where neither form clips."""
    n = global_norm(gradients) if norm is not None else 0.0
    if norm is None or not np.isfinite(n) or n + CLIP_GUARD <= norm or n == 0:
        return None
    return _scaled(gradients, min(1.0, norm / n))


def has_own_hooks(rule: Any) -> bool:
    """Say whether hooks run before each step of an optimizer: they may clip, and are a part of its update."""
    return bool(getattr(rule, "_optimizer_step_pre_hooks", None))


def _scaled(gradients: Sequence[Array | None], c: float) -> list[Array | None]:
    return [None if g is None else np.asarray(g * g.dtype.type(c)) for g in gradients]
