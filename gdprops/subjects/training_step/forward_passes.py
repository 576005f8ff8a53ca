"""Records a model's forward passes, and which of them gradients flow back through.

A step may also run the model only to log an accuracy. No gradient flows back through such a pass, and the pass is left
out where another one is differentiated.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.subjects.training_step.forward_state import ForwardState, Surroundings
from gdprops.subjects.training_step.structures import rows_in, tensors_in

if TYPE_CHECKING:
    from torch import Tensor, nn


@final
@dataclass(slots=True)
class Pass:
    """One forward pass: how many rows it saw, the state that it met, and whether a gradient reached its outputs.

    ``rounds``: the pass runs under autocast, which rounds float32 to fewer bits and leaves float64 as it is.
    """

    rows: int
    met: ForwardState
    rounds: bool
    used: bool = False


@final
class Passes:
    """The forward passes with gradients enabled since the last `begin`."""

    def __init__(self, model: nn.Module) -> None:
        self._surroundings, self._found = Surroundings(model), list[Pass]()
        model.register_forward_pre_hook(weakly(self._started), with_kwargs=True)
        model.register_forward_hook(weakly(self._ended))

    def begin(self) -> ForwardState:
        """Forget the passes so far, and return the state that a pass would meet now."""
        self._found.clear()
        return self._surroundings.now()

    @property
    def differentiated(self) -> list[Pass]:
        """The passes that gradients flowed back through; all passes where no gradient was seen."""
        return [one for one in self._found if one.used] or self._found

    def _started(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        if torch.is_grad_enabled():
            rounds = torch.is_autocast_enabled("cpu") and any(p.dtype == torch.float32 for p in model.parameters())
            self._found.append(Pass(rows_in((*args, *kwargs.values())), self._surroundings.now(), rounds))

    def _ended(self, _model: nn.Module, _args: Any, outputs: Any) -> None:
        if not (torch.is_grad_enabled() and self._found):
            return
        one, seen = self._found[-1], False
        for t in tensors_in(outputs):
            seen = seen or t.requires_grad
            if t.requires_grad and not _tells(t, one):
                one.used = True
        one.used = one.used or not seen  # outputs in another kind of structure cannot be followed


def _tells(output: Tensor, one: Pass) -> bool:
    """Let an output set ``used`` when a gradient reaches it; return False where it cannot."""

    def reached(_gradient: Tensor) -> None:
        one.used = True

    try:
        output.register_hook(reached)  # type: ignore[no-untyped-call] # torch's own
    except RuntimeError:
        return False
    return True


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Return a hook that does not keep its run alive, so that a large model is freed as soon as its run is over."""
    held = weakref.WeakMethod(method)

    def hook(*args: Any) -> None:
        found = held()
        if found is not None:
            found(*args)

    return hook
