"""Explain a wrong distributed step: the first hypothesis that reproduces every failing example.

The lines at which the user's own code reduces are added; a wrapper's reductions have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdprops.clauses.support.ranks_story import Compared, first_wrong
from gdprops.errors import SubjectCrash
from gdprops.explanations.distributed_step.also_changes import also_changes
from gdprops.explanations.distributed_step.hypotheses import (
    Hypothesis,
    frozen_names,
    hypotheses,
    on_ranks,
    shown,
    wrong_names,
    wrong_ranks,
)
from gdprops.explanations.explanation import Explanation
from gdprops.model.note import Note
from gdprops.subjects.distributed_step.observed import observed

if TYPE_CHECKING:
    from gdprops.clauses.support.ranks_rivals import Rival
    from gdprops.model.case import RanksCase
    from gdprops.subjects.distributed_step.observed import Story
    from gdprops.subjects.distributed_step.subject import DistributedStep

EXAMPLES = 8
"""In so many failing examples an explanation must hold."""
REDUCING = ("all_reduce", "reduce", "reduce_scatter", "broadcast", "all_gather")
MOST_LINES, MOST_RIVALS = 3, 64
NONE_FITS = "none of gdprops' hypotheses about several ranks reproduces the weights"


def explained(subject: DistributedStep, failing: Sequence[RanksCase]) -> Explanation | None:
    """Return what the ranks do instead; None where nothing wrong is seen in the weights."""
    stories = list(_stories(subject, failing[:EXAMPLES]))
    if not stories:
        return None
    for one in hypotheses():
        told = _holding(one, stories)
        if told is not None:
            also = "".join(f"; {fact}" for fact in also_changes(subject, *stories[0]))
            return Explanation(f"{told}{also}", one.clause, 0, places=_lines(subject, failing[0]))
    return Explanation(f"{NONE_FITS}{_facts(stories)}", places=_lines(subject, failing[0]))


def _facts(stories: Sequence[tuple[Story, Compared]]) -> str:
    """Return what is so in every failing example: which ranks are right, and that only frozen parameters move."""
    right = set.intersection(*({*range(story.world)} - set(wrong_ranks(wrong)) for story, wrong in stories))
    right = right if all(wrong_ranks(wrong) for _, wrong in stories) else set()
    facts = [f"{on_ranks(sorted(right))} {'is' if len(right) == 1 else 'are'} right, and no other one"] * bool(right)
    frozen = all(set(wrong_names(wrong)) <= set(frozen_names(wrong)) for _, wrong in stories)
    facts += ["only frozen parameters are wrong"] * frozen
    return f"; {'; '.join(facts)}" if facts else f"; wrong first: {shown(wrong_names(stories[0][1]))}"


def _stories(subject: DistributedStep, failing: Sequence[RanksCase]) -> Iterator[tuple[Story, Compared]]:
    for case in failing:
        try:
            story = observed(subject.declaration, case)
        except SubjectCrash:
            continue
        wrong = first_wrong(story)
        if wrong is not None:
            yield story, wrong


def _holding(one: Hypothesis, stories: Sequence[tuple[Story, Compared]]) -> str | None:
    """Return the sentence of a hypothesis if it holds in all examples, the same of its rivals in each.

    In one of them at least the rival must clearly differ from what is expected. What a sentence says of names and ranks
    is that of the first example, the smallest one.
    """
    fitting, clear = set[int](range(MOST_RIVALS)), set[int]()
    for _, wrong in stories:
        rivals = list(one.rivals(wrong.step))
        fitting &= {k for k, rival in enumerate(rivals) if wrong.may_be_in_this_way(rival.ends)}
        clear |= {k for k in fitting if wrong.is_in_this_way(rivals[k].ends)}
    if not fitting & clear:
        return None
    story, wrong = stories[0]
    rival: Rival = list(one.rivals(wrong.step))[min(fitting & clear)]
    return one.said(story, wrong, rival)


def _lines(subject: DistributedStep, case: RanksCase) -> tuple[Note, ...]:
    """Return the lines at which the user's code issues collectives."""
    story = observed(subject.declaration, case, traced=True)
    found = dict[Note, None]()
    for one in story.ran.values():
        for issued in one.collectives or ():
            if issued.op in REDUCING and issued.place:
                file, _, line = issued.place.rpartition(":")
                found[Note(f"{issued.op} is issued here", file, int(line))] = None
    return tuple(found)[:MOST_LINES]
