"""Which modules were in training mode at the first step and no longer are, where that changes loss or gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdprops.model.training_run import ModeChange
from gdprops.subjects.training_step.forward_state import is_leaf

if TYPE_CHECKING:
    from torch import nn

    from gdprops.subjects.training_step.forward_state import ForwardState


def mode_change(
    model: nn.Module, first: ForwardState, now: ForwardState, is_the_same_in: Callable[..., bool]
) -> ModeChange | None:
    """Return what left training mode between two differentiated passes, and which classes of modules matter.

    None where nothing did, or where loss and gradients are the same in both modes; ``is_the_same_in`` says so of two
    states.
    """
    if first.modes == now.modes:
        return None
    as_at_first = now._replace(modes=first.modes, leaves=first.leaves)
    if is_the_same_in((now, as_at_first)):
        return None
    modules = [type(m).__name__ if is_leaf(m) else "" for m in model.modules()]
    pairs = zip(modules, first.modes, now.modes, strict=False)
    off = sorted({name for name, was, trains in pairs if name and was and not trains})

    def without(name: str) -> ForwardState:
        modes = tuple(was and m != name for m, was in zip(modules, first.modes, strict=False))
        return as_at_first._replace(modes=modes)

    acting = [m for m in off if not is_the_same_in((as_at_first, without(m)))]
    return ModeChange(first.modes[0] and not now.modes[0], tuple(acting or off))
