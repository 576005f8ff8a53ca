"""What a forward pass meets beside weights and data: random numbers, buffers, and modules in training mode or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from gdprops.adapters.isolation import RandomState

if TYPE_CHECKING:
    from torch import Tensor, nn


class Met(NamedTuple):
    """The state of a model at one moment."""

    random: RandomState
    buffers: tuple[Tensor, ...]
    modes: tuple[bool, ...]

    @property
    def drawn(self) -> bytes:
        """The state of torch's random numbers, to be compared."""
        return self.random.torch_bytes


@final
class Surroundings:
    """A model's buffers, and its modules without parts: what wraps them may differ between their model and ours."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())
        self._leaves = [module for module in model.modules() if next(module.children(), None) is None]

    def now(self) -> Met:
        """Return what a forward pass would meet now."""
        buffers = tuple(b.detach().clone() for b in self._buffers)
        return Met(RandomState(all_of_them=False), buffers, tuple(module.training for module in self._leaves))

    def put(self, met: Met) -> None:
        """Let a forward pass of this model meet what another of the same form has met."""
        met.random.put()
        for buffer, theirs in zip(self._buffers, met.buffers, strict=False):
            buffer.data.copy_(theirs)
        for module, trains in zip(self._leaves, met.modes, strict=False):
            module.training = trains
