"""Explanations without a search: on the examples that every explanation must hold in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any

from gdprops.explanations.explanation import Explanation
from gdprops.explanations.training_step.explain import explained
from gdprops.faults import bank
from gdprops.runner.pooled_examples import examples_of
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import Settings
from gdprops.strategies.distinguishing_networks import distinguishing_cases
from gdprops.subjects.training_step.subject import training_step
from gdprops.subjects.user_code.isolation import isolated


def instead(subject: Any, most: int | None = None) -> Explanation | None:
    """Return what a training step does instead, None where it is right; ``most``: in how many examples."""
    with isolated():
        measured = measured_subject(subject, Settings(timeout=600.0))
        given: Any = measured.subject
        if measured.domain.own is not None:  # there is no counterexample yet, and drawn networks are none of the user's
            return explained(given, islice(examples_of(given, measured.domain, None, []), 1, most))
        first = distinguishing_cases(measured.domain.window, means=measured.domain.means)[0]
        return explained(given, islice(examples_of(given, measured.domain, first, []), most))


def instead_of(build: Callable[..., Any], **declared: Any) -> Explanation:
    """Return the same for a step that is wrong."""
    found = instead(training_step(build, name=build.__name__, **declared))
    assert found is not None
    return found


@cache
def of_fault(name: str) -> Explanation | None:
    """Return the same for a fault of the bank."""
    (fault,) = (fault for fault in bank() if fault.name == name)
    assert fault.subject is not None
    return instead(fault.subject())
