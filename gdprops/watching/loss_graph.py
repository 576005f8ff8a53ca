"""What the graph of a loss says: which leaves it reaches, whether it is scaled, and over how many counts it is a mean.

Only names of nodes and what they saved are read; nothing is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from gdprops.model.ledger import Mean
from gdprops.numerics.decisions import PERHAPS_SCALED
from gdprops.subjects.training_step.structures import tensors_in

if TYPE_CHECKING:
    from torch import Tensor

SCALED = "gdprops: scaled by a GradScaler"
"""The mark on the node of a loss that a GradScaler has scaled."""
LOOKS = "gdprops: the output of these forward passes"
"""The mark on the node of what a forward pass has returned."""
LOSSES = "gdprops: the loss of these backward calls"
"""The mark on the node that a backward call has started from."""
LONGEST_CHAIN = 12
"""So many operations behind a loss are looked at for its scale and its mean."""
MOST_NODES = 50_000
"""Graphs of more nodes are not walked."""


Mark = tuple[int, int]
"""The serial number of a recorder, and its number of a forward pass or a backward call."""


class Graph(NamedTuple):
    """The leaves of a graph, and the forward passes and losses of earlier calls that are in it.

    ``complete`` is False where it was too large to walk; ``scaled`` says that a GradScaler scaled some part of it.
    """

    leaves: list[Tensor]
    complete: bool
    looks: frozenset[Mark]
    losses: frozenset[Mark]
    scaled: bool


def mark(tensors: Iterable[Tensor], name: str, number: Mark) -> None:
    """Add a number to a mark on the nodes of some tensors."""
    for tensor in tensors:
        if tensor.grad_fn is not None:
            metadata: Any = tensor.grad_fn.metadata
            metadata[name] = metadata.get(name, frozenset()) | {number}


def mark_scaled(outputs: object) -> None:
    """Mark the nodes of what ``GradScaler.scale`` returned."""
    for tensor in tensors_in(outputs):
        if tensor.grad_fn is not None:
            metadata: Any = tensor.grad_fn.metadata
            metadata[SCALED] = True


def is_scaled(losses: Sequence[Tensor]) -> bool:
    """Say whether a GradScaler scaled any of these losses."""
    return any(SCALED in node.metadata for loss in losses for node in _chain(loss))


def _chain(loss: Tensor) -> list[Any]:
    """Return the operations behind a loss, as long as each has one input that is differentiated."""
    node, found = loss.grad_fn, list[Any]()
    while node is not None and len(found) < LONGEST_CHAIN:
        found.append(node)
        following = [one for one, _ in node.next_functions if one is not None]
        node = following[0] if len(following) == 1 else None
    return found


def graph_of(losses: Sequence[Tensor]) -> Graph:
    """Return what the graph of some losses reaches."""
    waiting: list[Any] = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    seen, found = set(waiting), list[Any]()
    looks, earlier, scaled = frozenset[Mark](), frozenset[Mark](), False
    while waiting and len(seen) <= MOST_NODES:
        node = waiting.pop()
        if type(node).__name__ == "AccumulateGrad":
            found.append(node.variable)
        looks |= node.metadata.get(LOOKS, frozenset())
        earlier |= node.metadata.get(LOSSES, frozenset())
        scaled |= SCALED in node.metadata
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return Graph(found, not waiting, looks, earlier, scaled)


def bare_leaves(losses: Sequence[Tensor], scale: float) -> list[Tensor]:
    """Return the leaves that these losses reach past everything that a GradScaler of this scale has scaled.

    None of them where some loss is multiplied by a number on the way that may contain the scale, or where the graph is
    too large to walk.
    """
    waiting: list[Any] = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    waiting = [node for node in waiting if SCALED not in node.metadata]
    seen, found = set(waiting), list[Any]()
    while waiting and len(seen) <= MOST_NODES:
        node = waiting.pop()
        if _multiplies(node) >= PERHAPS_SCALED * scale:
            return []
        if type(node).__name__ == "AccumulateGrad":
            found.append(node.variable)
        for following, _ in node.next_functions:
            if following is not None and following not in seen and SCALED not in following.metadata:
                seen.add(following)
                waiting.append(following)
    return [] if waiting else found


def _multiplies(node: Any) -> float:
    """Return the largest number that a node may multiply by, without its sign; 0 where it does not multiply."""
    name = type(node).__name__
    if name not in ("AddBackward0", "SubBackward0", "MulBackward0", "DivBackward0"):
        return 0.0
    try:
        saved = [getattr(node, f"_saved_{what}", None) for what in ("alpha", "self", "other")]
    except RuntimeError:  # an earlier backward call has freed what it saved
        return math.inf
    factors = [abs(number) for number in map(_number, saved) if number not in (None, 0.0, 1.0)]
    return max((1 / factor if name == "DivBackward0" else factor for factor in factors), default=0.0)


def mean_of(losses: Sequence[Tensor]) -> Mean | None:
    """Return over how many counts a loss is a mean, and its weight; None where the graph does not say."""
    if len(losses) != 1:
        return None
    weight, node = _weighted(losses[0])
    count = None if node is None else _count(type(node).__name__, node)
    return None if count is None else Mean(count, weight)


def weight_of(losses: Sequence[Tensor]) -> float:
    """Return by which numbers a loss is multiplied as a whole, but for the scale of a GradScaler."""
    return _weighted(losses[0])[0] if len(losses) == 1 else 1.0


def _weighted(loss: Tensor) -> tuple[float, Any]:
    """Return the product of the numbers that a loss is multiplied by, and the node that it is then."""
    weight = 1.0
    for node in _chain(loss):
        name = type(node).__name__
        factor = _number(getattr(node, "_saved_other", None)) if name in ("MulBackward0", "DivBackward0") else None
        if not factor:
            return weight, node
        if SCALED not in node.metadata:
            weight = weight * factor if name.startswith("Mul") else weight / factor
    return weight, None


def _count(name: str, node: Any) -> float | None:
    """Return over how many counts a node takes a mean."""
    mean = 1  # torch's own number for reduction="mean"
    if name == "NllLossBackward0" and node._saved_reduction == mean:
        return _number(node._saved_total_weight)
    if name in ("MseLossBackward0", "BinaryCrossEntropyWithLogitsBackward0") and node._saved_reduction == mean:
        return float(node._saved_self.numel())
    if name == "MeanBackward0":
        return float(node._saved_self_sym_numel)
    return None


def _number(value: object) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if isinstance(value, int | float) else None
