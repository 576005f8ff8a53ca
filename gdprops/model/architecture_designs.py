"""One small network for every kind of architecture.

Each design takes three numbers from 0 to 2 that say how large the network is, and the number of outputs. For example,
dropout with (1, 0, 0) is: linear(2, 2), tanh, dropout, linear(2, outputs).
"""

from __future__ import annotations

from collections.abc import Callable

from gdprops.model.architecture import Architecture, Block

Form = tuple[int, ...]
Design = tuple[tuple[Block, ...], Form, int]
"""The blocks of a network, the shape of one row of inputs, and the number of tokens (0: inputs are real numbers)."""
TANH, FLATTEN, MEAN = Block("tanh"), Block("flatten"), Block("mean")


def _linear(inputs: int, outputs: int, *, bias: bool = True) -> Block:
    return Block("linear", (inputs, outputs, int(bias)), ((outputs, inputs), *([(outputs,)] if bias else [])))


def _norm(kind: str, width: int) -> Block:
    return Block(kind, (width,), ((width,), (width,)))


def _conv1d(a: int, b: int, c: int, outputs: int) -> Design:
    channels, length, hidden = 1 + a % 2, 3 + b % 2, 1 + c
    conv = Block("conv1d", (channels, hidden, 2), ((hidden, channels, 2), (hidden,)))
    return (conv, TANH, FLATTEN, _linear(hidden * (length - 1), outputs)), (channels, length), 0


def _conv2d(a: int, b: int, c: int, outputs: int) -> Design:
    channels, side, hidden = 1 + a % 2, 2 + b % 2, 1 + c
    conv = Block("conv2d", (channels, hidden, 2), ((hidden, channels, 2, 2), (hidden,)))
    return (conv, TANH, FLATTEN, _linear(hidden * (side - 1) ** 2, outputs)), (channels, side, side), 0


def _embedding(a: int, b: int, c: int, outputs: int) -> Design:
    tokens, width, length = 2 + a, 1 + b, 1 + c
    table = Block("embedding", (tokens, width), ((tokens, width),))
    return (table, MEAN, _linear(width, width + 1), TANH, _linear(width + 1, outputs)), (length,), tokens


def _layer_norm(a: int, b: int, c: int, outputs: int) -> Design:
    inputs, width = 1 + a, 2 + b
    return (_linear(inputs, width), _norm("layer-norm", width), TANH, _linear(width, outputs)), (inputs,), 0


def _batch_norm(a: int, b: int, c: int, outputs: int) -> Design:
    inputs, width = 1 + a, 1 + b
    return (_linear(inputs, width, bias=False), _norm("batch-norm", width), TANH, _linear(width, outputs)), (inputs,), 0


def _dropout(a: int, b: int, c: int, outputs: int) -> Design:
    inputs, width = 1 + a, 2 + b
    return (_linear(inputs, width), TANH, Block("dropout"), _linear(width, outputs)), (inputs,), 0


def _attention(a: int, b: int, c: int, outputs: int) -> Design:
    width, length = 1 + a, 2 + b % 2
    block = Block("attention", (width,), ((3 * width, width), (width, width)))
    return (block, FLATTEN, _linear(length * width, width + 1), TANH, _linear(width + 1, outputs)), (length, width), 0


def _checkpointed(a: int, b: int, c: int, outputs: int) -> Design:
    inputs, width, other = 1 + a, 1 + b, 1 + c
    first, second = _linear(inputs, width), _linear(width, other)
    parts = tuple(Block(f"checkpointed-{part.kind}", part.sizes, part.shapes) for part in (first, second))
    return (parts[0], TANH, parts[1], TANH, _linear(other, outputs)), (inputs,), 0


_DESIGNS: dict[str, Callable[[int, int, int, int], Design]] = {
    "conv1d": _conv1d,
    "conv2d": _conv2d,
    "embedding": _embedding,
    "layer-norm": _layer_norm,
    "batch-norm": _batch_norm,
    "batch-norm-evaluated": _batch_norm,
    "dropout": _dropout,
    "attention": _attention,
    "checkpointed": _checkpointed,
}


def architecture(kind: str, sizes: tuple[int, int, int], outputs: int, loss: str) -> Architecture:
    """Return the architecture of a kind and size; with cross-entropy it has at least two outputs."""
    most = max(outputs, 2) if loss == "cross-entropy" else outputs
    blocks, form, tokens = _DESIGNS[kind](*sizes, most)
    return Architecture(kind, blocks, form, loss, tokens, kind != "batch-norm-evaluated")
