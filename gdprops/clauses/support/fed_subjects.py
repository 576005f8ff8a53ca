"""What the clauses about fed subjects share: which traits they need, and comparison step by step."""

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
"""A step takes the gradients that stand there. One that also listens to a closure's loss can do without."""
FED_ALSO_BY_CLOSURES = ("inputs", ("gradient", "loss", "closure"))
"""What every step has to keep, also one that looks elsewhere than where it stands."""
ONLY_GRADIENTS = ("inputs", ("gradient",))
SEPARABLE = ("separability", ("element", "tensor"))
REPEATABLE = ("randomness", ("none",))


def same_trajectory(case: UpdateCase, seen: Sequence[Weights], expected: Sequence[Weights], what: str) -> Evidence:
    """Compare two trajectories of the same optimizer on identical inputs, byte by byte, step by step.

    From the first step on whose expected weights are not finite, nothing is compared.
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
    """Return what was found byte by byte, where no batches explain it.

    A rule of whole tensors may compute those of one shape in a batch, and rounds otherwise in another one. ``rerun``:
    how ``expected`` was computed, on other numbers.
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
    """Return the flags that choose how the rule is computed and that the subject accepts."""
    accepted = subject.traits["flags"].split("+")
    return [flag for flag in IMPLEMENTATIONS if flag in accepted]


def moving(case: UpdateCase, expected: Sequence[Weights]) -> int:
    """Return how many tensors move."""
    return sum(workbench.differ([a], [b]) for a, b in zip(expected[-1], case.tensors, strict=True))


def is_declared(subject: FedSubject, trait: str) -> bool:
    """Say whether it is the user who says what a trait is."""
    known = dict(subject.traits)
    return trait in known and known[trait].declared


def coupled(subject: FedSubject, what: str) -> str:
    """Return what was done, with what to declare where a coupling of parameters is meant to be."""
    meant = f"{what} (if parameters are coupled by design, declare separability=all)"
    return what if is_declared(subject, "separability") else meant


def counting_alike(domain: Domain) -> Domain:
    """Return the domain without the options with which something else counts the steps than without them."""
    return replace(domain, options={key: value for key, value in domain.options.items() if key not in domain.counted})
