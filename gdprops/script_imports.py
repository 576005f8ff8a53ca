"""The names that printed scripts import from gdprops. They never change, so that an old script still runs.

A few counterexamples need a few lines of gdprops: those with a model that torch alone cannot build, those with batches
that a check has converted to double precision, and those of an optimizer that owns its variables. Everything else in a
printed script is plain torch or NumPy. Each name is loaded on first use, so that a script of one framework does not
import another one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.kinds.resolve import resolve
    from gdprops.subjects.training_step.architecture_modules import MeanOverTokens, SelfAttention
    from gdprops.subjects.training_step.network_modules import Recomputed
    from gdprops.subjects.training_step.own.redraw import model_like
    from gdprops.subjects.training_step.structures import doubled

__all__ = ["MeanOverTokens", "Recomputed", "SelfAttention", "doubled", "model_like", "resolve"]

_HOMES = {
    "MeanOverTokens": "gdprops.subjects.training_step.architecture_modules",
    "Recomputed": "gdprops.subjects.training_step.network_modules",
    "SelfAttention": "gdprops.subjects.training_step.architecture_modules",
    "doubled": "gdprops.subjects.training_step.structures",
    "model_like": "gdprops.subjects.training_step.own.redraw",
    "resolve": "gdprops.kinds.resolve",
}


def __getattr__(name: str) -> object:
    """Load a name from the module that defines it on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
