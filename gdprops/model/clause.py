"""A clause: one sentence of the specification, how it is decided, and a pure function that examines one case.

A file of clauses writes ``@clause(id="step.simultaneous", statement=…, cases=…)`` above a function ``(target, case) ->
Evidence`` and lists the clause in its tuple ``CLAUSES``. Nothing is registered by importing a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

from gdprops.model.evidence import Evidence
from gdprops.model.level import Level
from gdprops.model.traits import DECAYS, UNMEASURED, Traits, declares_plain, rule_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.domain import Domain


__all__ = ["Clause", "Implementation", "Level", "Needs", "View", "clause"]


class View(StrEnum):
    """What a clause examines: an optimizer that is fed gradients, a system, a training step, or a watched run.

    A system computes the gradients too. A watched run is somebody's training script; no subject of `gdprops check` is
    held to its clauses, and ``cases`` draws nothing for them: the ledger of the run is what they examine.
    """

    OPTIMIZER = "optimizer"
    SYSTEM = "system"
    TRAINING = "training"
    LIVE = "live"


@final
@dataclass(frozen=True, slots=True)
class Needs:
    """What a subject must be or have for a clause to apply.

    ``traits``: the allowed values of each trait. ``unless_declared``: trait values that switch the clause off where the
    user declares them, but not where they are only measured. ``plain``: True demands plain gradient descent (declared
    or measured), False any other rule. ``torch``: parameter objects, closures and autograd. ``groups``: several
    parameter groups. ``frozen``: parameters with requires_grad=False. ``rate``: a learning rate that can be set.
    ``option``: a hyperparameter that the subject accepts. ``feature``: one of `Domain.features`. ``declared``: at least
    one declared trait or rule. ``reference_only``: no subject can break the clause. ``rule``: the published rule that
    the subject must declare.
    """

    traits: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unless_declared: tuple[tuple[str, str], ...] = ()
    plain: bool | None = None
    torch: bool = False
    groups: bool = False
    frozen: bool = False
    rate: bool = False
    option: str = ""
    feature: str = ""
    declared: bool = False
    reference_only: bool = False
    rule: str | None = None

    def unmet(self, traits: Traits, domain: Domain, *, rule: str | None) -> str | None:
        """Return why the clause does not apply to a subject, or None where it applies."""
        for key, allowed in self.traits:
            held = traits[key]
            if held != "unknown" and not set(held.split("+")) & set(allowed):
                return f"{key} is {held}, not {' or '.join(allowed)}"
        for key, value in self.unless_declared:
            if key in traits.known and traits.known[key].declared and traits[key] == value:
                return f"{key} is declared {value}"
        if self.torch and domain.without_objects:
            return domain.without_objects
        if self.declared and not any(trait.declared for _, trait in traits):
            return "the user declares no trait"
        unmet = self._not_taken(domain)
        if self.plain is True and rule != "sgd" and traits.plain == UNMEASURED:
            unmet = unmet or UNMEASURED
        return (unmet and domain.unmeasured) or unmet or self._wrong_rule(traits, rule)

    def _not_taken(self, domain: Domain) -> str | None:
        if self.groups and not (domain.groups or domain.groups_crash):
            return "refuses several parameter groups"
        if self.frozen and not domain.missing:
            return "a step raises where a gradient is None: optimizer.missing-gradient is about that"
        if self.frozen and not domain.frozen:
            return "refuses parameters with requires_grad=False"
        if self.rate and not domain.rate:
            return "has no learning rate that can be set"
        if self.option and self.option not in domain.options:
            return f"does not accept {self.option}"
        return f"does not support {self.feature}" if self.feature and self.feature not in domain.features else None

    def _wrong_rule(self, traits: Traits, rule: str | None) -> str | None:
        if self.rule is not None and rule_of(rule) != self.rule:
            return "the subject does not declare this published rule (--rule NAME declares one)"
        is_plain = declares_plain(rule, traits) or traits.plain == "yes"
        if self.plain is True and traits.plain == DECAYS:
            return f"not plain gradient descent: {DECAYS}"
        if self.plain is True and not is_plain and traits.plain == "no":
            return "not plain gradient descent (if it is meant to be, declare it: --rule sgd)"
        if self.plain is False and is_plain:
            return "plain gradient descent: the stronger clause step.trains applies"
        return None

    def near_miss(self, traits: Traits, *, rule: str | None) -> str | None:
        """Return how a subject narrowly fails to be plain gradient descent, if it does and declares no rule.

        A clause about plain gradient descent cannot decide then: only a declaration says that the subject should be
        plain.
        """
        if self.plain is True and rule != "sgd" and traits.plain.startswith("nearly"):
            return f"{traits.plain}; declare --rule sgd to check it as plain gradient descent"
        return None


@final
@dataclass(frozen=True, slots=True)
class Implementation:
    """How a clause is examined on a kind of subject that is not fed gradients (a training step, hand-written backprop).

    ``cases(domain)`` returns the strategy that draws its cases, ``examine(subject, case)`` runs one case, and
    ``unmet(subject)`` returns why the clause does not apply, or None. ``refuted_by`` names deliberate faults of that
    kind.
    """

    cases: Callable[[Domain], SearchStrategy[Any]]
    examine: Callable[[Any, Any], Evidence]
    unmet: Callable[[Any], str | None] = lambda subject: None
    refuted_by: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of the specification.

    ``cases(domain)`` returns the strategy that draws its cases; ``examine(target, case)`` runs one case and returns
    what it showed. ``refuted_by`` names deliberate faults that violate the clause. ``claim`` marks a claim of the
    project's source documents. ``implementations`` holds, by kind of subject, how the clause is examined on subjects
    that are not fed gradients.
    """

    id: str
    statement: str
    source: str
    decision: str
    level: Level
    view: View
    refuted_by: tuple[str, ...]
    cases: Callable[[Domain], SearchStrategy[Any]]
    examine: Callable[[Any, Any], Evidence]
    needs: Needs = Needs()
    claim: bool = False
    since: int = 1
    revision: int = 1
    implementations: Mapping[str, Implementation] = field(default_factory=dict)

    @property
    def chapter(self) -> str:
        """The part of the id before the first dot."""
        return self.id.partition(".")[0]


def clause(
    *,
    id: str,  # noqa: A002 - the field's own name reads best at the place of definition
    statement: str,
    source: str,
    decision: str,
    view: View,
    refuted_by: tuple[str, ...],
    cases: Callable[[Domain], SearchStrategy[Any]],
    level: Level = Level.REQUIRED,
    needs: Needs = Needs(),
    claim: bool = False,
    since: int = 1,
) -> Callable[[Callable[[Any, Any], Evidence]], Clause]:
    """Return a decorator that turns a function ``(target, case) -> Evidence`` into a clause.

    Nothing is registered: each chapter exports its clauses as a tuple.
    """

    def bind(examine: Callable[[Any, Any], Evidence]) -> Clause:
        return Clause(id, statement, source, decision, level, view, refuted_by, cases, examine, needs, claim, since)

    return bind
