"""Every tensor stepped by an independent copy of the optimizer, which has never heard of the others."""

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
    """Return the weights before and after every step, every tensor stepped by a copy of its own.

    ``chosen`` says which tensors of the plan those of the case are.
    """
    histories = zip(*case.gradients, strict=True)
    alone = [
        workbench.feed_alone(subject, w, gradients, plan, i)
        for i, w, gradients in zip(chosen, case.tensors, histories, strict=True)
    ]
    return [list(weights) for weights in zip(*alone, strict=True)]


def copies_agree(subject: FedSubject, case: TrainCase, seen: Sequence[Weights], fed: Sequence[Gradients]) -> Evidence:
    """Compare the joint steps with those of independent copies on the same gradients.

    Equal entry by entry; a rule of whole tensors may take several of one shape at once, and then rounds otherwise.
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
