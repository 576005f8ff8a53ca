"""Optional hyperparameters that cases may switch on where a subject accepts them, each with the value used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

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


RATE_NAMES = ("lr", "learning_rate", "eta")
"""What a learning rate is called among the hyperparameters."""
FURTHER_OPTIONS = "further numeric option"
"""The feature of a subject that has a numeric hyperparameter of unpublished meaning."""
NAMED_AS_RATE = re.compile(r"(.*_)?(lr[^_]*|[^_]*lr|rate|eta)(_.*)?")
"""How a second learning rate is called: ``adam_lr``, ``lr1d``, ``bias_learning_rate``."""


def further_rates(settings: Mapping[str, Any]) -> list[str]:
    """Return which hyperparameters are called a learning rate beside the one that schedules change: ``adam_lr``."""
    return [
        name
        for name, value in settings.items()
        if name not in RATE_NAMES
        and NAMED_AS_RATE.fullmatch(name.lower())
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and value != 0
    ]
