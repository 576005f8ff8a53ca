"""The parameters and buffers of a user's model as NumPy arrays, and from arrays back into a fresh model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gdprops.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from gdprops.model.arrays import Array

MODEL = "model."
"""The prefix of the keys of parameters and buffers among a case's arrays."""


def tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield a model's parameters and buffers by name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


@torch.no_grad()
def put_in(model: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Copy the parameters and buffers of a saved case into a model. Raises `UsageError` where they do not fit it."""
    own = {f"{MODEL}{name}": t for name, t in tensors_of(model) if array_of(t) is not None}
    if own.keys() != arrays.keys():
        other = sorted(own.keys() ^ arrays.keys())[0].removeprefix(MODEL)
        raise UsageError(f"the saved case is about another model: {other} is in one of them only")
    for key, t in own.items():
        if tuple(t.shape) != arrays[key].shape:
            shapes = f"{tuple(t.shape)}, was {arrays[key].shape}"
            raise UsageError(f"the saved case is about another model: {key.removeprefix(MODEL)} is of shape {shapes}")
        t.copy_(torch.from_numpy(arrays[key]))


def array_of(t: Tensor) -> Array | None:
    """Return a copy of a tensor as a NumPy array, None for a tensor that NumPy cannot hold."""
    try:
        return np.array(t.detach().numpy(), order="C")
    except (TypeError, RuntimeError):
        return None
