"""A case of the user's own model as plain data: written out for a file, and restored from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gdprops.errors import UsageError
from gdprops.subjects.training_step.own.model_numbers import MODEL, array_of, tensors_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import OwnCase
    from gdprops.subjects.training_step.own.models import OwnTask

MOST_INSIDE = 2_000
"""The largest number of entries of a drawn model that a saved case itself holds; a larger model has its own file."""
CONTAINERS: dict[str, type] = {"tuple": tuple, "list": list}


class _Foreign(Exception):
    """Raised for a value that a file of plain data cannot hold."""


def written_out(task: OwnTask, case: OwnCase, *, strategy: bool) -> tuple[OwnCase, dict[str, Array]]:
    """Return a case whose tensors are keys, and the arrays under these keys; or the case as it is, and no arrays.

    A batch that holds more than tensors, numbers and text in tuples, lists and dicts stays an index. Where such a batch
    has no index, nothing can be written out.
    """
    model = task.model()
    arrays = {f"{MODEL}{name}": array for name, t in tensors_of(model) if (array := array_of(t)) is not None}
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
    """Return a pair with keys in the place of its tensors; else the index that it came from, None where it has none."""
    found = dict[str, Any]()
    try:
        inside = [_keyed(part, f"{name}.{what}", found) for part, what in zip(pair, ("inputs", "targets"), strict=True)]
    except _Foreign:
        return given if isinstance(given, int) else None
    arrays.update(found)
    return {"tuple": inside}


def _keyed(value: Any, key: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """Return plain data that describe a value; its tensors go into ``arrays``, under keys."""
    if isinstance(value, Tensor):
        array = array_of(value)
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

    Every array is used once, so a small file cannot ask for one array a million times.
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


def alone(case: OwnCase, whole: OwnCase, arrays: Mapping[str, Array]) -> OwnCase:
    """Return the case as plain data that need no other file.

    A case whose functions can be called again stays as it is. Of a case that a strategy has drawn, the arrays are kept
    where they hold few numbers.
    """
    called_again = case.model is None and not case.arrays and all(isinstance(g, int) for w in case.batches for g in w)
    few = sum(a.size for a in arrays.values()) <= MOST_INSIDE
    return case if called_again or not arrays else replace(whole, arrays=arrays if few else {})
