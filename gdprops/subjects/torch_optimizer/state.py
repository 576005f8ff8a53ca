"""An optimizer's state as a copy that another optimizer of the same form can go on from."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from gdprops.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

REGROUPED = "the optimizer's parameter groups change during training: its update cannot be predicted"


def settings_of(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return copies of every group's hyperparameters, without the parameters."""
    return [
        {key: _copied(value) for key, value in group.items() if key != "params"} for group in optimizer.param_groups
    ]


def places_in_groups(optimizer: Any, parameters: Iterable[Tensor]) -> tuple[tuple[int, ...], ...]:
    """Return the places of a model's parameters in each group of an optimizer; nothing where there is none."""
    position = {id(p): i for i, p in enumerate(parameters)}
    groups = [] if optimizer is None else optimizer.param_groups
    return tuple(tuple(position[id(p)] for p in group["params"] if id(p) in position) for group in groups)


def holds(optimizer: Any, parameters: Iterable[Tensor]) -> tuple[bool, ...]:
    """Return which of a model's parameters an optimizer holds; all of them where there is no optimizer."""
    held = None if optimizer is None else set(map(id, held_by(optimizer)))
    return tuple(held is None or id(p) in held for p in parameters)


def _copied(value: Any) -> Any:
    """Return a deep copy. A value that cannot change is returned as it is; most tensors are cloned directly."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value) is torch.Tensor and not (value.requires_grad and value.is_leaf):
        return value.detach().clone()
    if type(value) is dict:
        return {key: _copied(member) for key, member in value.items()}
    if type(value) is tuple or type(value) is list:
        return type(value)(_copied(member) for member in value)
    return copy.deepcopy(value)


def put_settings(optimizer: torch.optim.Optimizer, settings: Sequence[Mapping[str, Any]]) -> None:
    """Give every group the hyperparameters from `settings_of`. Raises `Unsupported` where the groups have changed."""
    if len(settings) != len(optimizer.param_groups):
        raise Unsupported(REGROUPED)
    for group, held in zip(optimizer.param_groups, settings, strict=True):
        group.update({key: _copied(value) for key, value in held.items()})


def put_groups(optimizer: Any, count: int, places: Sequence[Sequence[int]], parameters: Sequence[Tensor]) -> None:
    """Give an optimizer as many groups as are asked for.

    ``places`` are the parameters of each group there ever was, none where their number has never changed.
    """
    if not places:
        return
    del optimizer.param_groups[count:]
    for group in places[len(optimizer.param_groups) : count]:
        optimizer.add_param_group({"params": [parameters[i] for i in group]})


def snapshot(optimizer: torch.optim.Optimizer) -> Any:
    """Return copies of every parameter's state and every group's settings: a loaded ``state_dict`` changes dtypes."""
    states = States(_copied(optimizer.state.get(p)) for p in held_by(optimizer))
    states.inner = [snapshot(one) for one in inner_optimizers(optimizer)]
    return states, settings_of(optimizer)


class States(list[Any]):
    """The states of an optimizer's parameters; ``inner``: the snapshots of the optimizers that it steps itself."""

    inner: Sequence[Any] = ()


def inner_optimizers(optimizer: Any) -> list[torch.optim.Optimizer]:
    """Return the optimizers that an optimizer holds among its attributes, as SAM and Lookahead do."""
    found = [value for value in vars(optimizer).values() if isinstance(value, torch.optim.Optimizer)]
    return [one for one in found if one.state is not getattr(optimizer, "state", None)]


def restore(optimizer: torch.optim.Optimizer, held: Any) -> None:
    """Give an optimizer the state that `snapshot` copied from one of the same form.

    Raises `Unsupported` for another number of groups.
    """
    states, settings = held
    put_settings(optimizer, settings)
    optimizer.state.clear()
    pairs = zip(held_by(optimizer), map(_copied, states), strict=False)
    optimizer.state.update({p: s for p, s in pairs if s is not None})
    for one, kept in zip(inner_optimizers(optimizer), getattr(states, "inner", ()), strict=False):
        restore(one, kept)


def of_its_own(state: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a ``state_dict``.

    No deep copy can be made of a tensor that has a graph; such a state is saved and loaded instead.
    """
    try:
        return copy.deepcopy(state)
    except RuntimeError:
        loaded: dict[str, Any] = torch.load(_saved(state), weights_only=False)
        return loaded


def _saved(state: dict[str, Any]) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """Return a ``state_dict`` as it is after it was saved and loaded with weights_only=True."""
    try:
        loaded: dict[str, Any] = torch.load(_saved(state), weights_only=True)
    except pickle.UnpicklingError as error:
        lines = str(error).splitlines()
        said = next((line for line in lines if "Unpickler error: " in line), lines[0])
        raise pickle.UnpicklingError(said.partition("error: ")[2].partition(". ")[0]) from error
    return loaded


def state_of(optimizer: torch.optim.Optimizer) -> Mapping[Any, Any]:
    """Return an optimizer's state, empty for a wrapper that shows no state."""
    return getattr(optimizer, "state", {})


def fingerprint(optimizer: torch.optim.Optimizer) -> tuple[Any, ...]:
    """Return values that change whenever the state does: its tensors, how often each was written, and its numbers."""
    return tuple(
        (key, id(v), v._version) if isinstance(v, torch.Tensor) else (key, repr(v))
        for p in held_by(optimizer)
        for key, v in (state_of(optimizer).get(p) or {}).items()
    )


def cast_between(saved: torch.optim.Optimizer, loaded: torch.optim.Optimizer) -> str:
    """Return the first number of a parameter's state that has another dtype once it is loaded, and both dtypes."""
    for k, (p, q) in enumerate(zip(held_by(saved), held_by(loaded), strict=False), start=1):
        before, after = _kept(state_of(saved).get(p)), _kept(state_of(loaded).get(q))
        for key in before:
            if before[key] != after.get(key, before[key]):
                return f"state[w{k}][{key!r}] from {before[key]} to {after[key]}".replace("torch.", "")
    return ""


def _kept(state: Any) -> dict[Any, torch.dtype]:
    """Return the dtypes of the floating-point tensors in a parameter's state, by name."""
    named = state if isinstance(state, Mapping) else {}
    return {key: v.dtype for key, v in named.items() if isinstance(v, torch.Tensor) and v.is_floating_point()}


def clocks_of(optimizer: torch.optim.Optimizer) -> list[float | None]:
    """Return each parameter's own step counter, the entry ``step`` of its state; None where it has none."""
    return [_clock(state_of(optimizer).get(p)) for p in held_by(optimizer)]


def _clock(state: Any) -> float | None:
    found = state.get("step") if isinstance(state, Mapping) else None
    if isinstance(found, torch.Tensor):
        return float(found) if found.numel() == 1 else None
    return float(found) if isinstance(found, int | float) else None


def held_by(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the parameters of all groups, in their order."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Say whether ``step`` cannot be called without a closure, like that of LBFGS."""
    parameters = inspect.signature(type(optimizer).step).parameters
    closure = parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
