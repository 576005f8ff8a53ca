"""Which networks a step refuses: those with a parameter that the loss does not reach, and those with a frozen one.

``for p in model.parameters(): p -= lr * p.grad`` is plain gradient descent wherever every parameter has a gradient. Of
an unreached one ``p.grad`` is None, and the line raises TypeError. That is a loud refusal of a network that gdprops has
drawn, and no wrong step: such networks are left out, and a note says so. An exception that no other network cures
(NameError, ImportError) stays a violation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.subjects.training_step.begin import begin
from gdprops.subjects.training_step.declaration import Refused
from gdprops.subjects.user_code.crashes import FAULTS_OF_THE_CODE, said_of

if TYPE_CHECKING:
    from gdprops.model.case import TrainCase
    from gdprops.subjects.training_step.declaration import Declaration


def refused_networks(declared: Declaration, cases: Sequence[TrainCase]) -> Refused:
    """Return which networks a step refuses that trains the first of these cases that it can train."""
    for case in cases:
        if not _said(declared, case):
            return Refused(_said(declared, with_unreached(case)), _said(declared, with_frozen(case)))
    return Refused()


def with_unreached(case: TrainCase) -> TrainCase:
    """Return the case with one more tensor, of two numbers, that no layer names."""
    network, groups = case.network, case.plan.groups
    more = replace(network, names=(*network.names, "unused"), trainable=(*network.trainable, True))
    tensors = (*case.tensors, np.ones(2, dtype=case.tensors[0].dtype))
    plan = replace(case.plan, groups=((*groups[0], len(case.tensors)), *groups[1:]))
    return replace(case, network=more, tensors=tensors, plan=plan)


def with_frozen(case: TrainCase) -> TrainCase:
    """Return the case with its first tensor frozen."""
    trainable = (False, *case.network.trainable[1:])
    return replace(case, network=replace(case.network, trainable=trainable))


def _said(declared: Declaration, case: TrainCase) -> str:
    """Return what building the step, or one step, raises on a case; empty where nothing is, or a bug of its own."""
    try:
        begin(declared, case).step(0)
    except SubjectCrash as crash:
        return "" if crash.told or isinstance(crash.error, FAULTS_OF_THE_CODE) else said_of(crash)
    except Unsupported:
        return ""
    return ""
