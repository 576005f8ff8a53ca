"""Optional hyperparameters that cases may switch on where a subject accepts them, each with the value used."""

from __future__ import annotations

from collections.abc import Iterable

OPTIONS: dict[str, float | bool] = {
    "weight_decay": 0.25,
    "momentum": 0.5,
    "maximize": True,
    "nesterov": True,
    "amsgrad": True,
    "centered": True,
}
_REQUIRES = {"nesterov": ("momentum",)}
"""Options that a rule accepts only together with others."""


def with_required(names: Iterable[str]) -> list[str]:
    """Return these option names and the options that they require, sorted."""
    chosen = set(names)
    return sorted({*chosen, *(other for name in chosen for other in _REQUIRES.get(name, ()))})
