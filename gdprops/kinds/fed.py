"""The common part of the kinds whose subjects are fed gradients: optimizers, update rules and framework optimizers.

Their traits can be measured, their steps can be used in a sweep, and they can declare a published rule.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gdprops.kinds.kind import Kind
from gdprops.model.clause import Clause, View
from gdprops.model.domain import Domain
from gdprops.model.subject import FedSubject
from gdprops.model.traits import declares_plain, rule_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.explanations.explanation import Explanation
    from gdprops.model.evidence import Evidence
    from gdprops.model.measurement import Measurement

F = TypeVar("F", bound=FedSubject)


class FedKind(Kind[F]):
    """A kind whose subjects are fed gradients by gdprops, instead of computing gradients themselves."""

    takes_traits = True

    def measure(self, subject: F) -> Measurement:
        """Return the traits that the probe measures, and what cases may contain."""
        from gdprops.subjects.probe.measure import measurement

        return measurement(subject)

    def traits(self, subject: F) -> Measurement:
        """Return the traits of a subject, measured or declared, and what is told of it beside them."""
        return self.measure(subject)

    def applies(self, subject: F, clause: Clause) -> bool:
        """Say whether a clause applies.

        Clauses about sweeps apply to a subject that is declared to be plain gradient descent. Clauses about gradients
        apply to a subject with a framework of its own. Of the clauses about published rules, that of the declared rule
        applies.
        """
        if clause.needs.rule is not None and subject.rule:
            return clause.needs.rule == rule_of(subject.rule)
        if clause.view is View.OPTIMIZER:
            return True
        swept = declares_plain(subject.rule, subject.traits) and clause.needs.plain is True
        return clause.view is View.SYSTEM and (swept or (bool(subject.framework) and _only_looks(clause)))

    def family(self, clause: Clause) -> Hashable:
        """Return the clause itself: each draws cases of its own."""
        return clause.id

    def examiner(self, subject: F, clause: Clause) -> Callable[[Any], Evidence]:
        """Return the check of a clause, bound to the subject; some clauses need a system built on the subject."""
        from gdprops.subjects.subject_system import SubjectSystem

        if clause.view is View.SYSTEM:
            return lambda case: clause.examine(SubjectSystem(subject), case)
        return lambda case: clause.examine(subject, case)

    def cases(self, clause: Clause, domain: Domain) -> SearchStrategy[Any]:
        """Return the strategy that draws the cases of a clause.

        For clauses about gradients, the domain of the optimizer does not matter.
        """
        return clause.cases(Domain() if _only_looks(clause) else domain)

    def explains(self, clause: Clause) -> bool:
        """Say whether the clause is about a published rule: only then can a violation be explained by another form."""
        return clause.needs.rule is not None

    def explain(self, subject: F, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]) -> Explanation | None:
        """Return the explanation that names another form of the declared rule which gives the observed weights."""
        from gdprops.explanations.explanation import Explanation
        from gdprops.explanations.published_rule import what_instead

        text = what_instead(subject, list(failing))
        return None if text is None else Explanation(text)


def _only_looks(clause: Clause) -> bool:
    return clause.view is View.SYSTEM and clause.chapter == "gradient"
