"""Gradients that somebody copies from one parameter to another: from weights in half precision to their master copies.

A gradient that the user puts there himself belongs to nobody's backward call, unless it is the ``.grad`` of another
parameter of that shape times one number, the same for all parameters of a step: then it is a copy of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import torch

from gdprops.numerics.decisions import SAME_CONTENT_ROUNDINGS
from gdprops.watching.contents import compared_entries
from gdprops.watching.gradient_states import Numbered

if TYPE_CHECKING:
    from torch import Tensor

SEARCHES = 2
"""So many steps of a parameter are searched for the gradient that its own is copied from."""


@final
class CopiedGradients:
    """Remembers from which parameter each one's gradient was copied at earlier steps."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._sources: dict[int, int] = {}
        self._searched: dict[int, int] = {}

    def sources(self, given: Sequence[Numbered], everyone: Sequence[Numbered]) -> dict[int, int]:
        """Return, of parameters with gradients of the user's own, those that are copies, and of whose gradient."""
        factor: float | None = None
        found: dict[int, int] = {}
        for number, tensor in sorted(given, key=lambda one: -one[1].numel()):
            for source, other in self._candidates(number, tensor, everyone):
                times = self._times(tensor.grad, other.grad, factor)
                if times is not None:
                    factor, found[number] = times, source
                    break
        self._sources |= found
        return found

    def _candidates(self, number: int, tensor: Tensor, everyone: Sequence[Numbered]) -> list[Numbered]:
        known = self._sources.get(number)
        if known is None:
            self._searched[number] = self._searched.get(number, 0) + 1
            if self._searched[number] > SEARCHES:
                return []
        return [
            (other, found)
            for other, found in everyone
            if other != number and found.grad is not None and found.shape == tensor.shape and known in (None, other)
        ]

    def _times(self, copied: Tensor | None, original: Tensor | None, factor: float | None) -> float | None:
        """Return the number above 0 that a gradient is another one times, to rounding in the coarser of both.

        ``factor`` is that number where it is known; one entry alone says nothing of it.
        """
        if copied is None or original is None or copied.device != original.device:
            return None
        left, right = compared_entries(copied, self._entries), compared_entries(original, self._entries)
        if left is None or right is None or copied.stride() != original.stride():
            return None
        form = max((left.dtype, right.dtype), key=lambda dtype: torch.finfo(dtype).eps)
        now, before = left.double(), right.double()
        squared = float(before @ before)
        if factor is None:
            factor = float(now @ before) / squared if squared and len(now) > 1 else 0.0
        off = float((now - factor * before).abs().max())
        rounding = SAME_CONTENT_ROUNDINGS * torch.finfo(form).eps * float(now.abs().max())
        return factor if factor > 0 and squared and off <= rounding else None
