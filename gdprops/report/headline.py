"""The first and the last line of a report: whether the subject passed, what fails, and how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model import exit_codes
from gdprops.model.clause import Level
from gdprops.model.ending import Ending, count_endings, in_words
from gdprops.model.outcome import WATCHED
from gdprops.model.verdict import RED, About, Status
from gdprops.model.wording import on_one_line, plural

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

WORDS = {
    exit_codes.OK: ("PASSED", "bold green"),
    exit_codes.VIOLATED: ("FAILED", "bold red"),
    exit_codes.UNUSABLE: ("REFUSED", "bold yellow"),
    exit_codes.BUG: ("ERROR", "bold magenta"),
    exit_codes.UNDECIDED: ("NOT DECIDED", "bold yellow"),
    exit_codes.INTERRUPTED: ("INTERRUPTED", "bold yellow"),
    exit_codes.TERMINATED: ("INTERRUPTED", "bold yellow"),
}
"""By exit code, the word that a report begins with, and its style."""


MOST_OPEN = 4
"""Of so many undecided clauses it is told why."""


def headline(outcome: Outcome) -> tuple[str, str]:
    """Return the line that says how a run ended, and its style."""
    word, style = WORDS[outcome.exit_code]
    if outcome.refused:
        return f"{word}  {outcome.subject}: could not be used: {outcome.refused}", style
    seconds = outcome.timing.get("seconds")
    took = "" if seconds is None else f" ({seconds:.1f} s)"
    return f"{word}  {outcome.subject}: {', '.join(_parts(outcome))}{took}", style


def _parts(outcome: Outcome) -> list[str]:
    verdicts = outcome.told
    failing = [v for v in verdicts if v.status in RED]
    required = [v for v in failing if v.level is Level.REQUIRED]
    counts = (
        (len(required), "required clause fails", "required clauses fail"),
        (len(failing) - len(required), "recommended clause fails", "recommended clauses fail"),
        (
            outcome.counts[Ending.ERROR],
            "clause ended in a bug of gdprops",
            "clauses ended in bugs of gdprops",
        ),
        (sum(v.stale for v in verdicts), "accepted violation is out of date", "accepted violations are out of date"),
        (_not_decided(outcome), "clause was not decided", "clauses were not decided"),
    )
    told = [plural(count, one, many) for count, one, many in counts if count]
    told += [f"fewer than min-clauses = {outcome.min_clauses} held"] * (outcome.held < outcome.min_clauses)
    held = f"{plural(outcome.counts[Ending.HELD], 'clause')} held"
    return told if required else [*told, held]


def _not_decided(outcome: Outcome) -> int:
    """Return how many clauses were not decided, where that is why the run is no success."""
    matters = outcome.exit_code == exit_codes.UNDECIDED or (outcome.strict and outcome.exit_code == exit_codes.VIOLATED)
    return outcome.counts[Ending.VACUOUS] if matters else 0


def chapters(outcome: Outcome) -> dict[str, str]:
    """Return for each chapter of the specification how many clauses about the subject ended in which way."""
    found: dict[str, list[Verdict]] = {}
    for verdict in outcome.of(About.SUBJECT):
        found.setdefault(chapter_of(verdict.clause), []).append(verdict)
    return {chapter: " · ".join(in_words(count_endings(verdicts))) for chapter, verdicts in found.items()}


def chapter_of(clause: str) -> str:
    """Return the chapter of the specification that a clause stands in: ``step`` of ``step.plain``."""
    return clause.partition(".")[0]


def undecided_lines(outcome: Outcome) -> list[str]:
    """Return why required clauses were not decided, where that is why the run is no success."""
    if not _not_decided(outcome):
        return []
    open_ones = [v for v in outcome.told if v.status is Status.VACUOUS and v.level is Level.REQUIRED]
    if outcome.profile == WATCHED and open_ones:  # all for one reason
        return [f"Nothing was decided: {open_ones[0].reason}."]
    more = [f"and {plural(len(open_ones) - MOST_OPEN, 'clause')} more: -v lists them"] * (len(open_ones) > MOST_OPEN)
    return [*(f"{v.clause} was not decided: {v.reason}" for v in open_ones[:MOST_OPEN]), *more]


def accepted_lines(outcome: Outcome) -> list[str]:
    """Return one line for each violation that the project has accepted, or that its specification does not ask for."""
    accepted = [v for v in outcome.told if v.status is Status.ACCEPTED and not v.stale]
    return [f"{v.clause} is violated, and accepted: {on_one_line(v.reason)}" for v in accepted]
