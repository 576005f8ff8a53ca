"""What is red about one optimizer: a line for each cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gdprops.model.clause import Level
from gdprops.model.verdict import ALARMING, Status, Verdict
from gdprops.report.violation_text import one_line


def causes(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield one line for all red verdicts of one reason: a subject that crashes does so in many clauses."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status in ALARMING:
            found.setdefault(_reason(verdict), []).append(verdict)
    yield from map(_line, found.values())


def _reason(verdict: Verdict) -> str:
    """Return what tells it from others: numbers that were seen speak of their own clause."""
    return verdict.clause if verdict.location is not None else verdict.reason or verdict.clause


def _line(verdicts: Sequence[Verdict]) -> str:
    first, *others = verdicts
    if others and all(verdict.status is Status.ABORTED for verdict in verdicts):
        return f"{len(verdicts)} clauses aborted; {first.reason}"
    also = [v.clause + " (recommended)" * (v.level is Level.RECOMMENDED) for v in others]
    return one_line(first) + f"; also {', '.join(also)}" * bool(also)
