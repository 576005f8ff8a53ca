"""The engine: Hypothesis draws cases, a clause examines them, and what was found is counted."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.errors import HypothesisException

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.evidence import Evidence, vacuous, violation
from gdprops.model.note import Note
from gdprops.numerics.decisions import whole_run_needed

WITNESSES = 40
"""Examples that are looked at once a training step is known to be wrong."""
KEPT_FAILING = 20
"""Failing cases that are kept, the first and largest ones: an explanation must hold in all of them."""

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase
    from hypothesis.strategies import SearchStrategy

SHRINK_RUNS = 1500
"""How many smaller cases are tried before the smallest so far is taken: bounded by a count, so that a seed repeats."""


@final
class _Refuted(Exception):
    """A violation, as Hypothesis wants to hear of it."""


@final
class _Stop(BaseException):
    """Leave Hypothesis at once: enough was shrunk, or gdprops itself failed."""


@final
@dataclass(slots=True)
class Finding:
    """What a search found: counts of the drawn examples, and the smallest failing case."""

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
    heard: int = 0
    last: Any = None
    acts_later: Callable[[str], bool] | None = None
    failing: list[Any] = field(default_factory=list)
    notes: dict[Note, None] = field(default_factory=dict)

    def _hear(self, case: Any, evidence: Evidence) -> None:
        if evidence.silent is not None:
            self.silent = evidence.silent if self.silent is None else self.silent & evidence.silent
            self.silence, self.heard = evidence.silence, self.heard + 1
            self.last, self.acts_later = case, evidence.acts_later

    def conclude(self) -> None:
        """Judge what only the whole run can show: names that changed nothing in any of enough examples."""
        if not self.silent or self.evidence is not None or self.heard < whole_run_needed(self.examples):
            return
        names = [name for name in sorted(self.silent) if self.acts_later is None or not self.acts_later(name)]
        if names:
            self.case = self.last
            told = self.silence.format(names=", ".join(names))
            self.evidence = violation(f"{told}, in any of {self.heard} examples")

    def add(self, case: Any, evidence: Evidence) -> None:
        """Count a drawn example; once a violation was seen, only keep the smaller ones."""
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
    on_example: Callable[[int], None] = lambda count: None,
) -> Finding:
    """Draw cases until one violates, then shrink it.

    ``seed`` None draws afresh and replays what the database holds; a seed uses no database.
    """
    finding = Finding()
    phases = [Phase.generate] + [Phase.shrink] * shrink + [Phase.reuse] * (database is not None)

    @hypothesis.settings(
        max_examples=examples,
        database=database if seed is None else None,
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
        _examine_one(examine, case, finding, on_example)

    _run(holds if seed is None else hypothesis.seed(seed)(holds), finding)
    return finding


def witnesses(examine: Callable[[Any], Evidence], cases: SearchStrategy[Any]) -> Finding:
    """Return further failing cases, unshrunk, and how many wrong ones are so in another way."""
    failing: list[Any] = []

    def seen(case: Any) -> Evidence:
        evidence = judged(examine, case)
        if evidence.violated and len(failing) < KEPT_FAILING:
            failing.append(case)
        return evidence.agreed()

    finding = search(seen, cases, examples=WITNESSES, seed=0, shrink=False)
    finding.failing = sorted(failing, key=size, reverse=True)
    return finding


def size(case: Any) -> int:
    """Return how large a case is: large networks tell hypotheses apart."""
    return len(repr(case))


def _run(holds: Callable[[], None], finding: Finding) -> None:
    try:
        holds()
    except (_Refuted, _Stop):
        pass
    except HypothesisException:
        if finding.evidence is None:
            finding.bug = traceback.format_exc()
        finding.unsteady = True
    except Exception:
        finding.bug = traceback.format_exc()
    try:
        finding.conclude()
    except Exception:
        finding.bug = traceback.format_exc()


def _examine_one(
    examine: Callable[[Any], Evidence], case: Any, finding: Finding, on_example: Callable[[int], None]
) -> None:
    if finding.evidence is not None:
        finding.shrinking += 1
        if finding.shrinking > SHRINK_RUNS:
            raise _Stop
    try:
        evidence = judged(examine, case)
    except Exception as error:
        finding.bug = traceback.format_exc()
        raise _Stop from error
    finding.add(case, evidence)
    if evidence.violated:
        raise _Refuted
    on_example(finding.examples)


def judged(examine: Callable[[Any], Evidence], case: Any) -> Evidence:
    """Return what a case shows; a crash of the subject is a violation, a refusal is not decisive."""
    try:
        return examine(case)
    except SubjectCrash as crash:
        return violation(str(crash))
    except Unsupported as refusal:
        return vacuous(str(refusal))
