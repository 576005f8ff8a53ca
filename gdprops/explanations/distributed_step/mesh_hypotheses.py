"""Wrong ways in which ranks share the layers of a model: what each rank would then end at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.clauses.support.ranks_rivals import Rival, everywhere, scaled
from gdprops.model.rank_mesh import PIPELINE, TENSOR, size_of

if TYPE_CHECKING:
    from gdprops.clauses.support.ranks_rivals import Grads
    from gdprops.model.arrays import Array
    from gdprops.subjects.distributed_step.observed import Step
    from gdprops.subjects.distributed_step.ranks.messages import Piece

DIVISIONS = (2, 4, 8)
"""Into so many micro-batches schedules may divide the rows of a call."""


def shared_wrongly(step: Step) -> Iterator[Rival]:
    """Yield wrong ways to share layers; none where every rank has rows of its own."""
    if size_of(step.case.mesh, TENSOR) > 1:
        yield from _partial_sums(step)
        yield from _repeated_biases(step)
        yield from _averaged_shards(step)
        yield from _parts_of_the_gradient(step)


def _partial_sums(step: Step) -> Iterator[Rival]:
    """Yield steps of ranks that use their own columns of a layer, and never sum.

    What is before that layer may have gradients that are summed all the same.
    """
    for i, name in enumerate(step.names):
        pieces = step.pieces(name)
        if not any(map(_lacks_columns, pieces.values())):
            continue
        several = list["Grads"]()
        for rank in range(step.case.world):
            weights, whole = list(step.before), step.before[i]
            weights[i] = np.zeros_like(whole)
            if rank in pieces:
                weights[i][pieces[rank].slices] = whole[pieces[rank].slices]
            several.append(step.single.gradients(weights, step.t, clipped=False))
        how = f"the outputs of the layer with {name} are each rank's own partial sums"
        yield Rival(how, [step.update(own) for own in several])
        before = {k for k, one in enumerate(step.names) if k < i and not step.is_sharded(one)}
        yield Rival(how, [step.update(_summed(own, several, before)) for own in several])


def _summed(own: Grads, several: Sequence[Grads], chosen: set[int]) -> Grads:
    pairs = enumerate(zip(*several, strict=True))
    there = {k: [g for g in each if g is not None] for k, each in pairs if k in chosen}
    return [sum(there[k][1:], there[k][0]) if there.get(k) else g for k, g in enumerate(own)]


def _lacks_columns(piece: Piece) -> bool:
    return len(piece.shape) == 2 and piece.values.shape[1] < piece.shape[1]


def _repeated_biases(step: Step) -> Iterator[Rival]:
    """Yield steps in which one bias, or every one that all ranks hold, is added by each of them."""
    times = size_of(step.case.mesh, TENSOR)
    whole = [i for i, name in enumerate(step.names) if step.before[i].ndim == 1 and not step.is_sharded(name)]
    for chosen in dict.fromkeys(((*whole,), *((i,) for i in whole))):
        weights = [w * times if i in chosen else w for i, w in enumerate(step.before)]
        ends = step.update(step.single.gradients(weights, step.t, clipped=False))
        names = " and ".join(step.names[i] for i in chosen)
        if chosen:
            yield everywhere(step, f"every rank adds {names}, which then counts {times} times", ends)


def _averaged_shards(step: Step) -> Iterator[Rival]:
    """Yield a step in which shards of different parts of a parameter are averaged, where they are equally large."""
    mixed = list(step.gradients)
    for i, name in enumerate(step.names):
        pieces, whole = step.pieces(name), step.gradients[i]
        if whole is None or len({piece.values.shape for piece in pieces.values()}) != 1:
            continue
        mean = sum(whole[piece.slices] for piece in pieces.values()) / len(pieces)
        found = np.array(whole)
        for piece in pieces.values():
            found[piece.slices] = mean
        mixed[i] = found
    yield everywhere(step, "shards of different parts of a parameter are averaged with one another", step.update(mixed))


def _parts_of_the_gradient(step: Step) -> Iterator[Rival]:
    """Yield the step whose moves on the ranks add up to the expected one, of what all ranks hold.

    All ranks but the last one are where they are; it must then be where the sum is right.
    """
    ends: list[list[Array]] = [list(step.expected) for _ in range(step.case.world)]
    found = False
    for i, name in enumerate(step.names):
        pieces = step.pieces(name)
        if step.whole(name) is not None or not all(piece.is_whole for piece in pieces.values()):
            continue
        found, last = True, max(pieces)
        others = [piece.values - step.before[i] for rank, piece in pieces.items() if rank != last]
        for rank, piece in pieces.items():
            ends[rank][i] = piece.values
        ends[last][i] = step.expected[i] - sum(others[1:], others[0])
    if found:
        yield Rival("each rank moves by its own part of the gradient: the parts are never summed", ends)


def lost_micro_batches(step: Step) -> Iterator[Rival]:
    """Yield steps of a pipeline of which a stage steps before the last micro-batch, or in which each counts in full."""
    rows = sum(step.case.parts)
    if size_of(step.case.mesh, PIPELINE) == 1 or step.case.has_parts:
        return
    for count in (n for n in DIVISIONS if rows % n == 0):
        for rank in range(step.case.world):
            yield _stepped_early(step, rank, count, rows - rows // count)
    for count in DIVISIONS:
        many = step.update(scaled(step.gradients, float(count)))
        yield everywhere(step, f"the gradient is {count} times as large, as if micro-batches were added", many)


def _stepped_early(step: Step, rank: int, count: int, rows: int) -> Rival:
    """Return the step of a pipeline of which one rank moves after all micro-batches but the last."""
    earlier = step.single.gradients(step.before, step.t, rows=slice(rows), clipped=False)
    early = step.update(scaled(earlier, (count - 1) / count))
    is_held = [rank in step.pieces(name) for name in step.names]
    moved = [e if held else b for e, b, held in zip(early, step.before, is_held, strict=True)]
    last = step.single.gradients(moved, step.t, rows=slice(rows, sum(step.case.parts)), clipped=False)
    pairs = zip(scaled(earlier, (count - 1) / count), scaled(last, 1 / count), strict=True)
    late = step.update([None if a is None or b is None else a + b for a, b in pairs])
    ends = [e if held else w for e, w, held in zip(early, late, is_held, strict=True)]
    return everywhere(step, f"rank {rank} steps before the last of {count} micro-batches", ends)
