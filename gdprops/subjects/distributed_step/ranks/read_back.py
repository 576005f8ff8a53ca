"""What a rank holds of a model and an optimizer, read without communication."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.subjects.distributed_step.ranks.messages import OptimizerSeen, Piece
from gdprops.subjects.distributed_step.user_objects import Where, where_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

WRAPPERS = ("_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_orig_mod")
"""What wrappers insert into the names of parameters."""


def plain_name(name: str) -> str:
    """Return a parameter's name without what wrappers insert into it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def pieces_of(tensors: Mapping[str, Tensor]) -> dict[str, Piece]:
    """Return what this rank holds of each tensor."""
    return {plain_name(name): piece_of(t) for name, t in tensors.items()}


def piece_of(tensor: Tensor) -> Piece:
    """Return what this rank holds of a tensor: its shard of a DTensor, else all of it."""
    if not _is_distributed(tensor):
        values = _numbers(tensor)
        return Piece(tuple(values.shape), (0,) * values.ndim, values)
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    held: Any = tensor
    _, offset = compute_local_shape_and_global_offset(held.shape, held.device_mesh, held.placements)
    local = _numbers(held.to_local())
    return Piece(tuple(held.shape), tuple(map(int, offset)), local)


def _is_distributed(tensor: Tensor) -> bool:
    loaded = sys.modules.get("torch.distributed.tensor")
    return loaded is not None and isinstance(tensor, loaded.DTensor)


def _numbers(tensor: Tensor) -> Array:
    found: Array = tensor.detach().to_dense().contiguous().cpu().numpy().copy()
    return found


def buffers_of(model: nn.Module) -> dict[str, Array]:
    """Return copies of a model's buffers by name."""
    return {plain_name(name): _numbers(b) for name, b in model.named_buffers() if not _is_distributed(b)}


def layout_of(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return how each tensor lies on the ranks: replicated, or on which mesh it is sharded."""
    return {plain_name(name): _layout(t) for name, t in tensors.items()}


def _layout(tensor: Any) -> str:
    if not _is_distributed(tensor):
        return "replicated"
    mesh = tensor.device_mesh
    names = mesh.mesh_dim_names or tuple(f"dimension {k}" for k in range(mesh.ndim))
    kinds = [
        "replicated" if p.is_replicate() and n > 1 else str(p)
        for p, n in zip(tensor.placements, mesh.shape, strict=True)
    ]
    placed = ", ".join(f"{kind} over {name}" for kind, name in zip(kinds, names, strict=True))
    return f"{placed} of a mesh of {'x'.join(map(str, mesh.shape))}"


def optimizer_seen(optimizer: Any, model: nn.Module) -> OptimizerSeen:
    """Return an optimizer's class, defaults and groups; of one that wraps another the wrapped one's."""
    core = core_of(optimizer)
    made, defaults = type(core), dict(core.defaults)
    if hasattr(core, "_optim_constructor"):  # ZeroRedundancyOptimizer: each rank's own optimizer holds its share
        made, defaults = core._optim_constructor, dict(core._optim_defaults)
    names = {id(p): plain_name(name) for name, p in model.named_parameters()}
    groups = tuple(
        (
            tuple(names.get(id(p), "") for p in group["params"]),
            {key: value for key, value in group.items() if key != "params" and _is_plain(value)},
        )
        for group in core.param_groups
    )
    plain = {key: value for key, value in defaults.items() if _is_plain(value)}
    where, told = _class_of(made)
    return OptimizerSeen(where, told, plain, groups)


def core_of(optimizer: Any) -> Any:
    """Return the optimizer that another one wraps, as accelerate's and Fabric's do; else the optimizer itself."""
    while isinstance(inner := getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        optimizer = inner
    return optimizer


def _class_of(made: Any) -> tuple[Where | None, str]:
    made = made.func if isinstance(made, functools.partial) else made
    try:
        return where_of(made, "optimizer"), getattr(made, "__name__", "")
    except UsageError:
        return None, getattr(made, "__name__", repr(made))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
