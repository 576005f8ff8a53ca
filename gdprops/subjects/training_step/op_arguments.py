"""Which tensors a torch op reads and which it writes, and which parameters share memory with them.

The schema of an op says for each argument whether the op writes to it. ``p.add_(g)`` writes ``p`` and reads ``g``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor

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


@cache
def _parts(func: Any) -> tuple[tuple[int, str, bool], ...]:
    """Return the position and the name of each argument that an op reads or writes, and whether it writes it."""
    declared = enumerate(func._schema.arguments)
    return tuple((k, one.name, is_written(one)) for k, one in declared if is_read(one) or is_written(one))


def arguments_of(func: Any, args: Sequence[Any], kwargs: Any) -> Given:
    """Return the tensors that an op reads and those that it writes, as its schema declares them."""
    given = Given([], [])
    for k, name, writes in _parts(func):
        value = args[k] if k < len(args) else kwargs.get(name)
        if value is not None:
            (given.written if writes else given.read).extend(tensors_in(value))
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


@contextmanager
def unwatched() -> Iterator[None]:
    """Let no mode of torch see what happens inside: gdprops' own reading of tensors is no part of a step."""
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
        yield


@final
class Parameters:
    """The memory of all parameters; it tells which parameters share memory with a tensor."""

    def __init__(self, parameters: Sequence[Any]) -> None:
        self._parameters = list(parameters)
        self.look_again()

    def look_again(self) -> None:
        """Find the parameters' memory again: ``p.data = new`` moves a parameter to other memory."""
        with unwatched():
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
        with unwatched():
            return [_copied(p.grad) if held is None or id(p) in held else None for p in self._parameters]


def _copied(gradient: Tensor | None) -> Array | None:
    return None if gradient is None else gradient.detach().to_dense().numpy().copy()


def unwrapped(tensor: Tensor) -> Tensor:
    """Return the tensor that holds the numbers: transforms of ``torch.func`` wrap it, and a wrapper has no memory."""
    while is_functorch_wrapped_tensor(tensor):
        tensor = get_unwrapped(tensor)
    return tensor


def _range_of(tensor: Tensor) -> tuple[int, int] | None:
    tensor = unwrapped(tensor)
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or not tensor.numel():
        return None
    last = sum(stride * (size - 1) for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
    start = tensor.data_ptr()
    return start, start + (last + 1) * tensor.element_size()
