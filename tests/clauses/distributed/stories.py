"""What a clause of the chapter distributed says of a step, on one small case."""

from __future__ import annotations

from functools import cache
from typing import Any

import gdprops
from gdprops.clauses import catalogue
from gdprops.model.case import RanksCase
from gdprops.model.evidence import Evidence
from gdprops.subjects.distributed_step.observed import Story, observed
from gdprops.subjects.distributed_step.subject import DistributedStep
from gdprops.subjects.distributed_step.trial import trial_case, tried
from gdprops.subjects.user_code.isolation import isolated


@cache
def measured(build: Any, **declared: Any) -> DistributedStep:
    with isolated():
        return tried(gdprops.distributed_step(build, **{"world": 2, **declared}))[0]


def story_of(subject: DistributedStep, case: RanksCase | None = None) -> Story:
    with isolated():
        return observed(subject.declaration, case or trial_case(subject, min(subject.declaration.worlds)))


def judged(clause: str, build: Any, case: RanksCase | None = None, **declared: Any) -> Evidence:
    subject = measured(build, **declared)
    examine: Any = catalogue()[clause].implementations["distributed-step"].examine
    with isolated():
        found: Evidence = examine.told(subject, story_of(subject, case))
    return found
