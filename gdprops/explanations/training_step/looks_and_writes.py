"""The lines in which a step asks autograd for gradients, and those in which it writes weights itself.

`gdprops watch` tells of neither: the first deposits nothing, and the second is no call of an optimizer. Together they
are how a sweep is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.model.code_place import Place
from gdprops.subjects.user_code.running_line import called_by_user, user_place

LOOK = "torch.autograd.grad()"
WRITE = "writing the weights"


@final
class Seen(list[tuple[str, Place | None]]):
    """What was done, and where, in the order in which it was; a line that calls what writes six parameters ran once."""

    last: FrameType | None = None

    def write(self) -> None:
        """Note that the running line writes weights, unless what it has called has written some already."""
        called = called_by_user()
        if called is not self.last:
            self.append((WRITE, user_place()))
        self.last = called


@contextmanager
def looks_and_writes(parameters: Sequence[Tensor], seen: Seen) -> Iterator[None]:
    """Note in ``seen`` each call of ``torch.autograd.grad`` and each operation that writes one of ``parameters``."""
    with _Looks(seen, parameters), _Writes(seen, parameters):
        yield


@final
class _Looks(TorchFunctionMode):
    """Sees calls of ``torch.autograd.grad`` and assignments of ``parameter.data``, which is no operation."""

    def __init__(self, seen: Seen, parameters: Sequence[Tensor]) -> None:
        super().__init__()
        self.seen, self.parameters = seen, parameters

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.autograd.grad:
            self.seen.append((LOOK, user_place()))
        elif func == Tensor.data.__set__ and any(args[0] is one for one in self.parameters):  # type: ignore[attr-defined]
            self.seen.write()
        return func(*args, **(kwargs or {}))


@final
class _Writes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation that writes into the memory of a parameter, by whatever name it is called."""

    def __init__(self, seen: Seen, parameters: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen, self.memory = seen, {_memory(one) for one in parameters}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        written = _written(func._schema, args, kwargs or {})
        result = func(*args, **(kwargs or {}))
        if any(_memory(one) in self.memory for one in written):
            self.seen.write()
        return result


def _written(schema: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Iterable[Tensor]:
    """Return the tensors that an operation writes, as its schema says."""
    for at, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[at] if at < len(args) else kwargs.get(argument.name)
            several = value if isinstance(value, list | tuple) else [value]
            yield from (one for one in several if isinstance(one, Tensor))


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
