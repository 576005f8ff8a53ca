"""Which rows of a batch reach a parameter that only rows with a positive first input reach."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.case import BRANCH
from gdprops.model.network import Batch

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import RanksCase


def reached_by(batch: Batch, parts: Sequence[int], ranks: Collection[int]) -> Batch:
    """Return a batch in which all rows of these ranks have a positive first input, and those of the others none.

    ``parts``: how many rows each rank has. Sizes stay; an input that is 0 becomes 1 or -1.
    """
    inputs, owners = batch.inputs.copy(), np.repeat(np.arange(len(parts)), parts)
    sizes = np.where(inputs[:, 0] == 0, 1, np.abs(inputs[:, 0]))
    inputs[:, 0] = np.where(np.isin(owners, list(ranks)), sizes, -sizes)
    return Batch(inputs, batch.targets)


def with_branch(inputs: Array, branch: Array) -> Array:
    """Return what the first layer is given: the inputs, and the parameter added to the rows that reach it."""
    found: Array = np.where(inputs[:, :1] > 0, inputs + branch, inputs)
    return found


def branched(case: RanksCase, branch: Array, ranks: Collection[int]) -> RanksCase:
    """Return a case with a parameter `BRANCH` that only the rows of these ranks reach; the others may be none."""
    train = case.train
    names, trainable = (*train.network.names, BRANCH), (*train.network.trainable, True)
    groups = ((*train.plan.indices, len(train.tensors)),)
    train = replace(
        train,
        network=replace(train.network, names=names, trainable=trainable),
        tensors=(*train.tensors, branch),
        plan=replace(train.plan, groups=groups),
    )
    return reaching(replace(case, train=train, added=BRANCH), ranks)


def reaching(case: RanksCase, ranks: Collection[int]) -> RanksCase:
    """Return the same case in which the rows of these ranks reach the parameter, and no other ones."""
    batches = tuple(reached_by(batch, case.parts, ranks) for batch in case.train.batches)
    return replace(case, train=replace(case.train, batches=batches))


def reaching_ranks(case: RanksCase, t: int) -> tuple[int, ...]:
    """Return the ranks whose rows of batch t reach the parameter."""
    firsts = case.train.batches[t].inputs[:, 0]
    return tuple(rank for rank in range(case.world) if bool((firsts[case.rows_of(rank)] > 0).any()))
