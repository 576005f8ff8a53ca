"""How a clause of the chapter distributed is declared: a pure function from the story of a case to evidence.

All ranks run a case once, and every clause of a family reads the same story. `ranks_story` has what they compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from gdprops.clauses.support.lazy import lazy
from gdprops.model.case import BRANCH
from gdprops.model.clause import Clause, Implementation, Level, View, clause
from gdprops.model.evidence import Evidence, vacuous, wrong_elsewise
from gdprops.subjects.distributed_step import NAME

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import ranks_story
    from gdprops.model.domain import Domain
    from gdprops.strategies import distributed_loops
    from gdprops.subjects.distributed_step import observed
    from gdprops.subjects.distributed_step.declaration import Distributed
    from gdprops.subjects.distributed_step.observed import Story
else:
    ranks_story = lazy("gdprops.clauses.support.ranks_story")
    distributed_loops = lazy("gdprops.strategies.distributed_loops")
    observed = lazy("gdprops.subjects.distributed_step.observed")

LOST = "the ranks have lost each other: distributed.collectives is about that"
ELSEWISE = "the step already fails distributed.equals-single where nothing is saved and loaded"
EVERYWHERE = "the step already fails distributed.equals-single where all ranks reach every parameter"
KINK = "an activation sits within rounding of its kink"
NOT_ALONE = (
    "on one process with all rows the step is already another one than the expected update: check that first, as a "
    "training step"
)


def any_deal(domain: Domain) -> SearchStrategy[Any]:
    """Return the cases that the clauses of the chapter share: each is run once for all of them."""
    return distributed_loops.distributed_loops(domain)


def saved_in_between(domain: Domain) -> SearchStrategy[Any]:
    """Return the cases in which a training is saved, and goes on on as many ranks or on others."""
    return distributed_loops.resumed_loops(domain)


def reached_by_some(domain: Domain) -> SearchStrategy[Any]:
    """Return the cases in which the rows of some ranks, or of none, reach a parameter."""
    return distributed_loops.branched_loops(domain)


@final
@dataclass(frozen=True)
class StoryJudge:
    """How a clause is decided on the story of a case; called with a subject and a case, it has one of its own.

    ``compares``: it needs the update of one process, and is told only where the step on one process makes it.
    """

    judge: Callable[[Story], Evidence]
    compares: bool

    def __call__(self, subject: Any, case: Any) -> Evidence:
        """Return what the story of a case shows."""
        return self.told(subject, observed.observed(subject.declaration, case))

    def told(self, subject: Any, story: Story) -> Evidence:
        """Return what a story shows. Raises what the user's code has raised."""
        if story.crash is not None:
            raise story.crash
        if not self.compares:
            return self.judge(story)
        if story.is_lost:
            return vacuous(LOST)
        unknown = story.unknown or subject.declaration.habits.unknown
        if unknown:
            return vacuous(unknown)
        evidence = self.judge(story)
        return _doubted(subject.declaration, story) or evidence if evidence.violated else evidence


def _doubted(declared: Distributed, story: Story) -> Evidence | None:
    """Return why a violation is not told, None where nothing else can have caused it."""
    if ranks_story.is_near_a_kink(story):
        return vacuous(KINK)
    if not ranks_story.is_right_alone(declared, story.case):
        return vacuous(NOT_ALONE)
    if story.case.resumed and not ranks_story.is_right_uninterrupted(declared, story.case):
        return wrong_elsewise(ELSEWISE)
    if story.case.added == BRANCH and not ranks_story.is_right_where_all_reach(declared, story.case):
        return wrong_elsewise(EVERYWHERE)
    return None


def ranks_clause(
    *,
    id: str,  # noqa: A002 - the field's own name reads best at the place of definition
    statement: str,
    source: str,
    decision: str,
    refuted_by: tuple[str, ...],
    level: Level = Level.REQUIRED,
    unmet: Callable[[Any], str | None] = lambda subject: None,
    compares: bool = True,
    cases: Callable[[Domain], SearchStrategy[Any]] = any_deal,
) -> Callable[[Callable[[Story], Evidence]], Clause]:
    """Return a decorator that turns a function ``story -> evidence`` into a clause of the chapter distributed.

    ``unmet`` returns why the clause does not apply to a subject, or None.
    """

    def bind(judge: Callable[[Story], Evidence]) -> Clause:
        examine = StoryJudge(judge, compares)
        made = clause(
            id=id,
            statement=statement,
            source=source,
            decision=decision,
            level=level,
            view=View.TRAINING,
            refuted_by=refuted_by,
            cases=cases,
            since=3,
        )(examine)

        def not_here(subject: Any) -> str | None:
            return unmet(subject) or (subject.declaration.habits.beside_none or None if compares else None)

        return replace(made, implementations={NAME: Implementation(cases, examine, not_here)})

    return bind
