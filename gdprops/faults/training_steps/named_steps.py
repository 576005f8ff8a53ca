"""How training steps become faults and twins: they are named for what builds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdprops.faults.fault import Fault, Twin
from gdprops.subjects.training_step.subject import training_step


def faulty_step(build: Callable[..., Any], summary: str, *, source: str = "", **declared: Any) -> Fault:
    """Return the fault of a training step."""
    name = build.__name__.replace("_", "-")
    return Fault(name, summary, source, lambda: training_step(build, name=name, **declared))


def correct_step(build: Callable[..., Any], **declared: Any) -> Twin:
    """Return the twin of a training step."""
    name = f"training-{build.__name__.replace('_', '-')}"
    return Twin(name, subject=lambda: training_step(build, name=name, **declared))
