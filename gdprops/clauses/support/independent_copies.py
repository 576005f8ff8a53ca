"""Independent copies: every tensor is stepped by an optimizer of its own, which does not know the other tensors.

If a rule treats tensors separately, the joint step over all tensors must end where these copies end. An optimizer that
moves one tensor and then uses it for the next (a sweep) does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.support.lazy import lazy
from gdprops.model.case import UpdateCase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import Plan, TrainCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Gradients
else:
    workbench = lazy("gdprops.clauses.support.workbench")


def stepped_by_copies(subject: FedSubject, case: UpdateCase, plan: Plan, chosen: Sequence[int]) -> list[Weights]:
    """Return the weights before and after every step when each tensor is stepped by a copy of its own.

    ``chosen``: for each tensor of the case, its index in the plan.
    """
    histories = zip(*case.gradients, strict=True)
    alone = [
        workbench.feed_alone(subject, w, gradients, plan, i)
        for i, w, gradients in zip(chosen, case.tensors, histories, strict=True)
    ]
    return [list(weights) for weights in zip(*alone, strict=True)]


def copies_agree(subject: FedSubject, case: TrainCase, seen: Sequence[Weights], fed: Sequence[Gradients]) -> Evidence:
    """Compare the joint steps with those of independent copies that are fed the same gradients.

    They must be equal entry by entry. A rule that works on whole tensors may differ by rounding, because it may compute
    several tensors of one shape in one batch.
    """
    network = case.network
    chosen = [i for i in network.moving if i in network.used]
    part = UpdateCase(
        tuple(case.tensors[i] for i in chosen),
        tuple(tuple(step[i] for i in chosen) for step in fed),
        case.plan,
        case.precision,
    )

    def by_copies(given: UpdateCase) -> list[Weights]:
        return stepped_by_copies(subject, given, case.plan, chosen)

    joint, expected = [[weights[i] for i in chosen] for weights in seen], by_copies(part)
    apart = any(workbench.differ(a, b) for a, b in zip(joint, expected, strict=True))
    rounds, share = subject.traits["separability"] == "tensor" and apart, workbench.decisions.BFLOAT16_SHARE
    allowed = workbench.allowances(part, expected, by_copies, 0.0, share) if rounds else [0.0] * len(expected)
    names, what = [network.names[i] for i in chosen], "stepped by an independent copy of the optimizer"
    return workbench.combine(
        workbench.compare(
            joint[t],
            expected[t],
            names=names,
            allowed=allowed[t],
            start=joint[t - 1],
            rivals=[joint[t - 1]],
            step=t,
            what=what,
        )
        for t in range(1, len(expected))
    )
