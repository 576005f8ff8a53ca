"""Other values for hyperparameters: valid ones, which should change a step, and invalid ones, which should raise.

Example: ``alternatives("betas", (0.9, 0.999))`` gives values in which ``betas[0]`` is changed, and others in which
``betas[1]`` is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gdprops.numerics import decisions


def alternatives(name: str, value: Any) -> dict[str, list[Any]]:
    """Return other values for a hyperparameter, by label; a tuple has one label per entry: ``betas[0]``, ``betas[1]``.

    A hyperparameter with a published meaning gets other values in its range, any other number its half and its double.
    There are no other values for what is not a finite number, nor for a zero of unknown meaning: a zero may switch
    something off, such as clipping by a norm over all parameters.
    """
    if isinstance(value, tuple | list):
        return {f"{name}[{k}]": [(*value[:k], other, *value[k + 1 :]) for other in found]
                for k, v in enumerate(value) if (found := _others(name, v))}  # fmt: skip
    found = _others(name, value)
    return {name: found} if found else {}


def _others(name: str, value: Any) -> list[Any]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return []
    if name in decisions.ALTERNATIVES:
        return [other for other in decisions.ALTERNATIVES[name] if other != value]
    if isinstance(value, int):
        return [value // 2 or value + 1, 2 * value] if value else []
    return [factor * value for factor in decisions.FACTORS] if value else []


def invalid(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return pairs of a hyperparameter with a known range and a value outside this range."""
    return [
        (name, other)
        for name, value in settings.items()
        for other in decisions.INVALID.get(name, ())
        if isinstance(other, tuple) == isinstance(value, tuple | list) and value is not None
    ]


def listed(options: Any) -> str:
    """Return hyperparameters as text: ``a=1, b=2``."""
    return ", ".join(f"{key}={value}" for key, value in options.items())
