"""What a forward pass meets beside weights and data: random numbers, buffers, and modules in training mode or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gdprops.adapters.isolation import RandomState

if TYPE_CHECKING:
    from torch import Tensor, nn


class Met(NamedTuple):
    """The state of a model at one moment."""

    random: RandomState
    buffers: tuple[Tensor, ...]
    modes: tuple[bool, ...]

    @classmethod
    def by(cls, model: nn.Module) -> Met:
        """Return what a forward pass of a model would meet now."""
        return cls(RandomState(), tuple(b.detach().clone() for b in model.buffers()), modes_of(model))

    @property
    def drawn(self) -> bytes:
        """The state of torch's random numbers, to be compared."""
        return self.random.torch_bytes

    def put(self, model: nn.Module) -> None:
        """Let another model of the same form meet the same."""
        self.random.put()
        for buffer, theirs in zip(model.buffers(), self.buffers, strict=False):
            buffer.data.copy_(theirs)
        for module, trains in zip(_leaves(model), self.modes, strict=False):
            module.training = trains


def _leaves(model: nn.Module) -> list[nn.Module]:
    """Return the modules without parts: what wraps them may differ between the user's model and ours."""
    return [module for module in model.modules() if next(module.children(), None) is None]


def modes_of(model: nn.Module) -> tuple[bool, ...]:
    """Return which of the modules without parts are in training mode."""
    return tuple(module.training for module in _leaves(model))
