"""The executable specification of gradient descent.

Public names are loaded on first use, so that ``import gdprops`` costs nothing and needs neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from gdprops.version import __version__

if TYPE_CHECKING:
    from gdprops.api import check, replay
    from gdprops.errors import GdpropsError, UsageError
    from gdprops.live_run import watch
    from gdprops.plugin.parametrize import parametrize
    from gdprops.plugin.pytest_outcomes import GdpropsWarning
    from gdprops.report.report import Report
    from gdprops.subjects.backprop.subject import backprop
    from gdprops.subjects.distributed_step.subject import distributed_step
    from gdprops.subjects.torch_optimizer.subject import optimizer
    from gdprops.subjects.training_step.subject import training_step
    from gdprops.subjects.update_rule.subject import update_rule

__all__ = [
    "GdpropsError",
    "GdpropsWarning",
    "Report",
    "UsageError",
    "__version__",
    "backprop",
    "check",
    "distributed_step",
    "optimizer",
    "parametrize",
    "replay",
    "training_step",
    "update_rule",
    "watch",
]

_HOMES = {
    "GdpropsError": "gdprops.errors",
    "GdpropsWarning": "gdprops.plugin.pytest_outcomes",
    "Report": "gdprops.report.report",
    "UsageError": "gdprops.errors",
    "backprop": "gdprops.subjects.backprop.subject",
    "check": "gdprops.api",
    "distributed_step": "gdprops.subjects.distributed_step.subject",
    "optimizer": "gdprops.subjects.torch_optimizer.subject",
    "parametrize": "gdprops.plugin.parametrize",
    "replay": "gdprops.api",
    "training_step": "gdprops.subjects.training_step.subject",
    "update_rule": "gdprops.subjects.update_rule.subject",
    "watch": "gdprops.live_run",
}


def __getattr__(name: str) -> object:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gdprops' has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
