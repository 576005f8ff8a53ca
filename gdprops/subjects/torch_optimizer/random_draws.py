"""Which random generators a torch step draws from."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class PrivateDraws(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Sees whether an operation draws from a generator other than torch's global one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # likewise
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [*args, *(kwargs or {}).values()]
        self.seen |= any(isinstance(a, torch.Generator) and a is not torch.default_generator for a in given)
        return func(*args, **(kwargs or {}))
