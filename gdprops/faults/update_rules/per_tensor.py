"""Update rules that treat each tensor by itself: written for one tensor, and made a rule over dictionaries of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

OneTensor = Callable[..., Any]
"""``(w, g, s, lr, …) -> w'``; s is the tensor's own dictionary, empty before the first step."""


def per_tensor(function: OneTensor) -> Callable[..., Any]:
    """Return the update rule over dictionaries of tensors that treats each by itself."""

    @functools.wraps(function)
    def rule(params: Any, grads: Any, state: Any, **given: Any) -> Any:
        state, moved = {name: dict(s) for name, s in (state or {}).items()}, dict(params)
        for name, g in grads.items():
            moved[name] = np.asarray(function(params[name], g, state.setdefault(name, {}), **given))
        return moved, state

    return rule
