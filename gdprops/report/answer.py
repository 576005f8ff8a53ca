"""What a report says of one run, in its order: the answer, what fails, a line for each chapter, and what to do next.

It is decided here once. The terminal, Markdown and the page draw it; none of them adds or leaves out a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from gdprops.model.outcome import WATCHED
from gdprops.report.fault_block import fault_blocks
from gdprops.report.headline import accepted_lines, chapters, headline, undecided_lines
from gdprops.report.summary import advice, note_lines, reference_line

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.report.fault_block import FaultBlock


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """The report of one run as text.

    Attributes:
        headline: The first and the last line: passed or not, what fails, how long it took.
        style: How the headline looks in a terminal.
        blocks: One for each fault.
        chapters: By chapter of the specification, how many of its clauses ended in which way.
        asked: What the run was asked, and what became of the reference.
        told: What is accepted, what was not decided and why, notes, and what to do next.
    """

    headline: str
    style: str
    blocks: tuple[FaultBlock, ...]
    chapters: dict[str, str]
    asked: tuple[str, ...]
    told: tuple[str, ...]


def answer_of(outcome: Outcome, *, every: bool = False, searched: bool = True) -> Answer:
    """Return what a report says of a run.

    ``every``: give a block to each violation, also to those that are likely of the same fault. ``searched=False`` is
    the replay of one case, which needs no advice on how to reproduce a failure.
    """
    told = [*accepted_lines(outcome), *undecided_lines(outcome), *note_lines(outcome)]
    return Answer(
        *headline(outcome),
        fault_blocks(outcome, every=every),
        chapters(outcome),
        _asked(outcome),
        (*told, *advice(outcome, searched=searched)),
    )


def _asked(outcome: Outcome) -> tuple[str, ...]:
    if outcome.refused:
        return ()
    reference = reference_line(outcome)
    seed = "no seed" if outcome.seed is None else f"seed {outcome.seed}"
    how = WATCHED if outcome.profile == WATCHED else f"profile {outcome.profile}, {seed}"
    return (*([] if reference is None else [reference]), f"{how}{', strict' * outcome.strict}")
