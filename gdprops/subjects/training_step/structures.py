"""The inputs and targets of a step: tensors in tuples, lists and dicts of any depth, beside other values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gdprops.errors import Unsupported
from gdprops.numerics.floor import perturbed


def mapped(change: Callable[[Tensor], Any], value: Any) -> Any:
    """Return the structure with every tensor changed; other values stay as they are."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return type(value)((key, mapped(change, member)) for key, member in value.items())
    if isinstance(value, tuple | list):
        members = [mapped(change, member) for member in value]
        return type(value)(*members) if hasattr(value, "_fields") else type(value)(members)
    return value


def number_in(value: Any) -> float | None:
    """Return a number, or the only entry of a tensor; None for anything else."""
    return float(value) if isinstance(value, Real) or (isinstance(value, Tensor) and value.numel() == 1) else None


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield every tensor of a structure."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from (t for member in value.values() for t in tensors_in(member))
    elif isinstance(value, tuple | list):
        yield from (t for member in value for t in tensors_in(member))


def rows_in(value: Any) -> int:
    """Return the size of the first dimension of the first tensor that has one, 0 where there is none."""
    return next((int(t.shape[0]) for t in tensors_in(value) if t.dim()), 0)


def rows_of(value: Any, rows: slice) -> Any:
    """Return some rows of a structure: of every tensor with as many rows as the first tensor."""
    count = rows_in(value)
    return mapped(lambda t: t[rows] if t.dim() and t.shape[0] == count else t, value)


def copied(value: Any) -> Any:
    """Return the structure with copies of its tensors, because a step may write into what it is given."""
    return mapped(lambda t: t.detach().clone(), value)


def doubled(value: Any) -> Any:
    """Return the same structure with its floating-point tensors in float64."""
    return in_dtype(value, torch.float64)


def in_dtype(value: Any, dtype: torch.dtype) -> Any:
    """Return the same structure with its floating-point tensors in one dtype."""
    return mapped(lambda t: t.to(dtype) if t.is_floating_point() else t, value)


def joined(parts: Sequence[Any]) -> Any:
    """Return structures of one form as one, with their rows joined. Raises `Unsupported` where that is not possible."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return _joined_tensors(parts)
    if isinstance(first, dict):
        return type(first)((key, joined([part[key] for part in parts])) for key in first)
    if isinstance(first, tuple | list):
        members = [joined(list(members)) for members in zip(*parts, strict=True)]
        return type(first)(*members) if hasattr(first, "_fields") else type(first)(members)
    if any(part != first for part in parts):
        raise Unsupported(f"micro-batches with {first!r} and others cannot be joined to one batch")
    return first


def _joined_tensors(parts: Sequence[Tensor]) -> Tensor:
    if all(t.dim() and t.shape[1:] == parts[0].shape[1:] for t in parts):
        return torch.cat(list(parts))
    if all(torch.equal(t, parts[0]) for t in parts):
        return parts[0]
    shapes = ", ".join(str(tuple(t.shape)) for t in parts)
    raise Unsupported(f"micro-batches of shapes {shapes} cannot be joined to one batch")


def shaken(value: Any, seed: int) -> Any:
    """Return the structure with every number in its float32 and float64 tensors moved by one ulp."""
    return mapped(lambda t: _shaken(t, seed), value)


def _shaken(t: Tensor, seed: int) -> Tensor:
    if t.dtype not in (torch.float32, torch.float64):
        return t
    (moved,) = perturbed([t.detach().numpy()], np.random.default_rng(seed))
    return torch.from_numpy(moved)
