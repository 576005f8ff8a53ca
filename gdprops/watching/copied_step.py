"""One step of an optimizer made again by independent copies of it, one per tensor, in a process of its own.

The copy runs the user's own code: nothing that it does (printing, counting, drawing random numbers, moving weights) may
reach the run. So it runs in a fork of a fork, whose parent is gone at once, and tells by a pipe what it has left. First
it measures, on three small tensors, whether optimizers of this class are separable at all: only then are copies that
hold one tensor each held to what the whole optimizer does.
"""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import select
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.watching.contents import compared_entries, nearly_same
from gdprops.watching.gradient_states import Numbered

if TYPE_CHECKING:
    from torch import Tensor

STEP = 3
"""This step of each optimizer is made again: the state has begun to matter by then."""
MOST_ENTRIES = 10_000_000
"""Optimizers of more entries are not copied: their state would be in memory twice."""
PATIENCE = 20.0
"""So many seconds the copies have, after the watching has ended."""
TRIED = 3
"""So many steps on small tensors decide whether a class is separable."""
SHAPES = ((3, 2), (2,), (2, 2))


@final
@dataclass(slots=True)
class CopiedStep:
    """A step that is made again elsewhere: where the copies tell, and what the optimizer itself has left."""

    step: int
    optimizer: int
    pipe: int
    left: dict[int, Tensor] = field(default_factory=dict)

    def compare(self, patience: float = PATIENCE) -> tuple[str, frozenset[int]]:
        """Return why nothing is decided, or an empty text and the parameters in which the copies differ."""
        told = _received(self.pipe, patience)
        if told is None:
            return "the copies of the optimizer did not come back", frozenset()
        reason, left = told
        if reason:
            return reason, frozenset()
        pairs = [(n, own, left[n]) for n, own in self.left.items() if n in left]
        return "", frozenset(n for n, own, other in pairs if not _agree(own, other))


def begin(step: int, optimizer: Any, number: int, parameters: Sequence[Numbered], entries: int) -> CopiedStep | None:
    """Let copies make a step that is about to begin, and return at once; None where that cannot be done."""
    tensors = [tensor for _, tensor in parameters]
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return None  # what a hook of somebody else does, no copy does
    if not hasattr(os, "fork") or any(tensor.device.type != "cpu" for tensor in tensors):
        return None
    if sum(tensor.numel() for tensor in tensors) > MOST_ENTRIES:
        return None
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of Python warn of threads
        child = os.fork()
    if child == 0:
        _detached(reads, writes, optimizer, parameters, entries)
    os.close(writes)
    os.waitpid(child, 0)
    return CopiedStep(step, number, reads)


def _detached(reads: int, writes: int, optimizer: Any, parameters: Sequence[Numbered], entries: int) -> None:
    """Run the copies in a grandchild, so that no child of ours is left to the run; never return."""
    try:
        if os.fork() == 0:
            _let_go_of_files(writes)
            torch.set_num_threads(1)
            told = pickle.dumps(_copies(optimizer, parameters, entries))
            with os.fdopen(writes, "wb") as pipe:
                pipe.write(told)
    finally:
        os._exit(0)


def _let_go_of_files(pipe: int) -> None:
    """Close every file of the run but a pipe: what the copies print or log goes nowhere."""
    os.closerange(3, pipe)
    os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - this process ends soon


def _copies(optimizer: Any, parameters: Sequence[Numbered], entries: int) -> tuple[str, dict[int, tuple[str, bytes]]]:
    """Return why there are no copies, or an empty text and what they have left, entry by entry."""
    name = type(optimizer).__name__
    try:
        if not is_separable(type(optimizer), dict(optimizer.defaults)):
            return f"tensors of {name} depend on each other, or no second one can be made", {}
        return "", _one_by_one(optimizer, parameters, entries)
    except Exception as error:
        return f"a copy of {name} raised {type(error).__name__}", {}


def _one_by_one(optimizer: Any, parameters: Sequence[Numbered], entries: int) -> dict[int, tuple[str, bytes]]:
    pristine = {number: copy.deepcopy(optimizer.state.get(tensor, {})) for number, tensor in parameters}
    attributes, step, left = dict(optimizer.__dict__), bare_step(type(optimizer)), {}
    groups = {id(tensor): group for group in optimizer.param_groups for tensor in group["params"]}
    for number, tensor in parameters:
        optimizer.__dict__.clear()
        optimizer.__dict__.update(attributes)
        optimizer.param_groups = [{**groups[id(tensor)], "params": [tensor]}]
        optimizer.state = defaultdict(dict, {tensor: pristine[number]} if pristine[number] else {})
        step(optimizer)
        view = compared_entries(tensor, entries)
        if view is not None:
            left[number] = str(view.dtype), view.contiguous().view(torch.uint8).numpy().tobytes()
    return left


def bare_step(kind: type[Any]) -> Any:
    """Return a class's step without the hooks that torch has put around it."""
    return getattr(kind.step, "__wrapped__", kind.step)


def is_separable(kind: type[Any], defaults: dict[str, Any]) -> bool:
    """Say whether each tensor moves, on small tensors, as it does in an optimizer of its own."""
    torch.manual_seed(0)
    begin_at = [torch.randn(shape) for shape in SHAPES]
    slopes = [[torch.randn(shape) for shape in SHAPES] for _ in range(TRIED)]
    whole = _after(kind, defaults, begin_at, slopes)
    each = (slice(k, k + 1) for k in range(len(SHAPES)))
    alone = [_after(kind, defaults, begin_at[one], [row[one] for row in slopes])[0] for one in each]
    return all(nearly_same(a, b) for a, b in zip(whole, alone, strict=True))


def _after(kind: type[Any], defaults: dict[str, Any], begin_at: Sequence[Tensor], slopes: Any) -> list[Tensor]:
    weights = [weight.clone().requires_grad_() for weight in begin_at]
    taken = inspect.signature(kind).parameters
    optimizer = kind(weights, **{name: value for name, value in defaults.items() if name in taken})
    for row in slopes:
        for weight, slope in zip(weights, row, strict=True):
            weight.grad = slope.clone()
        bare_step(kind)(optimizer)
    return [weight.detach().reshape(-1) for weight in weights]


def _received(pipe: int, patience: float) -> Any:
    """Return what the copies have told, None where they have not within some seconds."""
    until, pieces = time.monotonic() + patience, list[bytes]()
    with os.fdopen(pipe, "rb", buffering=0) as stream:
        while (left := until - time.monotonic()) > 0 and select.select([stream], [], [], left)[0]:
            piece = stream.read(1 << 16)
            if not piece:
                break
            pieces.append(piece)
    try:
        return pickle.loads(b"".join(pieces))
    except (EOFError, pickle.UnpicklingError):
        return None


def _agree(own: Tensor, told: tuple[str, bytes]) -> bool:
    name, entries = told
    if str(own.dtype) != name:
        return False
    other = torch.frombuffer(bytearray(entries), dtype=own.dtype)
    return torch.equal(own, other) or nearly_same(own, other)


def kept_entries(parameters: Sequence[Numbered], entries: int) -> dict[int, Tensor]:
    """Return a copy of the compared entries of some parameters."""
    views = {number: compared_entries(tensor, entries) for number, tensor in parameters}
    return {number: view.clone().reshape(-1) for number, view in views.items() if view is not None}
