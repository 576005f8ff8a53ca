"""Choose the violation that a report puts first: one fault often violates several clauses.

`ORDER` lists the clauses from the most specific to the most general. Example: a step that clips by tensor violates
step.clipping and step.simultaneous; step.clipping is the primary violation and lists the other one under "also".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gdprops.model.clause import Level
from gdprops.model.verdict import About, Status, Verdict

ORDER = (
    "optimizer.deterministic",  # what differs from run to run breaks whatever is compared
    *(f"gradient.{name}" for name in ("pure", "complete", "matches-loss", "order-independent", "additive")),
    "gradient.*",
    *(
        f"step.{name}"
        for name in (
            "frozen-untouched",
            "complete-as-declared",
            "phases",
            "targets",
            "mode",
            "moves-all",
            "once",
            "fresh-gradient",
            "clipping",
            "accumulation",
            "in-backward",
            "simultaneous",
            "plain",
            "apply-order",
            "linear-in-lr",
            "stays-frozen",
            "complete",
            "cost",
        )
    ),
    *(f"clock.{name}" for name in ("schedule", "first-rate", "order", "average", "resume", "resume-states")),
    *(
        f"distributed.{name}"
        for name in (
            "collectives",
            "frozen-untouched",
            "window",
            "clipping",
            "sharded-state",
            "ragged",
            "unused",
            "equals-single",
            "replicas",
            "resume",
            "buffers",
            "random",
        )
    ),
    "optimizer.*",
    "published.*",
    "sequential.*",
    *(f"step.{name}" for name in ("descends", "trains", "loss-falls")),
)
GENERAL = "step.simultaneous"


def rank(clause: str) -> int:
    """Return a clause's place in `ORDER`, in which the most specific clause comes first."""
    chapter = f"{clause.partition('.')[0]}.*"
    return ORDER.index(clause) if clause in ORDER else ORDER.index(chapter) if chapter in ORDER else len(ORDER)


def with_also(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return the verdicts; among the violations of the subject, the primary one lists the others.

    The primary violation is that of the clause which an explanation names. Else one whose cause is proved comes before
    others, a required clause before a recommended one, and the most specific clause first. If all violations have the
    same reason (an exception, for example), no specific clause says more than the others, and the most general one is
    primary.
    """
    broken = [v for v in verdicts if v.status is Status.VIOLATED and v.about is About.SUBJECT]
    if len(broken) < 2:
        return tuple(verdicts)
    named, reasons = {v.explained_as for v in broken}, {v.reason for v in broken}
    one_reason = (len(reasons) == 1 and "" not in reasons) or any(v.clause == GENERAL and raised_by(v) for v in broken)
    primary = min(broken, key=lambda v: (v.clause not in named, *_after_names(v, one_reason)))
    others = [v for v in broken if v is not primary]
    named_too, alike = (tuple(v.clause for v in found) for found in (others, _of_the_same_fault(primary, others)))
    return tuple(replace(v, also=named_too, same_fault=alike) if v is primary else v for v in verdicts)


def _after_names(verdict: Verdict, one_reason: bool) -> tuple[bool, bool, bool, int]:
    """Return the sort key of a violation where no explanation names the clause: what is proved comes first."""
    is_advice = verdict.level is Level.RECOMMENDED
    return one_reason and verdict.clause != GENERAL, not is_proved(verdict), is_advice, rank(verdict.clause)


FACTS = ("none of ", "no known form of ")
UNPROVED = (*FACTS, "not explained: ")
"""How an explanation begins that proves nothing."""


def is_proved(verdict: Verdict) -> bool:
    """Say whether an explanation says what the subject does instead, and not that nothing was found."""
    return verdict.explanation is not None and not verdict.explanation.startswith(UNPROVED)


def tells_facts(verdict: Verdict) -> bool:
    """Say whether an explanation says what was seen and proves no cause; one that came to no end says nothing."""
    return (verdict.explanation or "").startswith(FACTS)


def _of_the_same_fault(primary: Verdict, others: Sequence[Verdict]) -> list[Verdict]:
    """Return the violations whose own failing examples are explained as the primary one's are, or raise as they do."""
    told, proved = primary.explanation, is_proved(primary)
    raised = told is None and (raised_by(primary) or primary.reason)
    return [v for v in others if (proved and v.explanation == told) or (raised and raised in (raised_by(v), v.reason))]


def raised_by(verdict: Verdict) -> str:
    """Return the exception of the subject's that violates a clause, and where it was raised; else an empty text."""
    return verdict.reason.partition(" raised ")[2]
