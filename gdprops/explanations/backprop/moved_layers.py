"""Layers that move before they hand their error on: what they hand back is the derivative at moved weights.

The input x of a layer is a parameter of its own here, ``Dense.x``, which moves along what ``backward`` hands back.
Where that is ∂J/∂x at the weights that the layer has left behind, and at no other, the layer has moved too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched

INPUT = ".x"


def moved_layers(wrong: Sequence[Watched]) -> str | None:
    """Return which layers hand back the derivative at already updated weights; None if that does not explain it."""
    off = {i for step in wrong for i in range(len(step.names)) if step.wrong_at(i)}
    names = wrong[0].names
    if not off or not all(names[i].endswith(INPUT) for i in off) or not all(_is_late(step) for step in wrong):
        return None
    layers = [names[i].removesuffix(INPUT) for i in sorted(off)]
    own = [n for n in names if n.rpartition(".")[0] in layers and not n.endswith(INPUT)]
    told = " and ".join(layers)
    hand = "hands" if len(layers) == 1 else "hand"
    return f"{told}: backward {hand} its error on through the already updated weights, {', '.join(own)}"


def _is_late(step: Watched) -> bool:
    """Say whether all inputs ended where the weights after the step would have moved them."""
    inputs = [name.endswith(INPUT) for name in step.names]
    moved = [b if own else a for a, b, own in zip(step.after, step.before, inputs, strict=True)]
    late = step.run.gradients(moved, step.batch)
    gradients = [g if own else now for g, now, own in zip(late, step.gradients, inputs, strict=True)]
    return step.is_at(step.passing_update(gradients))
