"""Other values for hyperparameters: in the range of their meaning, and outside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gdprops.numerics import decisions


def alternatives(name: str, value: Any) -> dict[str, list[Any]]:
    """Return other values for a hyperparameter, those of a tuple entry by entry: ``betas[0]``, ``betas[1]``.

    Where its meaning is published they lie in its range; else they are its half and its double. What is no finite
    number has none, nor a zero of unknown meaning: it may switch something off, such as clipping by a norm over all
    parameters.
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
    """Return every hyperparameter with a known range, and values outside it."""
    return [
        (name, other)
        for name, value in settings.items()
        for other in decisions.INVALID.get(name, ())
        if isinstance(other, tuple) == isinstance(value, tuple | list) and value is not None
    ]


def listed(options: Any) -> str:
    """Return ``a=1, b=2``."""
    return ", ".join(f"{key}={value}" for key, value in options.items())
