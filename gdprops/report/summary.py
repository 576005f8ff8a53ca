"""Write the closing lines of a report: what the run was asked, what is noteworthy beside it, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model import exit_codes
from gdprops.model.clause import Level
from gdprops.model.ending import Ending, ending_of, in_words
from gdprops.model.outcome import WATCHED
from gdprops.model.verdict import About, Status, names_of
from gdprops.model.wording import plural
from gdprops.report.phrases import tally

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome

KEPT = "kept from an earlier run with the same versions (--fresh runs it)"
INTERRUPTED = "It was interrupted: the other clauses were not run, and nothing is known of them. Run the command again."
INCOMPLETE = "Not every clause was run."
ENDED = (
    "The subject's own code ended its process or did not come back in time; clauses that are not counted were not run. "
    "gdprops check --in-process runs it in the process of gdprops, for a debugger."
)
REASONED = (Ending.ABORTED, Ending.VACUOUS, Ending.NOT_APPLICABLE)
"""The endings of which the summary says why."""


def summary_line(outcome: Outcome) -> str:
    """Return one sentence that counts the subject's verdicts or, if there are none, those of the reference."""
    if outcome.refused:
        return f"{outcome.subject}: could not be used: {outcome.refused}"
    counts = ", ".join(_part(outcome, ending) for ending in Ending if outcome.counts[ending])
    done = "interrupted; " if outcome.interrupted else ""
    return f"{outcome.subject}: {done}of {plural(len(outcome.told), 'clause')}, {counts or '0 held'}."


def _part(outcome: Outcome, ending: Ending) -> str:
    (part,) = in_words({ending: outcome.counts[ending]})
    reasons = [verdict.reason for verdict in outcome.told if ending_of(verdict) is ending]
    return f"{part} ({tally(reasons)})" if ending in REASONED else part


def reference_line(outcome: Outcome) -> str | None:
    """Return one line that counts the verdicts about the reference, or None if there are none."""
    verdicts = outcome.of(About.REFERENCE)
    if not verdicts:
        return None
    others = [verdict for verdict in verdicts if verdict.status is not Status.HELD]
    rest = f"; not held: {', '.join(names_of(others))}" if others else ""
    kept = f", {KEPT}" if all(verdict.is_kept for verdict in verdicts) else ""
    return f"reference: {len(verdicts) - len(others)} of {len(verdicts)} held{rest}{kept}"


def advice(outcome: Outcome, *, searched: bool = True) -> list[str]:
    """Return lines that say what to do next.

    They say how to reproduce a failure, which accepted violations are out of date, and what exit codes 3 and 5 mean.
    ``searched=False`` is the replay of one case, which is reproduced anyway.
    """
    lines = []
    if outcome.interrupted:
        lines.append(INTERRUPTED)
    elif not outcome.complete:
        lines.append(INCOMPLETE)
    if outcome.counts[Ending.ABORTED]:
        lines.append(ENDED)
    if outcome.exit_code == exit_codes.BUG:
        lines.append("This is a bug of gdprops, not of the subject: please report it with the text above.")
    lines += [f"{verdict.clause}: {verdict.reason}" for verdict in outcome.verdicts if verdict.stale]
    lines += too_few(outcome)
    if outcome.exit_code == exit_codes.UNDECIDED:
        lines.append(undecided(outcome))
    if (
        searched
        and outcome.seed is None
        and outcome.profile != WATCHED
        and (outcome.exit_code == exit_codes.BUG or red(outcome))
    ):
        lines.append(
            "No seed was given. The same command tries the failing examples again first; "
            "--seed 0 gives the same examples in every run and on every machine."
        )
    return lines


def undecided(outcome: Outcome) -> str:
    """Return why a run in which nothing was violated shows nothing about its subject."""
    if outcome.held and outcome.climbs:
        return (
            "It climbs, and no clause has decided whether it is meant to. --rule sgd, or the rule that it is, holds it "
            "to descending; a hyperparameter maximize=True declares that it climbs."
        )
    own = outcome.of(About.SUBJECT)
    if len(own) > 1 and {(v.status, v.reason) for v in own} == {(Status.NOT_APPLICABLE, own[0].reason)}:
        return f"No clause held: {own[0].reason.removeprefix('no verdict: ')}."
    if outcome.held and not outcome.is_decided:
        told = "No required clause was decided: what held is recommended only, and says little about this subject."
    else:
        told = "No clause held: nothing was shown about this subject."
    return f"{told} {MORE_EXAMPLES}" if nearly_decided(outcome) else told


MORE_EXAMPLES = "Some examples could have shown a fault, but too few of them: try more --examples."


def nearly_decided(outcome: Outcome) -> bool:
    """Say whether more examples may decide a run: some were decisive for a required clause, and fewer than needed."""
    return any(
        v.status is Status.VACUOUS and v.level is Level.REQUIRED and v.decisive for v in outcome.of(About.SUBJECT)
    )


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
