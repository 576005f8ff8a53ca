"""Judge a watched run: every clause of the chapter `live` on its ledgers, and the outcome of all of them.

One ledger is one thread of training; a clause is violated where it is violated in any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.clauses.support.live_clause import lines
from gdprops.model.clause import Clause, Level, View
from gdprops.model.ledger import BackwardBegins
from gdprops.model.note import Note
from gdprops.model.outcome import WATCHED, Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.model.wording import plural
from gdprops.runner.project.terms import Terms

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence
    from gdprops.model.ledger import Ledger
    from gdprops.model.live_finding import LiveFinding
    from gdprops.model.rank_record import RankRecord

NO_STEP = "no optimizer stepped"
ARITHMETIC = ("live.accumulation", "live.owner", "live.together", "live.frozen-weights")
"""Clauses whose findings leave open which gradient was meant: watching sees the wiring, not the arithmetic."""


def live_clauses() -> tuple[Clause, ...]:
    """Return the clauses on watched runs."""
    return tuple(clause for clause in catalogue() if clause.view is View.LIVE)


def judged(
    name: str,
    ledgers: Sequence[Ledger],
    *,
    error: str | None = None,
    strict: bool = False,
    terms: Terms | None = None,
    notes: Sequence[Note] = (),
    kept: Path | None = None,
    others: Sequence[RankRecord] = (),
) -> Outcome:
    """Return the outcome of a watched run.

    Args:
        name: What the reports call the run.
        ledgers: What was seen, one ledger for each thread of training.
        error: The traceback of an error of gdprops that ended the watching.
        strict: Whether notes fail too.
        terms: What the project requires.
        notes: What is told beside the verdicts.
        kept: The file of the step that was kept for ``gdprops check``.
        others: What the other processes of a distributed run have found.
    """
    told_by_others = [finding for other in others for finding in other.findings]
    verdicts = [_verdict(clause, ledgers, told_by_others, terms or Terms(), strict) for clause in live_clauses()]
    if error is not None:
        first = verdicts[0]
        verdicts[0] = Verdict(first.clause, About.SUBJECT, first.level, Status.ERROR, first.statement, reason=error)
    ranks = [Note(f"watched as well: {', '.join(f'rank {other.rank}' for other in others)}")] if others else []
    told = [*_unseen(ledgers), *ranks, *_without_steps(ledgers), *_hand_over(verdicts, kept)]
    verdicts[0] = _with_notes(verdicts[0], [*notes, *told])
    return Outcome(name, None, WATCHED, tuple(verdicts), strict)


def _hand_over(verdicts: Sequence[Verdict], kept: Path | None) -> list[Note]:
    """Return how a step is handed to ``gdprops check``, where watching cannot decide which gradient is right."""
    found = [finding for verdict in verdicts if verdict.clause in ARITHMETIC for finding in verdict.findings]
    if kept is not None:
        return [
            Note(
                f"the weights and batches of step 1 are in {kept.parent.as_posix()}: write the step in "
                f"{kept.as_posix()}, and gdprops check {kept.as_posix()}:subject compares it with one simultaneous step"
            )
        ]
    if not found:
        return []
    place = next((place for finding in found for place in finding.places), None)
    return [
        Note(
            "which gradient is right is not decided by watching: write the step as build(model, loss_fn) -> step, and "
            "gdprops check FILE:build --as training-step compares it with one simultaneous step; gdprops watch "
            "--record DIR keeps the weights and batches of a step for it",
            *(place or ()),
        )
    ]


def _unseen(ledgers: Sequence[Ledger]) -> list[Note]:
    """Return what was seen, and what was not, in sentences."""
    seen = plural(sum(ledger.steps for ledger in ledgers), "step")
    stretches = {ledger.stretch for ledger in ledgers}
    threads = "" if len(ledgers) == len(stretches) else f" in {plural(len(ledgers), 'thread')}, each judged by itself"
    if len(stretches) > 1:
        threads = f" in {plural(len(stretches), 'stretch', 'stretches')}{threads or ', each judged by itself'}"
    hidden = dict.fromkeys(sentence for ledger in ledgers for sentence in ledger.unseen)
    return [Note(f"{seen} of optimizers watched{threads}"), *map(Note, hidden)]


def _without_steps(ledgers: Sequence[Ledger]) -> list[Note]:
    """Return what a run did that has not stepped with an optimizer of torch."""
    events = [event for ledger in ledgers for event in ledger.events]
    calls = [event for event in events if isinstance(event, BackwardBegins)]
    if not calls or any(ledger.steps for ledger in ledgers):
        return []
    places = list(dict.fromkeys(call.place for call in calls))
    optimizers = [one for ledger in ledgers for one in ledger.optimizers.values()]
    made = {one.made_at: one.name for one in optimizers if one.made_at is not None}
    seen = f"backward was called {plural(len(calls), 'time')} at {lines(places)}"
    if made:
        who = " and ".join(f"{name}, made at {lines([place])}," for place, name in made.items())
        return [Note(f"{seen}, and {who} was not seen to step")]
    return [
        Note(
            f"{seen}, and no optimizer of torch was made: what a script moves by itself is not judged by watching; as "
            "build(model, loss_fn) -> step it is, by gdprops check FILE:build --as training-step"
        )
    ]


def _with_notes(verdict: Verdict, notes: Sequence[Note]) -> Verdict:
    return replace(verdict, notes=(*notes, *verdict.notes))


def _verdict(
    clause: Clause, ledgers: Sequence[Ledger], others: Sequence[LiveFinding], terms: Terms, strict: bool
) -> Verdict:
    excluded = terms.excluded(clause)
    if excluded is not None:
        return _of(clause, Status.NOT_APPLICABLE, reason=excluded)
    seen = [clause.examine(ledger, None) for ledger in ledgers]
    steps = sum(ledger.steps for ledger in ledgers)
    told = [finding for evidence in seen for finding in evidence.findings]
    told += [finding for finding in others if finding.clause == clause.id]
    found = list({(finding.level, finding.sentence): finding for finding in reversed(told)}.values())[::-1]
    if found:
        return terms.judged(clause, _violated(clause, found, steps), strict=strict)
    return _undecided(clause, seen) or _of(clause, Status.HELD, examples=steps, decisive=steps)


def _undecided(clause: Clause, seen: Sequence[Evidence]) -> Verdict | None:
    if any(evidence.decisive or evidence.findings for evidence in seen):
        return None
    reason = seen[0].reason if seen else NO_STEP
    status = Status.VACUOUS if reason == NO_STEP else Status.NOT_APPLICABLE
    return _of(clause, status, reason=reason)


def _violated(clause: Clause, found: Sequence[LiveFinding], steps: int) -> Verdict:
    """Return a violation; one of a required clause that found nothing but notes fails only where notes do."""
    at = [finding.step for finding in found if finding.step is not None]
    verdict = _of(
        clause,
        Status.VIOLATED,
        examples=steps,
        decisive=steps,
        blame=tuple(dict.fromkeys(name for finding in found for name in finding.parameters)),
        first_wrong_step=min(at, default=None),
        reason=found[0].sentence,
        findings=tuple(found),
    )
    is_error = any(finding.level is Level.REQUIRED for finding in found)
    return verdict if is_error else replace(verdict, level=Level.RECOMMENDED)


def _of(clause: Clause, status: Status, **facts: Any) -> Verdict:
    """Return a verdict on a watched run."""
    return Verdict(clause.id, About.SUBJECT, clause.level, status, clause.statement, **facts)
