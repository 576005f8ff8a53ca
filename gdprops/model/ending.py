"""How a clause ended, as every report counts it: a violated recommendation is counted apart from a violation.

The terminal, the line of progress, JSON, Markdown, the page, JUnit and pytest all count with `count_endings`, so that
they tell the same numbers. Example: 12 clauses held, 1 violated, 1 violated (recommended).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from gdprops.model.clause import Level
from gdprops.model.verdict import Status, Verdict


class Ending(StrEnum):
    """The ways in which a clause ends, in the order in which reports tell them."""

    HELD = "held"
    VIOLATED = "violated"
    ADVISED = "violated-recommended"
    ABORTED = "aborted"
    ERROR = "error"
    ACCEPTED = "accepted"
    VACUOUS = "vacuous"
    NOT_APPLICABLE = "not-applicable"


WORDS = {
    Ending.ADVISED: "violated (recommended)",
    Ending.VACUOUS: "not decided",
    Ending.NOT_APPLICABLE: "do not apply",
}
"""How an ending reads, where it is not its own name."""
ALARMS = (Ending.VIOLATED, Ending.ADVISED, Ending.ABORTED, Ending.ERROR)
"""The endings that a reader should hear of while the run goes on."""


def ending_of(verdict: Verdict) -> Ending:
    """Return how a verdict's clause ended."""
    if verdict.status is Status.VIOLATED and verdict.level is Level.RECOMMENDED:
        return Ending.ADVISED
    return Ending(verdict.status.value)


def count_endings(verdicts: Iterable[Verdict]) -> dict[Ending, int]:
    """Return how many clauses ended in each way, 0 included."""
    counts = dict.fromkeys(Ending, 0)
    for verdict in verdicts:
        counts[ending_of(verdict)] += 1
    return counts


def words_of(ending: Ending, count: int = 2) -> str:
    """Return how an ending reads behind a number: ``held``, ``does not apply``, ``do not apply``."""
    if ending is Ending.NOT_APPLICABLE and count == 1:
        return "does not apply"
    return WORDS.get(ending, ending.value)


def in_words(counts: Mapping[Ending, int]) -> Iterator[str]:
    """Yield ``9 held``, ``1 violated`` and so on, for the endings that occur."""
    for ending in Ending:
        if count := counts.get(ending, 0):
            yield f"{count} {words_of(ending, count)}"
