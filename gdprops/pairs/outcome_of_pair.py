"""Runs a comparison to its end: equal, different or not decided, with what is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import Unsupported
from gdprops.model import exit_codes
from gdprops.model.case import UpdateCase
from gdprops.model.domain import Domain
from gdprops.model.evidence import Evidence, vacuous, violation
from gdprops.model.subject import FedSubject
from gdprops.model.verdict import SPECIFICATION
from gdprops.numerics.decisions import decisive_needed
from gdprops.pairs.first_difference import place, sentences
from gdprops.pairs.pair import Pair, unsupported
from gdprops.pairs.recorded import Record, Recorded, record
from gdprops.pairs.trajectories_apart import apart, compared, walked
from gdprops.runner.search import search
from gdprops.runner.settings import Settings
from gdprops.strategies.gradient_feeds import Feed, feeds

if TYPE_CHECKING:
    from hypothesis import strategies as st

EQUAL, DIFFERENT, UNDECIDED = "equal", "different", "not decided"
_EXIT = {EQUAL: exit_codes.OK, DIFFERENT: exit_codes.VIOLATED, UNDECIDED: exit_codes.UNDECIDED}


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison. ``told``: facts before the run; ``difference``: sentences; ``case``: as Python."""

    first: str
    second: str
    result: str
    examples: int
    decisive: int
    seed: int | None
    told: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    case: tuple[str, ...] = ()
    bug: str = ""

    @property
    def exit_code(self) -> int:
        """0 for equal, 1 for different, 5 for not decided, 3 where gdprops itself failed."""
        return exit_codes.BUG if self.bug else _EXIT[self.result]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as data for JSON."""
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if k != "bug"}
        return {"schema": 1, "specification": SPECIFICATION, **fields, "exit_code": self.exit_code}


def outcome_of(pair: Pair, settings: Settings) -> Compared:
    """Compare a pair on drawn cases and shrink the first difference."""
    cases = feeds(pair.domain, Feed(missing=pair.domain.missing, longest=12))
    found = search(lambda case: compared(pair, case), cases, examples=settings.examples, seed=settings.seed)
    blank = Compared(
        pair.first.name, pair.second.name, UNDECIDED, found.examples, found.decisive, settings.seed, pair.told
    )
    if found.bug is not None and found.evidence is None:
        return replace(blank, bug=found.bug)
    if found.evidence is not None:
        said = tuple(sentences(pair, found.case, found.evidence))
        different = replace(blank, difference=said, case=shown(found.case))
        if pair.random:
            reason = f"{pair.random} draws random numbers: other numbers may be all that differs"
            return replace(different, told=(*pair.told, reason))
        return replace(different, result=DIFFERENT)
    result, why = _decided(found.examples, found.decisive, found.reasons.most_common(1))
    return replace(blank, result=result, told=(*pair.told, *why))


def outcome_with(recorded: Recorded, second: FedSubject, domain: Domain, told: Sequence[str]) -> Compared:
    """Compare a side that was recorded elsewhere with one that is here, on the recorded cases that it supports."""
    decisive, reasons = 0, Counter[str]()
    names = recorded.name, second.name
    for k, kept in enumerate(recorded.records):
        evidence = _on_record(kept, recorded.name, second, domain)
        if evidence.violated:
            said = [place(*names, evidence)]
            return Compared(*names, DIFFERENT, k + 1, decisive, None, tuple(told), tuple(said), shown(kept.case))
        decisive += evidence.decisive
        reasons.update([] if evidence.decisive else [evidence.reason])
    result, why = _decided(len(recorded.records), decisive, reasons.most_common(1))
    return Compared(*names, result, len(recorded.records), decisive, None, (*told, *why))


def records_of(subject: FedSubject, domain: Domain, settings: Settings) -> tuple[Record, ...]:
    """Return drawn cases with what a subject does on them."""
    drawn: list[UpdateCase] = []

    def keep(case: UpdateCase) -> Evidence:
        drawn.append(case)
        return Evidence()

    cases: st.SearchStrategy[UpdateCase] = feeds(domain, Feed(missing=domain.missing, longest=12))
    search(keep, cases, examples=settings.examples, seed=settings.seed, shrink=False)
    return tuple(record(subject, drawn, plain=domain.plain))


def _on_record(kept: Record, name: str, second: FedSubject, domain: Domain) -> Evidence:
    if refused := unsupported(kept.case, domain):
        return vacuous(f"{second.name} {refused}")
    try:
        seen, raised = walked(second, kept.case)
    except Unsupported as refusal:
        return vacuous(str(refusal))
    if seen is None:
        return violation(f"{second.name} raises where {name} steps: {raised}")
    return apart(kept.case, kept.weights, seen, lambda: kept.allowed)


def _decided(examples: int, decisive: int, reasons: Sequence[tuple[str, int]]) -> tuple[str, tuple[str, ...]]:
    needed = decisive_needed(examples)
    if examples and decisive >= needed:
        return EQUAL, ()
    why = f": {reasons[0][0]}" if reasons else ""
    return UNDECIDED, (f"{decisive} of {examples} examples decided anything, {needed} are needed{why}",)


def shown(case: UpdateCase) -> tuple[str, ...]:
    """Return a case as lines of Python."""
    lines = [f"weights = {[w.tolist() for w in case.tensors]}  # {case.tensors[0].dtype}"]
    lines += [
        f"gradients_{t + 1} = {[None if g is None else g.tolist() for g in step]}"
        for t, step in enumerate(case.gradients)
    ]
    rates = "their own" if case.plan.rates is None else list(case.plan.rates)
    return (*lines, f"groups = {[list(g) for g in case.plan.groups]}  # rates: {rates}, {dict(case.plan.options)}")
