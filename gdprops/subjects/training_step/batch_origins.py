"""Where what a model is given comes from: the batch that a step was handed, or one that the step has drawn itself.

``xb, yb = next(loader)`` inside a step makes a batch of the step's own. A step may do anything to the batch that it is
handed (normalize it, cut it, add noise), so that numbers cannot tell. `Origins` follows the data instead: whatever an
op makes of a handed tensor, or writes with it, comes from the batch. A forward pass that is given tensors, and none
that come from any batch handed over so far, looks at a batch of the step's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.subjects.training_step.op_arguments import arguments_of, unwatched, unwrapped
from gdprops.subjects.training_step.structures import tensors_in

LEAVES = ("numpy", "__array__", "tolist", "data_ptr", "untyped_storage", "storage", "__dlpack__", "__reduce_ex__")
"""Methods of tensors behind which their numbers cannot be followed: what comes back may come from the batch."""


@final
class Origins:
    """The memory that holds numbers of the batches handed over so far.

    ``lost``: some of these numbers went where they cannot be followed; then everything may come from the batch.
    ``parameters``: of what a model trains, which is moved by every batch and comes from none.
    """

    def __init__(self, parameters: Sequence[Tensor] = ()) -> None:
        self._held, self.lost, self._follows = dict[int, Tensor](), False, True
        self._parameters, self._kept_out, self._handed = parameters, set[int | None](), dict[int, Tensor]()

    def hand(self, data: Any) -> None:
        """Note a batch that is handed over now."""
        self._kept_out = set(map(_place_of, self._parameters))
        if self._parameters:
            self._held = dict(self._handed)  # what a whole pass through a network has made is let go
        for t in tensors_in(tuple(data)):
            self._note(t)
        self._handed |= {place: t for t in tensors_in(tuple(data)) if (place := _place_of(t)) is not None}

    def are_in(self, value: Any) -> bool:
        """Say whether any tensor of a structure may come from a batch that was handed over."""
        return self.lost or any(self._has(t) for t in tensors_in(value))

    def give_up(self) -> None:
        """Follow nothing any more: from now on everything may come from the batch."""
        self.lost, self._follows = True, False
        self._held.clear()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the numbers through every op inside."""
        if not self._follows:
            yield
            return
        with _Ops(self), _Calls(self):
            yield

    def made(self, read: Any, made: Any) -> None:
        """Note what an op has made or written, if it has read anything of a batch."""
        if self._follows and any(self._has(t) for t in tensors_in(read)):
            for t in tensors_in(made):
                self._note(t)

    def left(self, given: Any) -> None:
        """Note that what a method returns cannot be followed."""
        self.lost = self.lost or (self._follows and any(self._has(t) for t in tensors_in(given)))

    def _note(self, t: Tensor) -> None:
        place = _place_of(t)
        if place is not None and place not in self._kept_out:
            self._held[place] = t  # which keeps the memory from being given to another tensor

    def _has(self, t: Tensor) -> bool:
        return _place_of(t) in self._held


def _place_of(t: Tensor) -> int | None:
    with unwatched():
        t = unwrapped(t)
        if t.layout is not torch.strided or not t.numel():
            return None
        return t.untyped_storage().data_ptr()


@final
class _Ops(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Tells of every op what it reads, and what it makes of it."""

    def __init__(self, origins: Origins) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # likewise
        self._origins = origins

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        given = arguments_of(func, args, kwargs or {})
        self._origins.made(given.read, (found, given.written))
        return found


@final
class _Calls(TorchFunctionMode):
    """Tells where numbers leave torch, and of copies that no op makes."""

    def __init__(self, origins: Origins) -> None:
        super().__init__()
        self._origins = origins

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__deepcopy__":
            with torch._C.DisableTorchFunction():
                found = func(*args, **(kwargs or {}))
            self._origins.made(args[:1], found)
            return found
        if name in LEAVES:
            self._origins.left(args)
        return func(*args, **(kwargs or {}))
