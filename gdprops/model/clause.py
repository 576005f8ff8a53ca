"""A clause: one sentence of the specification, its decision, and a pure check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

from gdprops.model.evidence import Evidence
from gdprops.model.traits import Traits

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.model.subject import Domain


class Level(StrEnum):
    """Whether a violation is always a bug, or fails only with ``--strict``."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"


class View(StrEnum):
    """The face of a subject that a clause looks at: the optimizer that is fed, or the system that looks around."""

    OPTIMIZER = "optimizer"
    SYSTEM = "system"


@final
@dataclass(frozen=True, slots=True)
class Needs:
    """What a subject must be for a clause to apply: allowed values for each trait, plainness, a closure.

    ``plain`` True: plain gradient descent, declared or probed; False: any other rule; None: both.
    """

    traits: tuple[tuple[str, tuple[str, ...]], ...] = ()
    plain: bool | None = None
    parameter_groups: bool = False
    rate: bool = False

    def unmet(self, traits: Traits, *, rule: str | None, kind: str) -> str | None:
        """Return why a clause does not apply, or None where it does."""
        for key, allowed in self.traits:
            held = traits[key]
            if held not in allowed and held != "unknown":
                return f"{key} is {held}, not {' or '.join(allowed)}"
        if self.parameter_groups and kind == "update-rule":
            return "an update rule has no parameter groups, closures or autograd gradients"
        return self._plainness(traits, rule)

    def _plainness(self, traits: Traits, rule: str | None) -> str | None:
        is_plain = rule == "sgd" or traits.plain == "yes"
        if self.plain is True and not is_plain and traits.plain == "no":
            return "not plain gradient descent (declare it with --rule sgd if it is meant to be)"
        if self.plain is False and is_plain:
            return "plain gradient descent: the stronger clause applies"
        return None


@final
@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of the specification.

    ``cases(domain)`` returns the strategy that draws its cases; ``examine(target, case)`` runs one and says what it
    showed. ``claim`` marks a claim of the project's source documents.
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
) -> Callable[[Callable[[Any, Any], Evidence]], Clause]:
    """Turn the check below it into a clause. Nothing is registered: chapters export their clauses as a tuple."""

    def bind(examine: Callable[[Any, Any], Evidence]) -> Clause:
        return Clause(
            id, statement, source, decision, level, view, refuted_by, cases, examine, needs, claim
        )

    return bind
