"""Chapter optimizer, continued: complex parameters, which move as pairs of real ones do.

Example: the complex parameter 3 + 4i with the gradient 1 + 2i moves like the real parameters (3, 4) with (1, 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Level, Needs, View, clause

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.complex",
    statement="A complex parameter moves as its real and imaginary parts would as real parameters, or by a rule "
    "that uses the absolute values of complex numbers, such as g/|g|.",
    source="torch documentation, complex numbers: a step on complex parameters is the step on their view_as_real(). "
    "pytorch/pytorch#59998: Adam's square of a complex gradient is not the square of its absolute value.",
    decision="For rules that work entry by entry and accept complex parameters. A run on complex tensors is "
    "compared with a run on real tensors that have one dimension more. They must agree but for rounding at every "
    "step: allowed is four times the change that one ulp in weights, gradients and rates makes, and a few ulps "
    "more. If they disagree, a second complex run has all weights and gradients multiplied by (3 + 4i)/5: a rule "
    "that uses absolute values moves to the weights of the first run times (3 + 4i)/5, and holds.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("squares-complex-numbers",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(missing=True)),
    needs=Needs(
        traits=(FED, REPEATABLE, ("separability", ("element",)), ("shapes", ("any",))),
        torch=True,
        feature="complex parameters",
    ),
)
def complex_parameters(subject: FedSubject, case: UpdateCase) -> Evidence:
    pairs = workbench.changed_everywhere(case, workbench.paired)
    expected = workbench.feed(subject, pairs)
    if not workbench.differ(expected[-1], pairs.tensors):
        return workbench.vacuous("nothing moves")
    seen = _on_complex_numbers(subject, pairs)
    what = "complex parameters, against their real and imaginary parts"
    found = workbench.rounded_alike(pairs, seen, expected, lambda other: workbench.feed(subject, other), what)
    return workbench.agreement() if found.violated and _turns_with(subject, pairs, seen) else found


def _on_complex_numbers(subject: FedSubject, pairs: UpdateCase) -> list[Weights]:
    seen = workbench.feed(subject, workbench.changed_everywhere(pairs, workbench.complex_of))
    return [[workbench.pairs_of(w) for w in weights] for weights in seen]


def _turns_with(subject: FedSubject, pairs: UpdateCase, seen: Sequence[Weights]) -> bool:
    """Say whether the run turns in the complex plane together with its weights and gradients.

    A rule with g/|g| does. A rule that uses g² in the place of |g|² does not.
    """

    def turned(weights: Iterable[Weights]) -> list[Weights]:
        return [[workbench.turned(w) for w in tensors] for tensors in weights]

    again = _on_complex_numbers(subject, workbench.changed_everywhere(pairs, workbench.turned))
    return not workbench.rounded_alike(
        pairs, again, turned(seen), lambda other: turned(_on_complex_numbers(subject, other)), ""
    ).violated


CLAUSES = (complex_parameters,)
