"""Search for a violation: Hypothesis draws cases, a clause examines each of them, and a failing case is shrunk.

`search` returns a `Finding`: how many examples were drawn, how many were decisive, and the smallest failing case.
"""

from __future__ import annotations

import pickle
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, final
from unittest import SkipTest

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.control import current_build_context
from hypothesis.errors import HypothesisException

from gdprops.errors import CannotFollow, SubjectCrash, Unsupported
from gdprops.model.clause import Clause, Level
from gdprops.model.evidence import Demand, Evidence, agreement, vacuous, violation
from gdprops.model.note import Note
from gdprops.numerics.decisions import whole_run_needed
from gdprops.runner.witnesses import Witnesses
from gdprops.subjects.user_code.module_constants import no_module_constants
from gdprops.subjects.user_code.place import place_of

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase
    from hypothesis.strategies import SearchStrategy

SHRINK_RUNS = 1500
"""How many cases are tried while shrinking. The limit is a count and not a time, so that a seed repeats the result."""


@final
class _Refuted(Exception):
    """Raised to tell Hypothesis that a case is a violation."""


@final
class Stop(BaseException):
    """Raised to leave Hypothesis at once: the limit of shrinking is reached, or gdprops itself failed."""


@final
@dataclass(slots=True)
class _Shown:
    """What cases have shown since one was wrong: most of what the shrinker draws is one of them, drawn otherwise."""

    wrong: bytes | None = None
    right: set[bytes] = field(default_factory=set)


@final
@dataclass(slots=True)
class Finding:
    """What a search found: counts of the drawn examples, and the smallest failing case.

    Attributes:
        examples: How many examples were drawn, up to the first violation.
        decisive: How many of them could have refuted the clause.
        worst_ratio: The largest difference seen in them, divided by what is allowed.
        reasons: Why examples were not decisive, with counts.
        case: The smallest failing case.
        evidence: What that case shows; None if nothing failed.
        unsteady: Whether a failing case did not fail again.
        bug: The traceback of a failure of gdprops itself.
        shrinking: How many cases were tried while shrinking.
        elsewise: In how many examples the subject is wrong in a way that another clause is about.
        silent: The hyperparameters that changed nothing in any example; None if the clause does not ask this.
        last: The last example in which hyperparameters were changed.
        acts_later: Says whether a hyperparameter changes a longer example.
        further: What the examples after the violation show, where the search goes on.
        cut_off: The violated clause after which a shared search ended early, empty where it did not.
        of_the_run: Whether the violation shows in the run as a whole, and not in one case alone.
    """

    examples: int = 0
    decisive: int = 0
    worst_ratio: float | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    case: Any = None
    evidence: Evidence | None = None
    unsteady: bool = False
    bug: str | None = None
    shrinking: int = 0
    elsewise: int = 0
    silent: frozenset[str] | None = None
    silence: str = ""
    demand: Demand | None = None
    heard: int = 0
    last: Any = None
    acts_later: Callable[[str], bool] | None = None
    further: Witnesses = field(default_factory=Witnesses)
    cut_off: str = ""
    of_the_run: bool = False
    notes: dict[Note, None] = field(default_factory=dict)
    _shown: _Shown = field(default_factory=_Shown)

    def shown(self, examine: Callable[[Any], Evidence], case: Any) -> Evidence:
        """Return what a case shows.

        While Hypothesis shrinks, a case that was already examined is not examined again, but for the smallest one at
        the beginning and at the end: that tells which subjects are not deterministic.
        """
        if self.evidence is None:
            return judged(examine, case)
        digest, known = _digest(case), self._shown
        if digest is not None and self.shrinking > 1 and not current_build_context().is_final:
            if digest == known.wrong:
                return self.evidence
            if digest in known.right:
                return agreement()
        evidence = judged(examine, case)
        if evidence.violated:
            known.wrong = digest
        elif digest is not None:
            known.right.add(digest)
        return evidence

    def _hear(self, case: Any, evidence: Evidence) -> None:
        if evidence.silent is not None:
            self.silent = evidence.silent if self.silent is None else self.silent & evidence.silent
            self.silence, self.heard, self.demand = evidence.silence, self.heard + 1, evidence.demand
            self.last, self.acts_later = case, evidence.acts_later

    def breaks(self, clause: Clause) -> bool:
        """Say whether this is a violation of a required clause."""
        return self.evidence is not None and clause.level is Level.REQUIRED

    def conclude(self) -> None:
        """Report a violation that only the whole run can show: a hyperparameter changed nothing in any example."""
        if not self.silent or self.evidence is not None or self.heard < whole_run_needed(self.examples):
            return
        names = [name for name in sorted(self.silent) if self.acts_later is None or not self.acts_later(name)]
        if names:
            self.case, self.of_the_run = self.last, True
            told = self.silence.format(names=", ".join(names))
            self.evidence = violation(f"{told}, in any of {self.heard} examples", demand=self.demand)

    def add(self, case: Any, evidence: Evidence) -> None:
        """Count a drawn example; after the first violation, only keep further violations, which are smaller."""
        if self.evidence is None:
            self.notes |= dict.fromkeys(evidence.notes)
            self.examples += 1
            self.decisive += evidence.decisive
            self.elsewise += evidence.elsewise
            self._hear(case, evidence)
            ratios = [r for r in (self.worst_ratio, evidence.ratio) if r is not None]
            self.worst_ratio = max(ratios, default=None)
            if not evidence.decisive:
                self.reasons[evidence.reason] += 1
        if evidence.violated:
            self.case, self.evidence = case, evidence


