"""What an optimizer's parameter groups hold beside parameters: keys that a builder gives, and the learning rate."""

from __future__ import annotations

from typing import Any

import torch


def keys_of_groups(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return what the optimizer's groups have beyond defaults: the keys that a builder function gives to each group."""
    first = optimizer.param_groups[0]
    return {k: v for k, v in first.items() if k != "params" and k not in optimizer.defaults}


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set a group's learning rate, in a tensor where it is held in one."""
    held = group["lr"]
    group["lr"] = torch.full_like(held, rate) if isinstance(held, torch.Tensor) else rate
