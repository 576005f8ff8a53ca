"""One fault often breaks several clauses: which violation a report puts first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gdprops.model.verdict import About, Status, Verdict

ORDER = (
    *(f"gradient.{name}" for name in ("pure", "complete", "matches-loss", "order-independent", "additive")),
    "gradient.*",
    *(
        f"step.{name}"
        for name in (
            "frozen-untouched",
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
    "optimizer.*",
    "published.*",
    "sequential.*",
    *(f"step.{name}" for name in ("descends", "trains", "loss-falls")),
)
GENERAL = "step.simultaneous"


def rank(clause: str) -> int:
    """Return a clause's place in the order, most specific first."""
    chapter = f"{clause.partition('.')[0]}.*"
    return ORDER.index(clause) if clause in ORDER else ORDER.index(chapter) if chapter in ORDER else len(ORDER)


def with_also(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Return the verdicts; the primary violation of the subject lists the others.

    It is the clause that an explanation names, else the most specific one. What breaks all of them for one reason, an
    exception say, is about none in particular: there the most general one comes first.
    """
    broken = [v for v in verdicts if v.status is Status.VIOLATED and v.about is About.SUBJECT]
    if len(broken) < 2:
        return tuple(verdicts)
    named, reasons = {v.explained_as for v in broken}, {v.reason for v in broken}
    one_reason = len(reasons) == 1 and "" not in reasons
    primary = min(broken, key=lambda v: (v.clause not in named, one_reason and v.clause != GENERAL, rank(v.clause)))
    others = tuple(v.clause for v in broken if v is not primary)
    return tuple(replace(v, also=others) if v is primary else v for v in verdicts)
