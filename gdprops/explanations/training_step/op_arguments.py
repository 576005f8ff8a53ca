"""Which tensors a torch op reads and which it writes, and which parameters share memory with them.

The schema of an op says for each argument whether the op writes to it. ``p.add_(g)`` writes ``p`` and reads ``g``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


class Given(NamedTuple):
    """The tensors that an op reads, and those that it writes.

    An op that only returns a view of its argument does not read it; an op that uses the view later does.
    """

    read: list[Tensor]
    written: list[Tensor]


def is_read(argument: Any) -> bool:
    """Say whether an op only reads an argument of its schema: it neither writes it nor returns a view of it."""
    return argument.alias_info is None


def is_written(argument: Any) -> bool:
    """Say whether an op writes to an argument of its schema."""
    return argument.alias_info is not None and argument.alias_info.is_write


def arguments_of(func: Any, args: Sequence[Any], kwargs: Any) -> Given:
    """Return the tensors that an op reads and those that it writes, as its schema declares them."""
    given = Given([], [])
    for argument, value in bound(func, args, kwargs):
        into = given.written if is_written(argument) else given.read if is_read(argument) else None
        if into is not None:
            into += tensors_in(value)
    return given


def bound(func: Any, args: Sequence[Any], kwargs: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each argument of the op's schema with the value that was passed for it; omitted arguments are left out."""
    for k, argument in enumerate(func._schema.arguments):
        if k < len(args):
            yield argument, args[k]
        elif argument.name in kwargs:
            yield argument, kwargs[argument.name]


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors of an argument: itself, or those of a list (every ``foreach`` op takes lists)."""
    if isinstance(value, Tensor):
        return [value]
    return [v for v in value if isinstance(v, Tensor)] if isinstance(value, list | tuple) else []


def in_backward() -> bool:
    """Say whether autograd is running a backward pass.

    Ops, hooks and recomputed forward passes (checkpointing) at that time belong to the backward pass: they do not count
    as forward passes.
    """
    return torch._C._current_graph_task_id() != -1


@final
class Parameters:
    """The memory of all parameters; it tells which parameters share memory with a tensor."""

    def __init__(self, parameters: Sequence[Any]) -> None:
        self._parameters = list(parameters)
        self.look_again()

    def look_again(self) -> None:
        """Find the parameters' memory again: ``p.data = new`` moves a parameter to other memory."""
        self._ranges = [_range_of(p) for p in self._parameters]

    def under(self, tensor: Tensor) -> list[int]:
        """Return the indices of the parameters whose memory a tensor touches."""
        found = _range_of(tensor)
        if found is None:
            return []
        start, end = found
        return [i for i, own in enumerate(self._ranges) if own is not None and start < own[1] and own[0] < end]

    def gradients(self, held: set[int] | None = None) -> list[Array | None]:
        """Return a copy of each parameter's gradient, None for a missing one.

        With ``held``, parameters whose ``id`` is not in it count as having none.
        """
        return [_copied(p.grad) if held is None or id(p) in held else None for p in self._parameters]


def _copied(gradient: Tensor | None) -> Array | None:
    return None if gradient is None else gradient.detach().to_dense().numpy().copy()


def _range_of(tensor: Tensor) -> tuple[int, int] | None:
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or not tensor.numel():
        return None
    steps = np.array(tensor.stride(), dtype=np.int64) * (np.array(tensor.shape, dtype=np.int64) - 1)
    start = tensor.data_ptr()
    return start, start + (int(steps.sum()) + 1) * tensor.element_size()
