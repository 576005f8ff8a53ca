"""What the runner asks of a kind of subject.

A subject passes its kind four times: a name is turned into a subject (`make`), what its cases may contain is measured
(`measure`), a clause is bound to it (`applies`, `examiner`, `cases`), and a violation is told (`script`, `explain`). A
kind answers for all subjects of its own and keeps nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, final

from gdprops.errors import UsageError
from gdprops.model.subject import Subject
from gdprops.model.traits import Measured
from gdprops.subjects.user_code.importing import LOADED

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gdprops.explanations.explanation import Explanation
    from gdprops.model.arrays import Array
    from gdprops.model.clause import Clause
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.measurement import Measurement
    from gdprops.model.traits import Traits

S = TypeVar("S", bound=Subject)


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody typed: a subject string, hyperparameters, a published rule and traits that are declared."""

    spec: str
    given: Mapping[str, Any]
    rule: str | None
    traits: Mapping[str, Measured]


class WrittenOut(NamedTuple):
    """A case whose numbers stand in a file beside it, the arrays of that file, and the case as it is without one."""

    case: Any
    arrays: Mapping[str, Array]
    alone: Any


class Kind(ABC, Generic[S]):
    """One kind of subject.

    ``name``: what ``--as`` and messages call it; ``option``: what a printed command says of the kind, empty where
    nothing need be said; ``takes_traits``: whether traits can be declared of it; ``only_bound``: whether ``--as`` wants
    a subject that one of gdprops' functions made; ``checks_reference``: whether the reference's own clauses run beside
    it; ``pools_examples``: whether an explanation must hold in examples of the whole run, and not of one clause only.
    """

    name: ClassVar[str]
    option: ClassVar[str] = ""
    is_offered: ClassVar[bool] = True
    takes_traits: ClassVar[bool] = False
    only_bound: ClassVar[bool] = False
    checks_reference: ClassVar[bool] = True
    pools_examples: ClassVar[bool] = False

    def owns(self, subject: Subject) -> bool:
        """Say whether a subject is of this kind."""
        return subject.kind == self.name

    def claims(self, spec: str, *, chosen: bool) -> bool:
        """Say whether a subject string is this kind's before anything is imported; ``chosen``: ``--as`` names it."""
        return False

    def recognizes(self, found: object) -> bool:
        """Say whether an imported object, such as a class, can be made a subject of this kind without ``--as``."""
        return False

    @abstractmethod
    def make(self, found: Any, asked: Asked) -> S:
        """Return an imported object as a subject. Raises `UsageError` in one line."""

    def from_name(self, asked: Asked, as_kind: Kind[Any] | None) -> S:
        """Return what a claimed subject string names, which ``--as`` may have named a kind for."""
        raise NotImplementedError

    def rebound(self, found: S, asked: Asked) -> S:
        """Return a subject that somebody bound to a name, under that name.

        Raises `UsageError` where hyperparameters or a rule are given again.
        """
        if asked.given:
            raise UsageError(f"{asked.spec} is a subject with its own hyperparameters; -p does not apply to it")
        if asked.rule is not None and asked.rule != found.rule:
            raise UsageError(
                f"{asked.spec} is a subject that declares rule={found.rule!r}; --rule {asked.rule} does not apply to it"
            )
        return self.named(found, asked.spec) if found.name.startswith(LOADED) else found

    def named(self, subject: S, name: str) -> S:
        """Return the same subject under another name."""
        renamed: S = replace(subject, name=name)  # type: ignore[type-var] # each subject is a dataclass
        return renamed

    @abstractmethod
    def measure(self, subject: S) -> Measurement:
        """Return what is measured of a subject, and what its cases may contain."""

    def traits(self, subject: S) -> Traits:
        """Return the traits of a subject. Raises `UsageError` for a kind that has none."""
        raise UsageError(f"{subject.name} is a {self.name}; traits are measured on optimizer and update-rule subjects")

    def applies(self, subject: S, clause: Clause) -> bool:
        """Say whether a run of the subject has an item for a clause."""
        return self.name in clause.implementations

    def unmet(self, subject: S, domain: Domain, clause: Clause) -> str | None:
        """Return why a clause does not apply to a measured subject, or None where it does."""
        own = clause.implementations.get(self.name)
        if own is not None and (reason := own.unmet(subject)) is not None:
            return reason
        return clause.needs.unmet(subject.traits, domain, rule=subject.rule)

    def examiner(self, subject: S, clause: Clause) -> Callable[[Any], Evidence]:
        """Return the check of a clause, bound to the subject."""
        examine = clause.implementations[self.name].examine
        return lambda case: examine(subject, case)

    def cases(self, clause: Clause, domain: Domain) -> SearchStrategy[Any]:
        """Return the strategy that draws the cases of a clause."""
        return clause.implementations[self.name].cases(domain)

    def filled(self, subject: S, case: Any) -> Any:
        """Return a saved case with the arrays that were kept beside it in their places."""
        return case

    def written_out(self, subject: S, case: Any) -> WrittenOut | None:
        """Return a case with its numbers apart, None where they all stand in the case itself."""
        return None

    def script(self, subject: S, case: Any, evidence: Evidence, arrays: str | None) -> str | None:
        """Return a case as a plain script; ``arrays``: the file of a written-out case's numbers.

        None where the runner is to run the case once more and write down what it did.
        """
        return None

    def spec(self, subject: S) -> str:
        """Return the subject string by which a printed command finds the subject."""
        return subject.spec

    def explains(self, clause: Clause) -> bool:
        """Say whether what a violation of a clause does instead can be found out."""
        return True

    @abstractmethod
    def explain(self, subject: S, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]) -> Explanation | None:
        """Return what a wrong subject does instead in its failing cases; ``pool`` draws examples of the whole run."""
