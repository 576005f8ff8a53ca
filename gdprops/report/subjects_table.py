"""Print the table of several subjects, such as the files of a folder: one row each, and a sentence that counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from gdprops.model import exit_codes
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import About, Status, Verdict
from gdprops.model.wording import plural
from gdprops.report.headline import WORDS
from gdprops.report.phrases import found_in_short
from gdprops.report.summary import MORE_EXAMPLES, nearly_decided, too_few, undecided

if TYPE_CHECKING:
    from rich.console import Console


MORE = "gdprops check SUBJECT tells more about one of them, -v about all: where, by how much, and a case to run."

SAYING = "Where a row asks you to say something, add it with -p, for instance -p targets=vector."


def print_rows(console: Console, outcomes: Sequence[Outcome], *, briefly: bool = False) -> None:
    """Print a sentence that counts the subjects, a table with one row for each, and the sentence again.

    ``briefly``: the rows are all that is printed, and lines say how to learn more and how to say what is asked for.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, width=console.width)
    table.add_column("subject", overflow="fold", max_width=max(16, console.width * 3 // 10))
    table.add_column("answer", no_wrap=True)
    table.add_column("what was found", overflow="fold", ratio=1)
    for outcome, answer in zip(outcomes, _answers(outcomes), strict=True):
        table.add_row(Text(outcome.subject), Text(*answer), Text(found(outcome)))
    counted = Text(summary(outcomes), style="bold")
    console.print(counted)
    console.print()
    console.print(table)
    console.print()
    if briefly and any(outcome.exit_code for outcome in outcomes):
        console.print(Text(MORE))
        if any(outcome.refused for outcome in outcomes):
            console.print(Text(SAYING))
    console.print(counted)


def _answers(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Return the verdicts on hand-written code, or the first words of the subjects' own reports, and their styles."""
    for_students, styled = any(map(is_for_students, outcomes)), [WORDS[outcome.exit_code] for outcome in outcomes]
    words = [status_of(one) for one in outcomes] if for_students else [word.lower() for word, _ in styled]
    return [(word, style) for word, (_, style) in zip(words, styled, strict=True)]


def red_of(outcome: Outcome) -> Verdict | None:
    """Return the verdict that is told of a subject: the primary violation, else the first red one; None without any."""
    red = [v for v in outcome.of(About.SUBJECT) if (v.failed_strictly if outcome.strict else v.failed)]
    return min(red, key=lambda v: (v.status is not Status.VIOLATED, not v.also), default=None)


def found(outcome: Outcome) -> str:
    """Return in one line what was found: the primary violated clause, and what the subject does instead."""
    if outcome.refused:
        return outcome.refused
    if outcome.exit_code == exit_codes.BUG:
        return "a bug of gdprops: please report it, with what gdprops check prints for this subject alone"
    red, line = red_of(outcome), line_of(outcome)
    if red is None:
        return _without_red(outcome)
    if is_for_students(outcome):
        return f"{found_in_short(red)}{f' (line {line})' * bool(line)}"
    return f"{red.clause}: {found_in_short(red)}"


def _without_red(outcome: Outcome) -> str:
    """Return what was found where no clause failed."""
    held = f"{plural(outcome.held, 'clause')} held"
    if outcome.exit_code == exit_codes.VIOLATED:
        return " ".join(too_few(outcome))
    if outcome.interrupted:
        return f"interrupted: {held} until then, and the others were not run"
    if not outcome.held:
        more = f". {MORE_EXAMPLES}" if nearly_decided(outcome) else ""
        return f"no clause held: nothing was shown{more}"
    return undecided(outcome) if outcome.exit_code == exit_codes.UNDECIDED else held


READ = "read as: "
"""How the note begins that tells how hand-written code was read."""


def is_for_students(outcome: Outcome) -> bool:
    """Say whether a run is of hand-written code that was read as it stands."""
    return any(note.text.startswith(READ) for v in outcome.verdicts if v.about is About.SUBJECT for note in v.notes)


def status_of(outcome: Outcome) -> str:
    """Return the verdict on a file of hand-written code in a word or two."""
    if outcome.refused:
        return "not checked"
    if outcome.interrupted:
        return "interrupted"
    red = red_of(outcome)
    if outcome.exit_code == exit_codes.VIOLATED and red is not None and red.status is Status.ABORTED:
        return "not finished"  # it ran out of time, say: nothing is known to be wrong
    return {0: "right", 1: "wrong", 5: "no verdict"}.get(outcome.exit_code, "error")


def sentence(outcome: Outcome) -> str:
    """Return in one sentence what a file does wrong, or that it is right, and under which loss."""
    if outcome.refused:
        return outcome.refused
    red = red_of(outcome)
    if red is not None:
        return found_in_short(red)
    if outcome.exit_code not in (0, 5):
        return found(outcome)
    if outcome.exit_code == 5:
        reasons = [v.reason for v in outcome.of(About.SUBJECT) if v.reason.startswith(NO_VERDICT)]
        return reasons[0].removeprefix(NO_VERDICT) if reasons else found(outcome)
    loss = next((n.text for n in outcome.notes if n.text.startswith(("no loss is declared: ", "judged by"))), "")
    held = f"every step is plain gradient descent ({plural(outcome.held, 'clause')} held)"
    return f"{held}; {loss}" if loss else held


NO_VERDICT = "no verdict: "


def line_of(outcome: Outcome) -> str:
    """Return the line that a violation is in, empty where none is known."""
    red = red_of(outcome)
    return next((str(place.line) for place in (red.places if red else ()) if place.line is not None), "")


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return one sentence: how many subjects there are, and how many of each answer."""
    counts = Counter(word for word, _ in _answers(outcomes))
    return f"{plural(len(outcomes), 'subject')}: {', '.join(f'{n} {answer}' for answer, n in counts.items())}."
