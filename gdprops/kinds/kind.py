"""The interface of a kind of subject, through which the runner handles all kinds alike.

The runner asks the kind four times: to make a subject from a name (`make`), to measure which cases the subject supports
(`measure`), to bind a clause to it (`applies`, `examiner`, `cases`), and to present a violation (`scripts`, `explain`).
There is one object per kind, and it keeps no state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, final

from gdprops.errors import UsageError
from gdprops.model.identity import NO_ORIGIN, Origin
from gdprops.model.subject import Subject
from gdprops.model.traits import Measured

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.explanations.explanation import Explanation
    from gdprops.model.arrays import Array
    from gdprops.model.clause import Clause
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.measurement import Measurement
    from gdprops.subjects.script_lines import Written

S = TypeVar("S", bound=Subject)


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for: a subject string, hyperparameters, a published rule and declared traits."""

    spec: str
    given: Mapping[str, Any]
    rule: str | None
    traits: Mapping[str, Measured]


class WrittenOut(NamedTuple):
    """A case with the user's own model, prepared for saving.

    ``case``: the case without its numbers; ``arrays``: the numbers, for a file beside it; ``alone``: the case as it is
    saved if there is no such file.
    """

    case: Any
    arrays: Mapping[str, Array]
    alone: Any


class Kind(ABC, Generic[S]):
    """One kind of subject.

    Attributes:
        name: The name of the kind for ``--as`` and in messages.
        option: The option that a printed command needs for this kind, such as ``--as backprop``; may be empty.
        is_offered: Whether ``--as`` accepts the name.
        takes_traits: Whether traits can be declared for subjects of this kind.
        only_bound: Whether ``--as`` expects a subject that one of gdprops' functions has made.
        names_by_class: Whether a subject that the user binds to a name is called by its class and hyperparameters.
        checks_reference: Whether the clauses about the reference run together with those about the subject.
        pools_examples: Whether an explanation must hold in examples of several clauses.
    """

    name: ClassVar[str]
    option: ClassVar[str] = ""
    is_offered: ClassVar[bool] = True
    takes_traits: ClassVar[bool] = False
    names_by_class: ClassVar[bool] = False
    only_bound: ClassVar[bool] = False
    checks_reference: ClassVar[bool] = True
    pools_examples: ClassVar[bool] = False

    @property
    def judged_as(self) -> str:
        """The kind whose implementations of the clauses decide on subjects of this kind."""
        return self.name

    def owns(self, subject: Subject) -> bool:
        """Say whether a subject belongs to this kind."""
        return subject.kind == self.name

    def claims(self, spec: str, *, chosen: bool) -> bool:
        """Say whether a subject string belongs to this kind, before anything is imported.

        ``chosen``: ``--as`` names this kind.
        """
        return False

    def recognizes(self, found: object) -> bool:
        """Say whether an imported object, such as a class, can be made a subject of this kind without ``--as``."""
        return False

    @abstractmethod
    def make(self, found: Any, asked: Asked) -> S:
        """Return an imported object as a subject. Raises `UsageError` in one line."""

    def from_name(self, asked: Asked, as_kind: Kind[Any] | None) -> S:
        """Return the subject that a claimed subject string names; ``as_kind`` is the kind that ``--as`` names."""
        raise NotImplementedError

    def rebound(self, found: S, asked: Asked) -> S:
        """Return a subject that the user bound to a name, renamed to that name.

        Raises `UsageError` if hyperparameters or a rule are given in addition.
        """
        if asked.given:
            raise UsageError(f"{asked.spec} is a subject with its own hyperparameters; -p does not apply to it")
        if asked.rule is not None and asked.rule != found.rule:
            raise UsageError(
                f"{asked.spec} is a subject that declares rule={found.rule!r}; --rule {asked.rule} does not apply to it"
            )
        made_by: Origin = getattr(found, "origin", NO_ORIGIN)
        is_nameless = bool(made_by.module) and not made_by.name
        return self.named(found, asked.spec) if is_nameless and not self.names_by_class else found

    def named(self, subject: S, name: str) -> S:
        """Return a copy of the subject with another name."""
        renamed: S = replace(subject, name=name)  # type: ignore[type-var] # each subject is a dataclass
        return renamed

    def at_work(self) -> AbstractContextManager[None]:
        """Keep what a run needs beside this process inside this context, and end it afterwards."""
        return nullcontext()

    def load(self) -> None:
        """Import what drives subjects of this kind, before the limit of time of the user's own import begins."""

    @abstractmethod
    def measure(self, subject: S) -> Measurement:
        """Return what is measured of a subject, and what its cases may contain."""

    def traits(self, subject: S) -> Measurement:
        """Return what is measured of a subject that has traits. Raises `UsageError` for a kind without traits."""
        raise UsageError(f"{subject.name} is a {self.name}; traits are measured on optimizer and update-rule subjects")

    def applies(self, subject: S, clause: Clause) -> bool:
        """Say whether a clause is about subjects like this one, so that a run contains it."""
        return self.judged_as in clause.implementations

    def unmet(self, subject: S, domain: Domain, clause: Clause) -> str | None:
        """Return why a clause does not apply to a measured subject, or None if it applies."""
        own = clause.implementations.get(self.judged_as)
        if own is not None and (reason := own.unmet(subject)) is not None:
            return reason
        return clause.needs.unmet(subject.traits, domain, rule=subject.rule)

    def examiner(self, subject: S, clause: Clause) -> Callable[[Any], Evidence]:
        """Return the check of a clause, bound to the subject."""
        examine = clause.implementations[self.judged_as].examine
        return lambda case: examine(subject, case)

    def family(self, clause: Clause) -> Hashable:
        """Return what the clauses have in common that can be examined on one case: the strategy that draws it."""
        own = clause.implementations.get(self.judged_as)
        return clause.id if own is None else own.cases

    def examined_together(
        self, subject: S, clauses: Mapping[int, Clause], case: Any
    ) -> Mapping[int, Evidence | Exception]:
        """Return what each clause of a family shows or raises on one case; those that judge steps share a run."""
        from gdprops.clauses.support.step_judges import StepJudge, answered, together

        checks = {k: clause.implementations[self.judged_as].examine for k, clause in clauses.items()}
        judges = {k: check for k, check in checks.items() if isinstance(check, StepJudge)}
        found = together(subject, case, judges) if judges else {}
        return found | {k: answered(partial(checks[k], subject, case)) for k in checks if k not in judges}

    def cases(self, clause: Clause, domain: Domain) -> SearchStrategy[Any]:
        """Return the strategy that draws the cases of a clause."""
        return clause.implementations[self.judged_as].cases(domain)

    def filled(self, subject: S, case: Any) -> Any:
        """Return a saved case with the arrays from the file beside it put back into it."""
        return case

    def written_out(self, subject: S, case: Any) -> WrittenOut | None:
        """Return a case separated from its numbers, None if the case itself contains all numbers."""
        return None

    def scripts(self, subject: S, case: Any, evidence: Evidence, arrays: str | None) -> Iterable[Written] | None:
        """Return a case as plain scripts, the most readable one first: the runner prints one that fails as it should.

        ``arrays`` is the path of the file with the case's numbers, if there is one. None means that the runner must
        write the script, by running the case again and recording it.
        """
        return None

    def spec(self, subject: S) -> str:
        """Return the subject string with which a printed command finds the subject."""
        return subject.spec

    def given(self, subject: S) -> Mapping[str, Any] | None:
        """Return what ``-p`` states of a subject, None for a subject that cannot be declared on a command line."""
        return subject.hyperparameters

    def explains(self, clause: Clause) -> bool:
        """Say whether a violation of a clause can be explained."""
        return True

    @abstractmethod
    def explain(self, subject: S, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]) -> Explanation | None:
        """Return what a wrong subject does instead; ``pool`` returns the examples in which this must hold."""
