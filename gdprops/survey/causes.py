"""Summarize the red verdicts of one optimizer: one line for each cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gdprops.model.clause import Level
from gdprops.model.verdict import ALARMING, Status, Verdict
from gdprops.report.violation_text import one_line


def causes(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield one line per cause; verdicts with equal reasons share a line, because a crash occurs in many clauses."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status in ALARMING:
            found.setdefault(cause_of(verdict), []).append(verdict)
    yield from map(_line, found.values())


def cause_of(verdict: Verdict) -> str:
    """Return the key by which red verdicts are grouped: the reason, or the clause if numbers were compared."""
    return verdict.clause if verdict.location is not None else verdict.reason or verdict.clause


def _line(verdicts: Sequence[Verdict]) -> str:
    first, *others = verdicts
    if others and all(verdict.status is Status.ABORTED for verdict in verdicts):
        return f"{len(verdicts)} clauses aborted; {first.reason}"
    also = [v.clause + " (recommended)" * (v.level is Level.RECOMMENDED) for v in others]
    return one_line(first) + f"; also {', '.join(also)}" * bool(also)
