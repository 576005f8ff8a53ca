"""Finds the public methods that an optimizer adds to those of torch.optim: taking steps never shows what they do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import torch

from gdprops.subjects.user_code.signatures import can_take


def methods_reading(optimizer: torch.optim.Optimizer, hyperparameter: str) -> Iterator[Callable[[], Any]]:
    """Yield the optimizer's own public methods that need no argument and mention a hyperparameter.

    Sophia's ``update_hessian()`` is such a method: it reads ``group["betas"]``.
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
