"""A case of the user's own model as numbers: what is written beside a saved case, and a case made of it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gdprops.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from gdprops.model.arrays import Array
    from gdprops.model.case import OwnCase
    from gdprops.subjects.training_step.own.models import OwnTask

MODEL = "model."
"""What the keys of the parameters and buffers begin with."""
CONTAINERS: dict[str, type] = {"tuple": tuple, "list": list}


class _Foreign(Exception):
    """Something that a file of plain data cannot hold."""


def written_out(task: OwnTask, case: OwnCase, *, strategy: bool) -> tuple[OwnCase, dict[str, Array]]:
    """Return a case whose tensors are keys, and their arrays; without arrays the case as it is.

    A batch that is more than tensors, numbers and text in tuples, lists and dicts stays an index.
    """
    model = task.model()
    arrays = {f"{MODEL}{name}": array for name, t in tensors_of(model) if (array := _array(t)) is not None}
    windows = list[tuple[Any, ...]]()
    for t, window in enumerate(case.batches):
        calls = task.calls(t)
        told = [f"step{t + 1}" if len(calls) == 1 else f"step{t + 1}.{k + 1}" for k in range(len(calls))]
        held = [_held(tuple(data), name, given, arrays) for data, name, given in zip(calls, told, window, strict=True)]
        windows.append(tuple(held))
    if any(one is None for window in windows for one in window):
        return case, {}
    form = repr(model) if strategy else ""
    return replace(case, batches=tuple(windows), model=None, arrays={}, form=form), arrays


def _held(pair: tuple[Any, Any], name: str, given: Any, arrays: dict[str, Array]) -> Any:
    """Return a pair with keys in the place of tensors; else the index that it came from, None where there is none."""
    found = dict[str, Any]()
    try:
        inside = [_keyed(part, f"{name}.{what}", found) for part, what in zip(pair, ("inputs", "targets"), strict=True)]
    except _Foreign:
        return given if isinstance(given, int) else None
    arrays.update(found)
    return {"tuple": inside}


def _keyed(value: Any, key: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """Return plain data that say what a value is, with its tensors put among the arrays."""
    if isinstance(value, Tensor):
        array = _array(value)
        if array is None or key in arrays:
            raise _Foreign
        arrays[key] = array
        return {"tensor": key}
    if type(value) is dict and all(isinstance(k, str) for k in value):
        return {"dict": [[k, _keyed(v, f"{key}.{k}", arrays)] for k, v in value.items()]}
    if type(value) in CONTAINERS.values():
        return {type(value).__name__: [_keyed(v, f"{key}.{k}", arrays) for k, v in enumerate(value)]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise _Foreign


def filled(case: OwnCase, arrays: Mapping[str, Array]) -> OwnCase:
    """Return a saved case with its tensors in their places. Raises `UsageError` where they do not fit.

    Every array is used once: a small file cannot ask for the same one a million times.
    """
    left = dict(arrays)
    try:
        batches = tuple(tuple(_restored(one, left) for one in window) for window in case.batches)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"the saved case is damaged: {type(error).__name__}: {error}") from error
    return replace(case, batches=batches, arrays={k: a for k, a in left.items() if k.startswith(MODEL)})


def _restored(held: Any, left: dict[str, Array]) -> Any:
    if isinstance(held, int):
        return held
    ((kind, inside),) = held.items()
    if kind == "tensor":
        return torch.from_numpy(left.pop(inside))
    if kind == "dict":
        return {name: _restored(one, left) for name, one in inside}
    return inside if kind == "value" else CONTAINERS[kind](_restored(one, left) for one in inside)


def tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield a model's parameters and buffers by name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


@torch.no_grad()
def put_in(model: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Give a model the parameters and buffers of a saved case. Raises `UsageError` where it is of another form."""
    own = {f"{MODEL}{name}": t for name, t in tensors_of(model) if _array(t) is not None}
    if own.keys() != arrays.keys():
        other = sorted(own.keys() ^ arrays.keys())[0].removeprefix(MODEL)
        raise UsageError(f"the saved case is about another model: {other} is in one of them only")
    for key, t in own.items():
        if tuple(t.shape) != arrays[key].shape:
            shapes = f"{tuple(t.shape)}, was {arrays[key].shape}"
            raise UsageError(f"the saved case is about another model: {key.removeprefix(MODEL)} is of shape {shapes}")
        t.copy_(torch.from_numpy(arrays[key]))


def _array(t: Tensor) -> Array | None:
    """Return a copy of a tensor as NumPy holds it, None where NumPy cannot."""
    try:
        return np.array(t.detach().numpy(), order="C")
    except (TypeError, RuntimeError):
        return None
