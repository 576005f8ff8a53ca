"""Gradients clipped as a training step declares it, in torch's form and in the other legitimate one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gdprops.numerics.decisions import CLIP_GUARD, CLIPPED_SHARE
from gdprops.numerics.norm import global_norm

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

TRIED = 10.0
"""How many times the declared norm the gradients have on which hooks are tried."""


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
    """Say whether hooks run before each step of an optimizer."""
    return bool(getattr(rule, "_optimizer_step_pre_hooks", None))


def clips_itself(rule: Any, norm: float | None) -> bool:
    """Say whether hooks of an optimizer clip to a global norm before each of its steps.

    They are tried on gradients of ten times that norm.
    """
    if not norm or not has_own_hooks(rule):
        return False
    held = [p for group in rule.param_groups for p in group["params"] if p.requires_grad]
    before, size = [p.grad for p in held], TRIED * norm / math.sqrt(max(1, sum(p.numel() for p in held)))
    try:
        for p in held:
            p.grad = torch.full_like(p, size)
        for hook in rule._optimizer_step_pre_hooks.values():
            hook(rule, (rule,), {})
        left = math.sqrt(sum(float(p.grad.double().square().sum()) for p in held))
    except Exception:
        return False
    finally:
        for p, grad in zip(held, before, strict=True):
            p.grad = grad
    return abs(left - norm) <= CLIPPED_SHARE * norm


def _scaled(gradients: Sequence[Array | None], c: float) -> list[Array | None]:
    return [None if g is None else np.asarray(g * g.dtype.type(c)) for g in gradients]
