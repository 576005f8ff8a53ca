"""A training that was saved and loaded, beside one process that was never interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gdprops.clauses.support.ranks_collectives import same_collectives
from gdprops.clauses.support.ranks_rivals import Rival, everywhere, stateless
from gdprops.clauses.support.ranks_story import Compared, first_wrong
from gdprops.model.evidence import Evidence, combine, vacuous, wrong_elsewise

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.observed import Step, Story


def goes_on(story: Story) -> Evidence:
    """Compare the steps after loading; decisive if what is not loaded would show in the first of them."""
    if story.bound:
        return vacuous(story.bound)
    if story.loading is not None:
        return same_collectives(story.loading)
    saved_after, wrong = story.case.saved_after, first_wrong(story)
    if wrong is not None and wrong.step.t < saved_after:
        return wrong_elsewise("a step already fails distributed.equals-single before anything is saved")
    if wrong is not None:
        return wrong.evidence((), f"after loading on {_ranks(story)}{_how(story, wrong)}")
    if len(story.steps) <= saved_after:
        return vacuous("the ranks differ before anything is saved: distributed.replicas is about that")
    first, *later = (Compared(step) for step in story.steps[saved_after:])
    decided = first.evidence_beside([rival.ends for rival in _forgetful(first.step)])
    return decided if not decided.decisive else combine([decided, *(step.evidence(()) for step in later)])


def _ranks(story: Story) -> str:
    saved, loaded = story.case.world, len(story.case.resumed)
    return f"{loaded} {'rank' if loaded == 1 else 'ranks'} what {saved} have saved"


def _how(story: Story, wrong: Compared) -> str:
    if wrong.step.t != story.case.saved_after:
        return ""
    rivals = [*_forgetful(wrong.step), _otherwise_set(wrong.step)]
    names = (rival.name for rival in rivals if wrong.is_in_this_way(rival.ends))
    return f", {name}" if (name := next(names, "")) else ""


def _forgetful(step: Step) -> Iterator[Rival]:
    """Yield the first step of a training that has loaded no weights, and of one that has loaded no state."""
    start: list[Array] = list(step.earlier[0].before)
    gradients = step.single.gradients(start, step.t)
    anew = step.single.update(start, gradients, step.single.fresh, step.settings)
    yield everywhere(step, "the weights are those of the beginning", anew)
    for rival in stateless(step):
        if not all(map(np.array_equal, rival.ends[0], step.expected)):
            yield rival


def _otherwise_set(step: Step) -> Rival:
    """Return the step with the hyperparameters that the loading ranks have."""
    clipped, seen = step.single.clip(list(step.gradients)), step.seen[0].settings
    ends = step.single.update(step.before, clipped, step.state, seen)
    return everywhere(step, "the hyperparameters are not those of the training that goes on", ends)
