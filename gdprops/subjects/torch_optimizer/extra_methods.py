"""Methods that an optimizer has of its own, beyond those of torch.optim: what they do, a step alone never shows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import torch

from gdprops.subjects.user_code.signatures import can_take


def methods_reading(optimizer: torch.optim.Optimizer, hyperparameter: str) -> Iterator[Callable[[], Any]]:
    """Yield the public methods of its own that need no argument and name a hyperparameter.

    Sophia's ``update_hessian()`` is one that reads ``group["betas"]``.
    """
    for key in sorted(set(dir(type(optimizer))) - set(dir(torch.optim.Optimizer))):
        method = inspect.unwrap(getattr(type(optimizer), key))
        if not key.startswith("_") and isinstance(method, FunctionType) and _reads(method, hyperparameter):
            bound = getattr(optimizer, key)
            if can_take(bound):
                yield bound


def _reads(method: FunctionType, hyperparameter: str) -> bool:
    code = method.__code__
    return hyperparameter in code.co_consts or hyperparameter in code.co_names
