"""What else changes a wrong step: the number of ranks, and which rank has which rows. Neither may.

A right step ends at the same weights on any number of ranks, and whoever has which rows: both follow from
distributed.equals-single. Of a wrong one it is worth a word, because it says where to look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.clauses.support.ranks_story import Compared, first_wrong
from gdprops.errors import SubjectCrash
from gdprops.model.network import Batch
from gdprops.subjects.distributed_step.observed import observed

if TYPE_CHECKING:
    from gdprops.model.case import RanksCase
    from gdprops.subjects.distributed_step.observed import Story
    from gdprops.subjects.distributed_step.subject import DistributedStep


def also_changes(subject: DistributedStep, story: Story, wrong: Compared) -> Iterator[str]:
    """Yield in words what changes a wrong step, of the number of ranks and of who has which rows."""
    case = story.case
    if case.resumed or case.is_own or case.added or case.mesh or len(set(case.parts)) > 1:
        return
    smaller = [n for n in subject.declaration.worlds if n < case.world]
    right = [n for n in smaller if _is_right(subject, replace(case, parts=(sum(case.parts) // n,) * n))]
    if right:
        yield f"on {' and '.join(map(str, right))} ranks the same step is right"
    agree = all(place.rank is None for place in wrong.places)  # else each rank's weights show whose rows they are of
    if agree and not wrong.step.t and _ends_elsewhere(subject, wrong):
        yield "which rank has which rows changes the weights"


def _is_right(subject: DistributedStep, case: RanksCase) -> bool:
    try:
        story = observed(subject.declaration, case)
    except SubjectCrash:
        return False
    return bool(story.steps) and first_wrong(story) is None


def _ends_elsewhere(subject: DistributedStep, wrong: Compared) -> bool:
    """Say whether the first step ends elsewhere on some rank if the last rank has the first one's rows, and so on."""
    step = wrong.step
    batch, train = step.case.train.batches[0], step.case.train
    rows = np.arange(len(batch.inputs))
    order = np.concatenate([rows[step.case.rows_of(rank)] for rank in reversed(range(step.case.world))])
    turned = Batch(batch.inputs[order], batch.targets[order])
    story = observed(subject.declaration, replace(step.case, train=replace(train, batches=(turned,))))
    if not story.steps:
        return False
    other = Compared(story.steps[0])
    if other.names != wrong.names:
        return True
    pairs = zip(wrong.seen, other.seen, wrong.allowed, strict=True)
    return any(bool((np.abs(a - b) > 2 * np.asarray(room)).any()) for a, b, room in pairs)
