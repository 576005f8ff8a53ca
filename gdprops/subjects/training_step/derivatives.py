"""Gradients of a loss, also where an autograd function written in Python runs a backward pass of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

if TYPE_CHECKING:
    from torch import Tensor


def derivatives(loss: Tensor, wanted: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the gradient of the loss for each wanted leaf; None where the loss does not depend on it.

    Autograd functions written in Python (re-entrant checkpoints, reversible layers) may differentiate parameters that
    are not among their inputs. `torch.autograd.grad` silently leaves these out, so with such functions ``backward``
    fills ``.grad`` instead.
    """
    if not loss.requires_grad:
        return [None] * len(wanted)
    if not holds_functions(loss):
        return list(torch.autograd.grad(loss, wanted, allow_unused=True))
    for p in wanted:
        p.grad = None
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    found = [p.grad for p in wanted]
    for p in wanted:
        p.grad = None
    return found


def holds_functions(loss: Tensor) -> bool:
    """Say whether a graph has a node that was written in Python."""
    return any(isinstance(node, BackwardCFunction) for node in _nodes(loss))


def leaves_of(loss: Tensor) -> Iterator[Tensor]:
    """Yield the tensors that a loss is differentiated with respect to in the end: the leaves of its graph."""
    for node in _nodes(loss):
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            yield leaf


def _nodes(loss: Tensor) -> Iterator[object]:
    seen, left = set[Node](), [] if loss.grad_fn is None else [loss.grad_fn]
    while left:
        node = left.pop()
        if node not in seen:
            yield node
            seen.add(node)
            left += [following for following, _ in node.next_functions if following is not None]