def search(
    examine: Callable[[Any], Evidence],
    cases: SearchStrategy[Any],
    *,
    examples: int,
    seed: int | None = None,
    database: ExampleDatabase | None = None,
    shrink: bool = True,
    saved_only: bool = False,
    on_example: Callable[[int], None] = lambda count: None,
) -> Finding:
    """Draw cases until one of them is a violation, then shrink that case. Without ``shrink`` it is not run again.

    Without a seed, the examples are new in every run, and the failing examples in the database are tried first
    (``saved_only``: no others). With one, they are not tried, but a failing example is saved.
    """
    finding = Finding()
    reuse = database is not None and seed is None
    phases = [Phase.generate] * (not saved_only) + [Phase.shrink] * shrink + [Phase.reuse] * reuse

    settings = hypothesis.settings(
        max_examples=examples,
        database=database,
        deadline=None,
        derandomize=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )

    @hypothesis.given(cases)
    def holds(case: Any) -> None:
        _examine_one(examine, case, finding, on_example, shrink=shrink)

    seeded = holds if seed is None else hypothesis.seed(seed)(holds)  # inside of the settings: it drops a database
    _run(settings(seeded), finding)
    return finding


def look_through(
    examine: Callable[[Any], Evidence], cases: Iterable[Any], on_example: Callable[[int], None] = lambda count: None
) -> Finding:
    """Return what a search finds that draws these cases one after the other, and shrinks nothing."""
    finding = Finding()

    def holds() -> None:
        for case in cases:
            _examine_one(examine, case, finding, on_example, shrink=False)

    _run(holds, finding)
    return finding


def size(case: Any) -> int:
    """Return the size of a case, by which cases are sorted: large networks distinguish hypotheses better."""
    return len(repr(case))


def _run(holds: Callable[[], None], finding: Finding) -> None:
    try:
        with no_module_constants():
            holds()
    except (_Refuted, Stop):
        pass
    except SkipTest:
        pass  # there was no saved example to try
    except HypothesisException:
        if finding.evidence is None:
            finding.bug = traceback.format_exc()
        finding.unsteady = True
    except Exception:
        finding.bug = traceback.format_exc()
    concluded(finding)


def concluded(finding: Finding) -> None:
    """Let a finding conclude; a failure of that is a bug of gdprops."""
    try:
        finding.conclude()
    except Exception:
        finding.bug = traceback.format_exc()


def _examine_one(
    examine: Callable[[Any], Evidence],
    case: Any,
    finding: Finding,
    on_example: Callable[[int], None],
    *,
    shrink: bool,
) -> None:
    if finding.evidence is not None:
        finding.shrinking += 1
        if finding.shrinking > SHRINK_RUNS:
            raise Stop
    try:
        evidence = finding.shown(examine, case)
    except Exception as error:
        finding.bug = traceback.format_exc()
        raise Stop from error
    finding.add(case, evidence)
    if evidence.violated:
        raise _Refuted if shrink else Stop
    on_example(finding.examples)


def _digest(case: Any) -> bytes | None:
    """Return what tells a case from any other, None where it holds what cannot be written down."""
    arrays: list[pickle.PickleBuffer] = []
    try:
        found = blake2b(pickle.dumps(case, protocol=5, buffer_callback=arrays.append), digest_size=16)
        for held in arrays:
            found.update(held.raw())
    except Exception:
        return None
    return found.digest()


def judged(examine: Callable[[Any], Evidence], case: Any) -> Evidence:
    """Examine a case. A crash of the subject is a violation; a refusal by the subject is not decisive."""
    try:
        return examine(case)
    except SubjectCrash as crash:
        place = place_of(crash.error)
        return violation(str(crash) if place is None else f"{crash}, at {place}")
    except Unsupported as refusal:
        told = (Note(str(refusal)),) if isinstance(refusal, CannotFollow) else ()
        return replace(vacuous(str(refusal)), notes=told)
