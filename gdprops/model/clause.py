"""A clause: one sentence of the specification, its decision, and a pure check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

from gdprops.model.evidence import Evidence
from gdprops.model.traits import Traits, rule_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.domain import Domain


class Level(StrEnum):
    """Whether a violation is always a bug, or fails only with ``--strict``."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


class View(StrEnum):
    """The face of a subject that a clause looks at: an optimizer that is fed, a system that looks, a training step."""

    OPTIMIZER = "optimizer"
    SYSTEM = "system"
    TRAINING = "training"


@final
@dataclass(frozen=True, slots=True)
class Needs:
    """What a subject must be for a clause to apply.

    ``traits``: allowed values by key; ``plain`` True: plain gradient descent, declared or probed, False: any other
    rule; ``unless_declared``: traits that switch the clause off when their owner declares them, and only then;
    ``torch``: parameter objects, closures and autograd; ``groups``: several parameter groups; ``frozen``: parameters
    with requires_grad=False; ``rate``: a learning rate that can be set; ``option``: a hyperparameter that the subject
    takes; ``feature``: something else that it takes; ``declared``: a trait or rule that its owner has declared;
    ``reference_only``: no subject can break the clause; ``rule``: the published rule that must be declared.
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
        """Return why a clause does not apply, or None where it does."""
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
            return "declares no trait"
        return self._not_taken(domain) or self._wrong_rule(traits, rule)

    def _not_taken(self, domain: Domain) -> str | None:
        if self.groups and not domain.groups:
            return "refuses several parameter groups"
        if self.frozen and not domain.frozen:
            return "refuses parameters with requires_grad=False"
        if self.rate and not domain.rate:
            return "shows no learning rate that could be set"
        if self.option and self.option not in domain.options:
            return f"takes no {self.option}"
        return f"takes no {self.feature}" if self.feature and self.feature not in domain.features else None

    def _wrong_rule(self, traits: Traits, rule: str | None) -> str | None:
        if self.rule is not None and rule_of(rule) != self.rule:
            return "it declares no such published rule (--rule NAME declares one)"
        is_plain = rule == "sgd" or traits.plain == "yes"
        if self.plain is True and not is_plain and traits.plain == "no":
            return "not plain gradient descent (if it is meant to be, declare it: --rule sgd)"
        if self.plain is False and is_plain:
            return "plain gradient descent: the stronger clause step.trains applies"
        return None

    def near_miss(self, traits: Traits, *, rule: str | None) -> str | None:
        """Return how an undeclared subject misses being plain, where a clause about plain descent cannot decide."""
        if self.plain is True and rule != "sgd" and traits.plain.startswith("nearly"):
            return f"{traits.plain}; declare --rule sgd to hold it to that"
        return None


@final
@dataclass(frozen=True, slots=True)
class Implementation:
    """How a clause is decided on another kind of subject: its cases, the check, and why it may not apply.

    ``refuted_by`` names faults of that kind.
    """

    cases: Callable[[Domain], SearchStrategy[Any]]
    examine: Callable[[Any, Any], Evidence]
    unmet: Callable[[Any], str | None] = lambda subject: None
    refuted_by: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of the specification.

    ``cases(domain)`` returns the strategy that draws its cases; ``examine(target, case)`` runs one and says what it
    showed. ``claim`` marks a claim of the project's source documents. ``implementations``: by kind of subject, how it
    is decided on those that are not fed gradients.
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
        """The part of the id before the dot."""
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
    """Turn the check below it into a clause. Nothing is registered: chapters export their clauses as a tuple."""

    def bind(examine: Callable[[Any, Any], Evidence]) -> Clause:
        return Clause(id, statement, source, decision, level, view, refuted_by, cases, examine, needs, claim, since)

    return bind
