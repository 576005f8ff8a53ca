"""Hypotheses that a step is a sweep: it moves block after block.

Each block's gradient is taken at weights that earlier blocks have already moved. Example: layer by layer, first layer
first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.explanations.training_step.explanation_wording import several
from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched

Blocks = list[list[int]]
Order = Sequence[Mapping[int, Any]]
"""The blocks in the order in which they moved; a block maps each parameter to the mask of its entries that moved."""

BIAS = re.compile(r"(.*_)?bias(_.*)?$|b\d*$", re.IGNORECASE)

FORWARD = "layer by layer, first layer first: each layer's gradient is taken after the layers before it have moved"
BACKWARD = "layer by layer, last layer first: each layer's gradient is taken after the layers behind it have moved"
SINGLY = "weight by weight: each single weight's gradient is taken after others have moved"


def layers(step: Watched) -> Blocks:
    """Return the parameters' indices layer by layer; a shared parameter stands only in the first layer that uses it."""
    taken, found = set[int](), Blocks()
    for layer in step.run.layers:
        found.append([i for i in layer if i not in taken])
        taken |= set(layer)
    return [layer for layer in found if layer]


def uses(step: Watched) -> Blocks:
    """Return the parameters' indices layer by layer; a shared parameter stands in every layer that uses it."""
    return [list(layer) for layer in step.run.layers]


def tensors(step: Watched) -> Blocks:
    """Return every parameter as a block of its own."""
    return [[i] for i in range(len(step.names))]


def weights_then_biases(step: Watched) -> Blocks:
    """Return two blocks: all parameters that are no bias, and the biases."""
    biases = [i for i, name in enumerate(step.names) if is_bias(name)]
    return [[i for i in range(len(step.names)) if i not in biases], biases]


def is_bias(name: str) -> bool:
    """Say whether a parameter's name is that of a bias: ``fc.bias``, ``bias_ih_l0``, ``b1``."""
    return BIAS.match(name.rpartition(".")[2]) is not None


def halves(step: Watched) -> Blocks:
    """Return two blocks: the parameters of the first half of the network's layers, and those of the second half."""
    found = layers(step)
    middle = (len(found) + 1) // 2
    return [[i for layer in half for i in layer] for half in (found[:middle], found[middle:])]


NAMED: tuple[tuple[str, Callable[[Watched], Blocks], bool], ...] = (
    (FORWARD, layers, False),
    (FORWARD, uses, False),
    (BACKWARD, layers, True),
    (BACKWARD, uses, True),
    ("tensor by tensor, first to last: each is moved before the next one's gradient is taken", tensors, False),
    ("tensor by tensor, last to first: each is moved before the next one's gradient is taken", tensors, True),
    ("the biases' gradients are taken after the weights have moved", weights_then_biases, False),
    ("the weights' gradients are taken after the biases have moved", weights_then_biases, True),
    ("the gradients of the second half of the network are taken after the first half has moved", halves, False),
    ("the gradients of the first half of the network are taken after the second half has moved", halves, True),
)


def swept(blocks: Callable[[Watched], Blocks], *, back: bool = False) -> Callable[[Watched], Weights]:
    """Return the rival that computes the gradient anew for every block, at weights that earlier blocks have moved."""

    def rival(step: Watched) -> Weights:
        v, rests = list(step.before), step.resting()
        for members in blocks(step)[::-1] if back else blocks(step):
            block = set(members) - rests
            g = step.run.gradients(v, step.batch)
            moved = step.run.update(v, [x if i in block else None for i, x in enumerate(g)], step.state, step.settings)
            v = [m if i in block else w for i, (m, w) in enumerate(zip(moved, v, strict=True))]
        return v

    return rival


SWEEPS = tuple(Hypothesis(text, on_steps(swept(blocks, back=back))) for text, blocks, back in NAMED)
"""All named sweeps as hypotheses; they also explain steps whose forward passes were not logged."""


def block_names(step: Watched, order: Order) -> list[str]:
    """Return the names of sweeps that fit an observed order. Parameters that never move are ignored."""
    seen = [set(block) for block in order]
    moving = set().union(*seen)
    found = list(dict.fromkeys(name for name, blocks, back in NAMED if seen == _kept(blocks(step), moving, back)))
    singly = all(int(m.sum()) <= 1 for block in order for m in block.values())
    return [*found, SINGLY] if singly else found


def _kept(blocks: Blocks, moving: set[int], back: bool) -> list[set[int]]:
    found = [kept for block in blocks if (kept := set(block) & moving)]
    return found[::-1] if back else found


def listed(step: Watched, order: Order, *, steady: bool) -> str:
    """Describe an order that has no name by listing its blocks."""
    told = "; ".join(several([step.names[i] for i in block]) for block in order)
    where = "in the largest example" if steady else "in another order every time, at first"
    again = " (some move more than once)" if overlaps(order) else ""
    return f"block by block, each one's gradient taken after those before it have moved{again}; {where} {told}"


def overlaps(order: Order) -> bool:
    """Say whether any entry moves more than once in an observed order."""
    return any((a[i] & b[i]).any() for k, a in enumerate(order) for b in order[k + 1 :] for i in set(a) & set(b))
