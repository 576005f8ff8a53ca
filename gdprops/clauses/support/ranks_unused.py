"""A parameter that the rows of some ranks reach: wrong ways to move it, and what a case shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gdprops.clauses.support.ranks_rivals import Rival, everywhere
from gdprops.clauses.support.ranks_story import Compared
from gdprops.model.case import BRANCH
from gdprops.model.evidence import Evidence, combine, vacuous
from gdprops.model.wording import plural
from gdprops.numerics.reached_rows import reaching_ranks

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.observed import Step, Story


def moves_by_the_whole_gradient(story: Story) -> Evidence:
    """Compare all steps; decisive if the parameter would end elsewhere in each of the wrong ways."""
    found = list[Evidence]()
    for step in story.steps:
        compared, rivals = Compared(step), list(reached_in_part(step))
        if not compared.is_wrong:
            found.append(compared.evidence(one.ends[0] for one in rivals if one.is_one_for_all))
        elif compared.may_be_in_this_way(_by_zeros(step).ends):
            break  # from here on its rule's state is another one, too
        else:
            names = (one.name for one in rivals if compared.is_in_this_way(one.ends))
            return compared.evidence((), next(names, ""))
    return combine(found) if found else vacuous("a gradient of zeros moves what no rank reaches")


def reached_in_part(step: Step) -> Iterator[Rival]:
    """Yield wrong ways to move a parameter that only some ranks reach; none where no rank does, or all do."""
    world = step.case.world
    ranks = reaching_ranks(step.case, step.t) if step.case.added == BRANCH else ()
    if len(ranks) in (0, world):
        return
    place = step.names.index(BRANCH)
    more, none = list(step.gradients), list(step.gradients)
    more[place] = np.asarray(step.gradients[place]) * (world / len(ranks))
    none[place] = None
    who = f"the {plural(len(ranks), 'rank')} that reach{'es' if len(ranks) == 1 else ''} it"
    yield everywhere(step, f"{BRANCH} moves by the mean over {who}, and not over all {world}", step.update(more))
    rests, moves = step.update(none), step.expected
    ends = [moves if rank in ranks else rests for rank in range(world)]
    yield Rival(f"{BRANCH} moves only on {who}", ends)
    yield everywhere(step, f"{BRANCH} rests on all ranks", rests)
    own = [step.update(_with(step, place, rank)) for rank in range(world)]
    yield Rival(f"each rank moves {BRANCH} by its own rows alone", own)


def _with(step: Step, place: int, rank: int) -> list[Array | None]:
    found = list(step.gradients)
    found[place] = step.own_gradients(rank)[place]
    return found


def _by_zeros(step: Step) -> Rival:
    """Return the step of ranks that give a parameter without any gradient one of zeros."""
    zeros = [
        np.zeros_like(w) if g is None and trains else g
        for w, g, trains in zip(step.before, step.gradients, step.single.trainable, strict=True)
    ]
    return everywhere(step, "a gradient of zeros", step.update(zeros))
