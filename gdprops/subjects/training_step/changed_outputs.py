"""A model whose outputs are changed before a loss sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from torch import Tensor, nn


@final
class Changed(nn.Module):
    """A model whose outputs are changed."""

    def __init__(self, model: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self._change = model, change

    def forward(self, inputs: Any) -> Tensor:
        """Return what becomes of the outputs."""
        return self._change(self.model(inputs))
