"""What a step can move: learning rates by parameter, gradients that are more than rounding, and their norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gdprops.numerics.decisions import CONSIDERABLE_SHARE, UNDECIDED_MOVE
from gdprops.watching.contents import compared_entries

if TYPE_CHECKING:
    from torch import Tensor


def rates_of(optimizer: Any, number_of: Callable[[Tensor], int]) -> dict[int, float]:
    """Return the learning rate of each parameter whose group has one."""
    rates = {}
    for group in optimizer.param_groups:
        rate = group.get("lr")
        if isinstance(rate, int | float) or (isinstance(rate, torch.Tensor) and rate.numel() == 1):
            rates.update({number_of(tensor): float(rate) for tensor in group["params"]})
    return rates


def is_stuck(parameter: Tensor, rate: float | None, entries: int) -> bool:
    """Say whether rate times gradient is more than rounding in some compared entry of a weight that did not move."""
    gradient = parameter.grad
    if not rate or gradient is None or gradient.layout is not torch.strided or gradient.is_complex():
        return False
    alike = gradient.stride() == parameter.stride() and gradient.shape == parameter.shape
    weight, pull = compared_entries(parameter, entries), compared_entries(gradient, entries)
    if weight is None or pull is None or (parameter.numel() > entries and not alike):
        return False
    form = torch.finfo(weight.dtype)
    room = UNDECIDED_MOVE * form.eps * weight.abs().double()
    pulled = rate * (pull if alike else gradient.detach().reshape(-1)).abs().double()
    return bool((torch.isfinite(pulled) & (pulled > room.reshape(-1)) & (pulled > form.tiny)).any())


def lost_in_rounding(
    still: Sequence[Tensor], everyone: Sequence[Tensor], rate_of: Callable[[Tensor], float]
) -> list[Tensor]:
    """Return those weights of two bytes that a step has left as they were although their gradients are considerable.

    ``still`` are the parameters that did not move, ``everyone`` all that the step had.
    """
    halves = [p for p in still if p.dtype in (torch.float16, torch.bfloat16) and p.grad is not None and rate_of(p)]
    if not halves:
        return []
    least = CONSIDERABLE_SHARE * max(_largest(p) for p in everyone if p.grad is not None)
    return [p for p in halves if 0 < least <= _largest(p)]


def _largest(parameter: Tensor) -> float:
    gradient = parameter.grad
    plain = gradient is not None and gradient.layout is torch.strided and gradient.numel()
    return float(gradient.detach().abs().max()) if gradient is not None and plain else 0.0


def gradient_norm(parameters: Sequence[Tensor]) -> float | None:
    """Return the norm of all gradients together, None where there are none."""
    found = [p.grad.detach() for p in parameters if p.grad is not None and p.grad.layout is torch.strided]
    if not found or len({gradient.device for gradient in found}) > 1:
        return None
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g.float()) for g in found])))
