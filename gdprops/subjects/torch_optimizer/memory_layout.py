"""How torch tensors lie in memory: layouts to try, and which tensors of an optimizer's state share memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from gdprops.model.case import CHANNELS_LAST, IMAGES, STRIDED, TRANSPOSED

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def laid_out(values: torch.Tensor, layout: str) -> torch.Tensor:
    """Return a copy of some values that lies in memory in the given layout.

    Strided: every second entry of a larger tensor, with NaN in the gaps. Transposed: the last dimension varies slowest;
    a tensor of fewer than two dimensions has only one such order. Channels last: as torch lays out images, which have
    four dimensions.
    """
    if layout == CHANNELS_LAST and values.ndim == IMAGES:
        return values.clone(memory_format=torch.channels_last)
    if layout == TRANSPOSED:
        back = list(reversed(range(values.ndim)))
        return values.permute(back).clone(memory_format=torch.contiguous_format).permute(back)
    if layout == STRIDED:
        gaps = torch.full((*values.shape, 2), float("nan"), dtype=values.dtype)
        gaps[..., 0] = values
        return gaps[..., 0]
    return values.clone()


def shared_memory(
    parameters: Mapping[str, torch.Tensor],
    gradients: Mapping[str, torch.Tensor],
    state: Mapping[Any, Any],
    named: Mapping[int, str],
) -> list[str]:
    """Return which tensors of a state overlap a parameter, a gradient, or the state of another parameter.

    Tensors of one entry may be shared by parameters: they count steps, and parameters that share one only count
    together.
    """
    found, others = [], list[tuple[str, str, Any]]()
    around = {**parameters, **gradients} if state else {}
    outside = {name: _bits(one) for name, one in around.items() if one.numel()}
    for key, kept in state.items():
        owner = named.get(id(key), str(key))
        for path, tensor in tensors_in(kept):
            if not tensor.numel() or tensor.layout is not torch.strided or tensor.device.type != "cpu":
                continue
            name, bits = f"state[{owner}][{path}]", _bits(tensor)
            met = [other for other, memory in outside.items() if np.shares_memory(bits, memory)]
            if tensor.numel() > 1:
                met += [other for o, other, memory in others if o != owner and np.shares_memory(bits, memory)]
                others.append((owner, name, bits))
            found += [f"{name} lies in the memory of {other}" for other in met]
    return found


def digest(state: Mapping[Any, Any]) -> bytes:
    """Return a digest of all tensors and numbers in a state, in the order in which they came into it."""
    found = hashlib.sha256()
    for kept in state.values():
        for path, tensor in tensors_in(kept):
            found.update(path.encode() + (_bits(tensor).tobytes() if tensor.layout is torch.strided else b""))
        found.update(repr([v for v in _values(kept) if isinstance(v, int | float)]).encode())
    return found.digest()


def _values(kept: Any) -> list[Any]:
    return list(kept.values()) if isinstance(kept, Mapping) else [kept]


def tensors_in(kept: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor inside dictionaries, lists and tuples, with its path."""
    if isinstance(kept, torch.Tensor):
        yield path, kept
    elif isinstance(kept, Mapping):
        for key, value in kept.items():
            yield from tensors_in(value, f"{path}.{key}" if path else repr(key))
    elif isinstance(kept, list | tuple):
        for number, value in enumerate(kept):
            yield from tensors_in(value, f"{path}.{number}" if path else str(number))


def _bits(tensor: torch.Tensor) -> Any:
    """Return a NumPy view of a tensor's memory, for any dtype."""
    plain = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return plain.detach().view(_BITS[plain.element_size()]).numpy()
