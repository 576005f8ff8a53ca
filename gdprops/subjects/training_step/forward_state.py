"""What a forward pass meets beside weights and data: random numbers, buffers, and modules in training mode or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from gdprops.subjects.user_code.isolation import RandomState

if TYPE_CHECKING:
    from torch import Tensor, nn


class ForwardState(NamedTuple):
    """The state of a model at one moment; ``leaves``: the modes of the modules without parts."""

    random: RandomState
    buffers: tuple[Tensor, ...]
    modes: tuple[bool, ...]
    leaves: tuple[bool, ...]

    def in_mode(self, *, training: bool) -> ForwardState:
        """Return the same state with all modules in training mode, or in evaluation mode."""
        modes, leaves = ((training,) * len(some) for some in (self.modes, self.leaves))
        return self._replace(modes=modes, leaves=leaves)

    @property
    def drawn(self) -> bytes:
        """The state of torch's random numbers, to be compared."""
        return self.random.torch_bytes


def is_leaf(module: nn.Module) -> bool:
    """Say whether a module has no parts."""
    return next(module.children(), None) is None


@final
class Surroundings:
    """A model's buffers and modules.

    Where their model and ours are not of the same modules, only those without parts count: ours recomputes nothing.
    """

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())
        self._modules = list(model.modules())
        self._leaves = [module for module in self._modules if is_leaf(module)]

    def now(self) -> ForwardState:
        """Return what a forward pass would meet now."""
        buffers = tuple(b.detach().clone() for b in self._buffers)
        modes, leaves = (tuple(module.training for module in some) for some in (self._modules, self._leaves))
        return ForwardState(RandomState(all_of_them=False), buffers, modes, leaves)

    def put(self, met: ForwardState) -> None:
        """Let a forward pass of this model meet what another of the same form has met."""
        met.random.put()
        for buffer, theirs in zip(self._buffers, met.buffers, strict=False):
            buffer.data.copy_(theirs)
        alike = len(self._modules) == len(met.modes)
        pairs = (self._modules, met.modes) if alike else (self._leaves, met.leaves)
        for module, trains in zip(*pairs, strict=False):
            module.training = trains
