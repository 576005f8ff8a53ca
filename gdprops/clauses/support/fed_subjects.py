"""What the clauses about fed subjects share: the traits that they need, and comparisons of two runs, step by step.

A fed subject is an optimizer or an update rule that gdprops hands gradients to. A clause names the traits that it
needs, as in ``Needs(traits=(FED, REPEATABLE))``, and does not apply where they were measured otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.lazy import lazy
from gdprops.model.traits import IMPLEMENTATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.clauses.support.rounding_allowance import Rerun
    from gdprops.model.case import UpdateCase
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")

FED = ("inputs", ("gradient", "loss"))
"""The step uses the gradients that it finds. It may also use the loss of a closure, but must work without one."""
FED_ALSO_BY_CLOSURES = ("inputs", ("gradient", "loss", "closure"))
"""Any optimizer, including those whose closure evaluates the gradient at other weights (SAM, LBFGS)."""
ONLY_GRADIENTS = ("inputs", ("gradient",))
"""The step uses gradients and nothing else."""
SEPARABLE = ("separability", ("element", "tensor"))
"""What one tensor does depends on no other tensor."""
REPEATABLE = ("randomness", ("none",))
"""The step draws no random numbers."""


def same_trajectory(case: UpdateCase, seen: Sequence[Weights], expected: Sequence[Weights], what: str) -> Evidence:
    """Compare two trajectories of the same optimizer on identical inputs, byte by byte, step by step.

    The comparison ends before the first step whose expected weights are not finite.
    """
    finite = next((t for t, weights in enumerate(expected) if not workbench.are_finite(weights)), len(expected))
    if finite < 2:
        return workbench.vacuous("the expected weights are not finite")
    seen, expected = seen[:finite], expected[:finite]
    if not workbench.differ(expected[-1], case.tensors):
        return workbench.vacuous("nothing moves")
    return same_steps(workbench.names_of(case), seen, expected, what)


def but_for_rounding(
    evidence: Evidence,
    subject: FedSubject,
    case: UpdateCase,
    seen: Sequence[Weights],
    expected: Sequence[Weights],
    rerun: Rerun,
) -> Evidence:
    """Return evidence that was found byte by byte; if a batched computation may explain a violation, compare again.

    A rule that works on whole tensors may compute several tensors of one shape in one batch, and it rounds differently
    in a batch of another size. For such a rule the second comparison allows rounding. ``rerun`` computes what
    ``expected`` is, from other numbers.
    """
    if not evidence.violated or subject.traits["separability"] == "element":
        return evidence
    rough = workbench.decisions.BFLOAT16_SHARE
    return workbench.rounded_alike(case, seen, expected, rerun, evidence.reason, rough=rough)


def same_steps(
    names: Sequence[str],
    seen: Sequence[Weights],
    expected: Sequence[Weights],
    what: str,
    *,
    chosen: Sequence[int] | None = None,
    first: int = 0,
) -> Evidence:
    """Compare the bytes of all tensors, or of the chosen ones, before and after every step from ``first`` on."""
    which = range(len(names)) if chosen is None else chosen
    told = [names[i] for i in which]
    return workbench.combine(
        workbench.same_bytes([s[i] for i in which], [e[i] for i in which], names=told, what=what, step=t)
        for t, (s, e) in enumerate(zip(seen, expected, strict=True), start=first)
    )


def implementations_of(subject: FedSubject) -> list[str]:
    """Return the implementation flags that the subject accepts, such as foreach and fused."""
    accepted = subject.traits["flags"].split("+")
    return [flag for flag in IMPLEMENTATIONS if flag in accepted]


def moving(case: UpdateCase, expected: Sequence[Weights]) -> int:
    """Return how many tensors end elsewhere than they began."""
    return sum(workbench.differ([a], [b]) for a, b in zip(expected[-1], case.tensors, strict=True))


def is_declared(subject: FedSubject, trait: str) -> bool:
    """Say whether the value of a trait was declared by the user, not measured."""
    known = dict(subject.traits)
    return trait in known and known[trait].declared


def coupled(subject: FedSubject, what: str) -> str:
    """Return what was done to the parameters, with the advice to declare a coupling that is meant."""
    meant = f"{what} (if parameters are coupled by design, declare separability=all)"
    return what if is_declared(subject, "separability") else meant


def counting_alike(domain: Domain) -> Domain:
    """Return the domain without the options that change what counts the steps (a tensor, a group, the optimizer)."""
    return replace(domain, options={key: value for key, value in domain.options.items() if key not in domain.counted})
