"""Architectures as torch modules, and as lines of a plain script that build these modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from gdprops.subjects import script_lines
from gdprops.subjects.training_step.network_modules import Recomputed

if TYPE_CHECKING:
    from gdprops.model.architecture import Architecture, Block
    from gdprops.model.arrays import Array

DROPPED = 0.5


@final
class MeanOverTokens(nn.Module):
    """The mean over the second dimension."""

    def forward(self, h: Tensor) -> Tensor:
        """Return the mean."""
        return h.mean(1)


@final
class SelfAttention(nn.Module):
    """h + softmax(q kᵀ / √width) v, projected: one head, no biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """Return the sequence, with what every position attends to added."""
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        weights = torch.softmax(q @ k.transpose(-1, -2) / h.shape[-1] ** 0.5, dim=-1)
        out: Tensor = h + self.out(weights @ v)
        return out


_MODULES: dict[str, Callable[..., nn.Module]] = {
    "linear": lambda inputs, outputs, bias: nn.Linear(inputs, outputs, bias=bool(bias)),
    "conv1d": nn.Conv1d,
    "conv2d": nn.Conv2d,
    "embedding": nn.Embedding,
    "layer-norm": nn.LayerNorm,
    "batch-norm": nn.BatchNorm1d,
    "dropout": lambda: nn.Dropout(DROPPED),
    "attention": SelfAttention,
    "tanh": nn.Tanh,
    "flatten": nn.Flatten,
    "mean": MeanOverTokens,
}
_CODE = {
    "linear": "torch.nn.Linear({0}, {1}, bias=bool({2}))",
    "conv1d": "torch.nn.Conv1d({0}, {1}, {2})",
    "conv2d": "torch.nn.Conv2d({0}, {1}, {2})",
    "embedding": "torch.nn.Embedding({0}, {1})",
    "layer-norm": "torch.nn.LayerNorm({0})",
    "batch-norm": "torch.nn.BatchNorm1d({0})",
    "dropout": f"torch.nn.Dropout({DROPPED})",
    "attention": "SelfAttention({0})",
    "tanh": "torch.nn.Tanh()",
    "flatten": "torch.nn.Flatten()",
    "mean": "MeanOverTokens()",
}
OURS = ("MeanOverTokens", "Recomputed", "SelfAttention")


def architecture_module(network: Architecture, tensors: Sequence[Array], *, recomputed: bool = True) -> nn.Sequential:
    """Return a fresh module with these weights; with ``recomputed`` False none of its segments is checkpointed."""
    model = nn.Sequential(*(_module(block, recomputed=recomputed) for block in network.blocks))
    if tensors:
        model.to(torch.from_numpy(tensors[0]).dtype)
    with torch.no_grad():
        for p, w in zip(model.parameters(), tensors, strict=True):
            p.copy_(torch.from_numpy(w))
    return model.train(network.trains)


def _module(block: Block, *, recomputed: bool) -> nn.Module:
    kind = block.kind.removeprefix("checkpointed-")
    module = _MODULES[kind](*block.sizes)
    return Recomputed(module, reentrant=False) if recomputed and kind != block.kind else module


def script_architecture(network: Architecture, tensors: Sequence[Array]) -> list[str]:
    """Return the lines of a plain script that build ``model``; modules that torch does not have are imported."""
    parts = [_code(block) for block in network.blocks]
    dtype = tensors[0].dtype
    ours = [name for name in OURS if any(name in part for part in parts)]
    return [
        *([f"from gdprops.script_imports import {', '.join(ours)}"] if ours else []),
        f"model = torch.nn.Sequential({', '.join(parts)}).to(torch.{dtype}).train({network.trains})",
        f"for p, w in zip(model.parameters(), [{script_lines.literals(tensors)}]):",
        f"    p.data = torch.tensor(w, dtype=torch.{dtype})",
    ]


def _code(block: Block) -> str:
    kind = block.kind.removeprefix("checkpointed-")
    code = _CODE[kind].format(*block.sizes)
    return code if kind == block.kind else f"Recomputed({code}, reentrant=False)"
