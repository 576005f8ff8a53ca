"""What a forward pass meets beside weights and data: random numbers, buffers, and the modules' modes.

A model with dropout or batch normalization computes another loss from another such state. So gdprops records the state
that the user's forward pass met, and puts its own model into that state before it evaluates a gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, final

from gdprops.subjects.user_code.isolation import RandomState

if TYPE_CHECKING:
    from torch import Tensor, nn


class ForwardState(NamedTuple):
    """The state of a model at one moment.

    ``modes``: which modules are in training mode; ``leaves``: which of the modules without submodules are.
    """

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
        """The state of torch's random numbers, for comparisons."""
        return self.random.torch_bytes


def is_leaf(module: nn.Module) -> bool:
    """Say whether a module has no parts."""
    return next(module.children(), None) is None


@final
class Surroundings:
    """Reads and writes the forward state of one model.

    Where the user's model and gdprops' model do not have the same number of modules (gdprops' model recomputes
    nothing), only the modules without submodules count.
    """

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())
        self._modules = list(model.modules())
        self._leaves = [module for module in self._modules if is_leaf(module)]

    def now(self) -> ForwardState:
        """Return the state that a forward pass would meet now."""
        buffers = tuple(b.detach().clone() for b in self._buffers)
        modes, leaves = (tuple(module.training for module in some) for some in (self._modules, self._leaves))
        return ForwardState(RandomState(all_of_them=False), buffers, modes, leaves)

    def put(self, met: ForwardState) -> None:
        """Put this model into the state that another model of the same form has met."""
        met.random.put()
        for buffer, theirs in zip(self._buffers, met.buffers, strict=False):
            buffer.data.copy_(theirs)
        alike = len(self._modules) == len(met.modes)
        pairs = (self._modules, met.modes) if alike else (self._leaves, met.leaves)
        for module, trains in zip(*pairs, strict=False):
            if module.training is not trains:  # nn.Module's __setattr__ takes long
                module.training = trains
