"""Records a model's forward passes, and which of them gradients flow back through.

A step may also run the model only to log an accuracy. No gradient flows back through such a pass, and the pass is left
out where another one is differentiated.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.errors import Unsupported
from gdprops.numerics.decisions import LARGE_MODEL
from gdprops.subjects.training_step.forward_state import ForwardState, Surroundings
from gdprops.subjects.training_step.structures import rows_in, tensors_in
from gdprops.subjects.user_code.isolation import RandomState

if TYPE_CHECKING:
    from torch import Tensor, nn

FORWARD = "forward"
"""The method of a module that runs its forward pass, where nothing else is said."""
AUTOCAST = (
    "autocast rounds the step's forward pass, and gdprops computes in float32; leave autocast out, or hand over a "
    f"model of at most {LARGE_MODEL:,} weights: in float64 autocast rounds nothing"
)


@final
@dataclass(slots=True)
class Pass:
    """One forward pass: how many rows it saw, the state that it met, and whether a gradient reached its outputs.

    ``rounds``: the pass runs under autocast, which rounds float32 to fewer bits and leaves float64 as it is.
    ``noted``: what `Passes.notes` returned of what the model was given.
    """

    rows: int
    met: ForwardState
    rounds: bool
    used: bool = False
    noted: Any = None


@final
class Passes:
    """The forward passes with gradients enabled since the last `begin`."""

    def __init__(self, model: nn.Module, by: str = FORWARD) -> None:
        """``by``: the method of the model that runs a forward pass; a trainer may call another one than ``forward``."""
        self._surroundings, self._found = Surroundings(model), list[Pass]()
        self.notes: Callable[[Any, Any], Any] = lambda args, kwargs: None
        """Called with what each pass of the model is given."""
        started, ended = weakly(self._started), weakly(self._ended)
        if by == FORWARD:
            model.register_forward_pre_hook(started, with_kwargs=True)
            model.register_forward_hook(ended)
        else:
            vars(model)[by] = _watched(getattr(model, by), partial(started, model), partial(ended, model))

    def begin(self) -> ForwardState:
        """Forget the passes so far, and return the state that a pass would meet now."""
        self._found.clear()
        return self._surroundings.now()

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, k: slice) -> list[Pass]:
        return self._found[k]

    @property
    def differentiated(self) -> list[Pass]:
        """The passes that gradients flowed back through; all passes where no gradient was seen."""
        return [one for one in self._found if one.used] or self._found

    def met(
        self, before: ForwardState, are_alike: Callable[[list[ForwardState]], bool], *, one_look: bool
    ) -> ForwardState:
        """Return the state that the differentiated forward pass met; gdprops' own passes start from it.

        ``before``: the state when the step began; ``are_alike``: whether several states give the same gradients;
        ``one_look``: all passes belong to one look, and not each to a look or a micro-batch of its own. Raises
        `Unsupported` where there were several passes that would give different results.
        """
        now, passes = RandomState(all_of_them=False), self.differentiated
        met = [one.met for one in passes]
        if any(one.rounds for one in passes):
            raise Unsupported(AUTOCAST)
        if one_look and now.torch_bytes != before.random.torch_bytes and len({m.drawn for m in met}) != 1:
            raise Unsupported("torch's random numbers are not drawn in one single forward pass of the model")
        if len({m.modes for m in met}) > 1 and not are_alike(met):
            raise Unsupported("the model is differentiated in training and in evaluation mode, with different results")
        return met[0] if met else before

    def _started(self, model: nn.Module, args: Any, kwargs: Any) -> None:
        if torch.is_grad_enabled():
            rounds = torch.is_autocast_enabled("cpu") and any(p.dtype == torch.float32 for p in model.parameters())
            found = Pass(rows_in((*args, *kwargs.values())), self._surroundings.now(), rounds)
            found.noted = self.notes(args, kwargs)
            self._found.append(found)

    def _ended(self, _model: nn.Module, _args: Any, outputs: Any) -> None:
        if not (torch.is_grad_enabled() and self._found):
            return
        one, seen = self._found[-1], False
        for t in tensors_in(outputs):
            seen = seen or t.requires_grad
            if t.requires_grad and not _tells(t, one):
                one.used = True
        one.used = one.used or not seen  # outputs in another kind of structure cannot be followed


def _watched(method: Callable[..., Any], started: Callable[..., None], ended: Callable[..., None]) -> Any:
    """Return a method that tells of its start and its end, as the hooks of ``forward`` do."""

    @wraps(method)
    def watched(*args: Any, **kwargs: Any) -> Any:
        started(args, kwargs)
        outputs = method(*args, **kwargs)
        ended(args, outputs)
        return outputs

    return watched


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
