"""How wrong optimizers become faults."""

from __future__ import annotations

from gdprops.faults.fault import Fault
from gdprops.faults.optimizers.correct_optimizers import PlainDescent
from gdprops.subjects.torch_optimizer.subject import optimizer


def claims_to_be_plain(name: str, summary: str, kind: type[PlainDescent], *, source: str = "") -> Fault:
    """Return the fault of an optimizer that declares itself plain gradient descent."""
    return Fault(name, summary, source, lambda: optimizer(kind, rule="sgd", name=name, lr=0.5))


def claims_nothing(name: str, summary: str, kind: type[PlainDescent], *, source: str = "") -> Fault:
    """Return the fault of an optimizer that declares nothing."""
    return Fault(name, summary, source, lambda: optimizer(kind, name=name, lr=0.5))
