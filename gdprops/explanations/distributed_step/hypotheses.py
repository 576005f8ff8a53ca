"""Wrong ways to take a step on several ranks: what each rank would then end at, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gdprops.clauses.support.ranks_rivals import (
    Grads,
    Rival,
    Rivals,
    everywhere,
    mean_of,
    mean_of_means,
    other_norms,
    own_gradients,
    scaled,
    stateless,
    unreduced_windows,
)
from gdprops.clauses.support.ranks_story import Compared
from gdprops.clauses.support.ranks_unused import reached_in_part
from gdprops.explanations.distributed_step.mesh_hypotheses import lost_micro_batches, shared_wrongly
from gdprops.model.wording import plural

if TYPE_CHECKING:
    from gdprops.subjects.distributed_step.observed import Step, Story

EQUALS, REPLICAS = "distributed.equals-single", "distributed.replicas"
MOST_NAMES = 3
"""So many parameters are named in a sentence."""


class Hypothesis(NamedTuple):
    """A wrong way to take a step: its rivals, the clause that it breaks, and its sentence for a failing example."""

    rivals: Rivals
    clause: str
    said: Callable[[Story, Compared, Rival], str]


def hypotheses() -> Iterator[Hypothesis]:
    """Yield all hypotheses, the most special ones first: what comes earlier is told where several hold."""
    yield Hypothesis(reached_in_part, "distributed.unused", _as_it_is)
    yield Hypothesis(shared_wrongly, EQUALS, _as_it_is)
    yield Hypothesis(lost_micro_batches, EQUALS, _as_it_is)
    yield Hypothesis(stateless, "distributed.sharded-state", _as_it_is)
    yield Hypothesis(other_norms, "distributed.clipping", _as_it_is)
    yield Hypothesis(_resting, REPLICAS, _rest)
    yield Hypothesis(_unreduced, EQUALS, _not_reduced)
    yield Hypothesis(unreduced_windows, "distributed.window", _as_it_is)
    yield Hypothesis(_within_groups, EQUALS, _as_it_is)
    yield Hypothesis(partial(_factor, added=True), EQUALS, _of_some)
    yield Hypothesis(partial(_factor, added=False), EQUALS, _of_some)
    yield Hypothesis(mean_of_means, "distributed.ragged", _as_it_is)
    yield Hypothesis(_as_many_rows, EQUALS, _as_it_is)
    yield Hypothesis(_averaged_weights, EQUALS, _as_it_is)
    yield Hypothesis(_rows_of_one_rank, EQUALS, _as_it_is)


def _as_it_is(story: Story, wrong: Compared, rival: Rival) -> str:
    return rival.name


def _of_some(story: Story, wrong: Compared, rival: Rival) -> str:
    """Say which parameters it is about, where the others are right."""
    names, trainable = wrong_names(wrong), wrong.step.single.trainable
    return rival.name if len(names) == sum(trainable) else f"{rival.name}: of {shown(names)} only"


def _as_many_rows(step: Step) -> Iterator[Rival]:
    """Yield steps of ranks that drop rows, or repeat some, until all have equally many."""
    parts = step.case.parts
    if len(set(parts)) == 1:
        return
    for size, how in ((min(parts), "ranks drop"), (max(parts), "ranks repeat")):
        each = [
            mean_of([_of_one_row(step, step.case.rows_of(rank).start + k % own) for k in range(size)])
            for rank, own in enumerate(parts)
        ]
        name = f"{how} rows until all have {size}, and are then averaged"
        yield everywhere(step, name, step.update(mean_of(each)))


def _of_one_row(step: Step, row: int) -> Grads:
    return step.single.gradients(step.before, step.t, rows=slice(row, row + 1), clipped=False)


def _averaged_weights(step: Step) -> Iterator[Rival]:
    ends = [step.update(g) for g in own_gradients(step)]
    means = [np.asarray(sum(each[1:], each[0]) / len(each)) for each in zip(*ends, strict=True)]
    yield everywhere(step, "each rank takes its own step, and then the weights are averaged", means)


def _unreduced(step: Step) -> Iterator[Rival]:
    yield Rival("each rank by its own rows", [step.update(g) for g in own_gradients(step)])


def _not_reduced(story: Story, wrong: Compared, rival: Rival) -> str:
    """Say what is not reduced: everything, some parameters, or all but on one rank."""
    ranks, names = wrong_ranks(wrong), wrong_names(wrong)
    trainable = [n for n, trains in zip(wrong.step.names, wrong.step.single.trainable, strict=True) if trains]
    what = "every parameter" if len(names) == len(trainable) else shown(names)
    if ranks and len(ranks) < story.world:
        alone = len(ranks) == 1
        return f"{on_ranks(ranks)} {'moves' if alone else 'move'} {what} by {'its' if alone else 'their'} own rows"
    return f"each rank moves {what} by its own rows alone{_though_reduced(story, names, trainable)}"


def _though_reduced(story: Story, names: list[str], trainable: list[str]) -> str:
    """Say that there are reductions all the same, where nothing that is reduced is used."""
    issued = max((sum(one.counts.values()) for one in story.ran.values()), default=0)
    if not issued:
        return ": no rank issues a collective"
    if len(names) < len(trainable):
        return ": the others are reduced"
    return f": it issues {plural(issued, 'collective')}, but not between its gradients and its update"


def _resting(step: Step) -> Iterator[Rival]:
    yield everywhere(step, "rests", step.before)


def _rest(story: Story, wrong: Compared, rival: Rival) -> str:
    names, ranks = wrong_names(wrong), wrong_ranks(wrong)
    who, alone = on_ranks(ranks) if ranks else "every rank", len(ranks) < 2
    return f"{who} {'leaves' if alone else 'leave'} {shown(names)} where {'it is' if len(names) == 1 else 'they are'}"


def _factor(step: Step, *, added: bool) -> Iterator[Rival]:
    world = step.case.world
    factor = float(world) if added else 1 / world
    how = f"the gradients of the {world} ranks are added, and not averaged"
    name = how if added else f"the mean gradient is divided by the {world} ranks once more"
    yield everywhere(step, name, step.update(scaled(step.gradients, factor)))


def _rows_of_one_rank(step: Step) -> Iterator[Rival]:
    for rank, gradients in enumerate(own_gradients(step)):
        yield everywhere(step, f"all ranks move by the rows of rank {rank} alone", step.update(gradients))


def _within_groups(step: Step) -> Iterator[Rival]:
    """Yield means within pairs of ranks, or any other equal groups of neighbours."""
    world, each = step.case.world, own_gradients(step)
    for size in range(2, world):
        if world % size == 0:
            means = [mean_of(each[k : k + size]) for k in range(0, world, size)]
            ends = [step.update(means[rank // size]) for rank in range(world)]
            groups = " and ".join(f"{{{', '.join(map(str, range(k, k + size)))}}}" for k in range(0, world, size))
            yield Rival(f"ranks are averaged within {groups} alone", ends)


def wrong_names(wrong: Compared) -> list[str]:
    """Return the names of the parameters that are wrong anywhere."""
    found = [wrong.step.names[one.parameter] for one, off in zip(wrong.places, wrong.wrong, strict=True) if off]
    return list(dict.fromkeys(found))


def wrong_ranks(wrong: Compared) -> list[int]:
    """Return the ranks on which something is wrong; none where all ranks hold the same."""
    pairs = zip(wrong.places, wrong.wrong, strict=True)
    return sorted({one.rank for one, off in pairs if off and one.rank is not None})


def frozen_names(wrong: Compared) -> list[str]:
    """Return the names of the frozen parameters."""
    pairs = zip(wrong.step.names, wrong.step.single.trainable, strict=True)
    return [name for name, trains in pairs if not trains]


def on_ranks(ranks: list[int]) -> str:
    """Return "rank 1", or "ranks 1, 2"."""
    return f"{'rank' if len(ranks) == 1 else 'ranks'} {', '.join(map(str, ranks))}"


def shown(names: list[str]) -> str:
    """Return some names: "a, b and 2 more"."""
    if len(names) > MOST_NAMES + 1:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))
