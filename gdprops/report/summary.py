"""Write the closing lines of a report: how many clauses held, were violated, vacuous or did not apply, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.model import exit_codes
from gdprops.model.verdict import About, Status, names_of
from gdprops.model.wording import plural
from gdprops.report.phrases import tally

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

PHRASES = {
    Status.HELD: "held",
    Status.VIOLATED: "violated",
    Status.ABORTED: "aborted",
    Status.VACUOUS: "vacuous",
    Status.NOT_APPLICABLE: "did not apply",
    Status.ACCEPTED: "accepted",
    Status.ERROR: "ended in an error of gdprops",
}
ALWAYS = (Status.HELD, Status.VIOLATED)
REASONED = (Status.ABORTED, Status.VACUOUS, Status.NOT_APPLICABLE)


def with_status(verdicts: Sequence[Verdict], status: Status) -> tuple[Verdict, ...]:
    """Return the verdicts that have this status."""
    return tuple(verdict for verdict in verdicts if verdict.status is status)


def summary_line(outcome: Outcome) -> str:
    """Return one sentence that counts the subject's verdicts or, if there are none, those of the reference."""
    if outcome.refused:
        return f"{outcome.subject}: could not be used: {outcome.refused}"
    verdicts = outcome.of(About.SUBJECT) or outcome.verdicts
    parts = [_part(verdicts, status) for status in PHRASES]
    counts = ", ".join(part for part in parts if part)
    done = "" if outcome.complete else "interrupted; "
    return f"{outcome.subject}: {done}of {plural(len(verdicts), 'clause')}, {counts}."


def _part(verdicts: Sequence[Verdict], status: Status) -> str:
    chosen = with_status(verdicts, status)
    if not chosen and status not in ALWAYS:
        return ""
    why = f" ({tally(verdict.reason for verdict in chosen)})" if chosen and status in REASONED else ""
    return f"{len(chosen)} {PHRASES[status]}{why}"


def reference_line(outcome: Outcome) -> str | None:
    """Return one line that counts the verdicts about the reference, or None if there are none."""
    verdicts = outcome.of(About.REFERENCE)
    if not verdicts:
        return None
    held = with_status(verdicts, Status.HELD)
    others = [verdict for verdict in verdicts if verdict.status is not Status.HELD]
    rest = f"; not held: {', '.join(names_of(others))}" if others else ""
    return f"reference: {len(held)} of {len(verdicts)} held{rest}"


def advice(outcome: Outcome, *, searched: bool = True) -> list[str]:
    """Return lines that say what to do next.

    They say how to reproduce a failure, which accepted violations are out of date, and what exit codes 3 and 5 mean.
    ``searched=False`` is the replay of one case, which is reproduced anyway.
    """
    lines = []
    if outcome.exit_code == exit_codes.BUG:
        lines.append("This is a bug of gdprops, not of the subject: please report it with the text above.")
    lines += [f"{verdict.clause}: {verdict.reason}" for verdict in outcome.verdicts if verdict.stale]
    lines += too_few(outcome)
    if outcome.exit_code == exit_codes.UNDECIDED:
        lines.append(_undecided(outcome))
    if searched and outcome.seed is None and (outcome.exit_code == exit_codes.BUG or red(outcome)):
        lines.append(
            "No seed was given. The same command tries the failing examples again first; "
            "--seed 0 gives the same examples in every run and on every machine."
        )
    return lines


def _undecided(outcome: Outcome) -> str:
    """Return why a run in which nothing was violated shows nothing about its subject."""
    if outcome.held and not outcome.is_decided:
        return "No required clause was decided: what held is recommended only, and says little about this subject."
    return "No clause held: nothing was shown about this subject."


def note_lines(outcome: Outcome) -> list[str]:
    """Return one line for each note of the run."""
    return [f"note: {note.sentence}" for note in outcome.notes]


def red(outcome: Outcome) -> bool:
    """Say whether any clause failed; an accepted violation that is out of date does not count."""
    return any((v.failed_strictly if outcome.strict else v.failed) and not v.stale for v in outcome.verdicts)


def too_few(outcome: Outcome) -> list[str]:
    """Return a line if fewer clauses held than the project requires, else nothing."""
    if outcome.held >= outcome.min_clauses:
        return []
    return [f"min-clauses = {outcome.min_clauses}, but only {plural(outcome.held, 'clause')} held."]
