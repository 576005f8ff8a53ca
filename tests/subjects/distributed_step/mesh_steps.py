"""Steps of ranks that share layers, in other forms than the usual ones; ranks import them."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from gdprops.faults.distributed_steps.meshed_ranks import linear_names, passed_on_by_hand, summed, summed_backward
from gdprops.faults.distributed_steps.named_ranks import usual


def without_a_stage(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    built = passed_on_by_hand(model, loss_fn, rank, world)
    return built["step"], built["optimizer"]


def numbers_its_stage(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    return passed_on_by_hand(model, loss_fn, rank, world) | {"stage": rank + 1}


def keeps_its_layers(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """The layers of other ranks are deleted, as tutorials do, and no stage is returned."""
    built = passed_on_by_hand(model, loss_fn, rank, world)
    own = list(built["stage"].children())
    for name, layer in list(model.named_children()):
        if layer not in own:
            delattr(model, name)
    return built["step"], built["optimizer"]


def cuts_by_hand(model: nn.Module, loss_fn: nn.Module, rank: int, world: int) -> Any:
    """The shards are plain parameters, of which nobody knows where they stand."""
    for name, dimension in zip(linear_names(model)[-2:], (0, 1), strict=True):
        layer: Any = getattr(model, name)
        layer.weight = nn.Parameter(layer.weight.detach().chunk(world, dimension)[rank].clone())
        if layer.bias is not None and dimension == 0:
            layer.bias = nn.Parameter(layer.bias.detach().chunk(world)[rank].clone())
        layer.forward = partial((by_columns, by_rows)[dimension], layer)
    return usual(model, loss_fn, lambda: None)


def by_columns(layer: Any, inputs: Tensor) -> Tensor:
    return nn.functional.linear(summed_backward(inputs), layer.weight, layer.bias)


def by_rows(layer: Any, inputs: Tensor) -> Tensor:
    found = summed(nn.functional.linear(inputs, layer.weight))
    return found if layer.bias is None else found + layer.bias
