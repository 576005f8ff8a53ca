"""Wrong ways in which several ranks may take a step, and how a clause is decided by them.

A rival is, for each rank, the weights at which it would end. A wrong step is a violation of a clause if every entry is
right or at a rival of that clause, and any wrong one is there; otherwise it is wrong in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gdprops.clauses.support.ranks_story import Compared, first_wrong
from gdprops.model.evidence import Evidence, combine, vacuous, wrong_elsewise
from gdprops.numerics.decisions import CLIP_GUARD
from gdprops.numerics.norm import global_norm

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.observed import Step, Story

Grads = list["Array | None"]


class Rival(NamedTuple):
    """A wrong way to take a step: its name, and the weights at which each rank would end."""

    name: str
    ends: Sequence[Sequence[Array]]

    @property
    def is_one_for_all(self) -> bool:
        """Whether all ranks would end at the same weights."""
        return all(end is self.ends[0] for end in self.ends)


Rivals = Callable[["Step"], Iterator[Rival]]


def judged(story: Story, rivals: Rivals, *, after_the_first: bool = False) -> Evidence:
    """Decide a clause by its rivals; ``after_the_first``: only steps after the first one can show them."""
    first = int(after_the_first)
    wrong = first_wrong(story)
    if wrong is None:
        steps = story.steps[first:]
        if not steps:
            return vacuous("the example has one step only")
        return combine(Compared(step).evidence_beside([one.ends for one in rivals(step)]) for step in steps)
    if wrong.step.t >= first:
        for rival in rivals(wrong.step):
            if wrong.is_in_this_way(rival.ends):
                return wrong.evidence((), rival.name)
            if wrong.may_be_in_this_way(rival.ends):
                return vacuous("a wrong step cannot be told from another one here")
    return wrong_elsewise("a step already fails distributed.equals-single, but not in this way")


def everywhere(step: Step, name: str, weights: Sequence[Array]) -> Rival:
    """Return a rival in which all ranks end at the same weights."""
    return Rival(name, [weights] * step.case.world)


def mean_of(several: Sequence[Grads]) -> Grads:
    """Return the mean of gradients, each as much as any other."""
    return [_mean(list(one)) for one in zip(*several, strict=True)]


def _mean(held: list[Array | None]) -> Array | None:
    there = [g for g in held if g is not None]
    return np.asarray(sum(there[1:], there[0]) / len(held)) if there else None


def scaled(gradients: Grads, factor: float) -> Grads:
    """Return gradients times a number."""
    return [None if g is None else g * factor for g in gradients]


def own_gradients(step: Step) -> list[Grads]:
    """Return the gradients of each rank's own rows."""
    return [step.own_gradients(rank) for rank in range(step.case.world)]


def mean_of_means(step: Step) -> Iterator[Rival]:
    """Yield the step along the mean of the ranks' means."""
    yield everywhere(
        step, "the mean of the ranks' means, whatever their rows", step.update(mean_of(own_gradients(step)))
    )


def unreduced_windows(step: Step) -> Iterator[Rival]:
    """Yield steps in which micro-batches are not reduced, are left out, or are added where a mean was meant."""
    world, window = step.case.world, step.case.window
    if window == 1:
        return
    micro = [
        [step.single.gradients(step.before, step.t, rows=rows, clipped=False) for rows in step.case.micro_batches(rank)]
        for rank in range(world)
    ]
    last = mean_of([own[-1] for own in micro])
    earlier = [mean_of([*own[:-1], last]) for own in micro]
    if step.case.has_parts:
        yield Rival("only the last micro-batch is reduced", [step.update(g) for g in earlier])
        yield Rival("no micro-batch is reduced", [step.update(mean_of(own)) for own in micro])
    yield everywhere(step, "only the last micro-batch counts", step.update(last))
    added = [scaled(g, float(window)) for g in (step.gradients,)]
    yield everywhere(step, "the micro-batches are added, and not averaged", step.update(added[0]))


def other_norms(step: Step) -> Iterator[Rival]:
    """Yield steps that are clipped by another norm than that of the whole gradient, or not at all."""
    most = step.single.clip_norm
    if most is None:
        return
    world, whole = step.case.world, step.gradients
    yield everywhere(step, "the gradient is not clipped", step.unclipped_update(whole))
    if step.case.has_parts:
        clipped = [step.single.clip(list(g)) for g in own_gradients(step)]
        how = "each rank clips its own gradient, before the mean"
        yield everywhere(step, how, step.unclipped_update(mean_of(clipped)))
    for times in (n for n in range(2, world + 1) if world % n == 0):
        again = clip_factor(most, global_norm(whole) * times**0.5)
        how = "every rank counts the norm again" if times == world else f"every shard counts {times} times in the norm"
        yield everywhere(step, how, step.unclipped_update(scaled(whole, again)))
    if any(map(step.is_sharded, step.names)):
        norms = [shard_norm(step, rank) for rank in range(world)]
        ends = [step.unclipped_update(scaled(whole, clip_factor(most, norm))) for norm in norms]
        yield Rival("each rank clips by the norm of its own shards", ends)
        largest = ends[int(np.argmax(norms))]
        yield everywhere(step, "the norm is that of the largest shards", largest)


def clip_factor(most: float, norm: float) -> float:
    """Return the factor by which a gradient of this norm is clipped."""
    return min(1.0, most / (norm + CLIP_GUARD))


def shard_norm(step: Step, rank: int) -> float:
    """Return the norm of the part of the whole gradient that a rank holds."""
    held: Grads = []
    for name, g in zip(step.names, step.gradients, strict=True):
        piece = step.pieces(name).get(rank)
        if g is not None and piece is not None:
            held.append(g[piece.slices])
    return float(global_norm(held))


def stateless(step: Step) -> Iterator[Rival]:
    """Yield the step of an optimizer that remembers nothing."""
    clipped = step.single.clip(list(step.gradients))
    ends = step.single.update(step.before, clipped, step.single.fresh, step.settings)
    yield everywhere(step, "the optimizer's state is that of its first step", ends)
