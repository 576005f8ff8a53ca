"""One case that the clauses of the optimizer chapter are tried on, and the suspects that are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gdprops.clauses import catalogue
from gdprops.model.arrays import Array
from gdprops.model.case import Plan, UpdateCase
from gdprops.model.evidence import Evidence
from gdprops.runner.session import Measured, measured_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.user_code.isolation import isolated
from tests.faults.suspects import measured


def ramp(*shape: int) -> Array:
    return np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape) / 4


TENSORS = (ramp(2), ramp(2, 2), ramp(1, 3), ramp(2))
GRADIENTS = tuple(tuple((-0.5) ** t * (k + 1) + w / 10 for k, w in enumerate(TENSORS)) for t in range(5))
CASE = UpdateCase(TENSORS, GRADIENTS, Plan(((0, 1, 2, 3),), (0.5,)), 53, (3, 1, 2, 0, 4))
DECAYING = replace(CASE, plan=replace(CASE.plan, options={"weight_decay": 0.25}))


def without(case: UpdateCase, step: int, tensor: int) -> UpdateCase:
    """Return a case in which one gradient is missing."""
    fed = [list(gradients) for gradients in case.gradients]
    fed[step][tensor] = None
    return replace(case, gradients=tuple(map(tuple, fed)))


def mixed(case: UpdateCase) -> UpdateCase:
    """Return a case whose every second tensor is float32."""

    def single(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(a.astype(np.float32) if i % 2 else a for i, a in enumerate(arrays))

    return replace(case, tensors=single(case.tensors), gradients=tuple(map(single, case.gradients)), precision=24)


CASES: dict[str, UpdateCase] = {
    "missing-gradient": without(CASE, 1, 1),
    "implementations": without(CASE, 1, 1),
    "mixed-dtypes": mixed(CASE),
    "group-split": DECAYING,
    "maximize": DECAYING,
}


def examined(found: Measured, clause: str, case: UpdateCase) -> Evidence:
    """Return what a clause, of the optimizer chapter where no other is named, says of one case."""
    named = clause if "." in clause else f"optimizer.{clause}"
    with isolated():
        evidence: Evidence = catalogue()[named].examine(found.subject, case)
    return evidence


def suspected(fault: str) -> Measured:
    """Return a fault of the bank with its traits."""
    found = measured(fault).measured
    assert found is not None
    return found


def probed(subject: Any) -> Measured:
    """Return a subject with its traits and its domain."""
    with isolated():
        return measured_subject(subject, Settings())


def taken(case: UpdateCase, found: Measured) -> UpdateCase:
    """Return a case without the options that a subject does not take."""
    options = {key: value for key, value in case.plan.options.items() if key in found.domain.options}
    return replace(case, plan=replace(case.plan, options=options))
