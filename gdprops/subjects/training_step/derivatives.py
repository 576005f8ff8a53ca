"""Gradients of a loss, also where an autograd function written in Python runs a backward pass of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.autograd.function import BackwardCFunction

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
    if not _holds_functions(loss):
        return list(torch.autograd.grad(loss, wanted, allow_unused=True))
    for p in wanted:
        p.grad = None
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    found = [p.grad for p in wanted]
    for p in wanted:
        p.grad = None
    return found


def _holds_functions(loss: Tensor) -> bool:
    """Say whether the graph of a loss holds an autograd function written in Python."""
    seen, left = set[object](), [loss.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, BackwardCFunction):
            return True
        seen.add(node)
        left += [following for following, _ in node.next_functions]
    return False
