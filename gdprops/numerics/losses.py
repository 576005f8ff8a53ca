"""Losses: J of the outputs and its slope dJ/d(output), for any kind of number that the formula allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.numerics.tracked import Tracked, settle

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

EXACT_LOSSES = ("half-sse", "half-sse-per-row")
"""Losses without operations that round; a mean over rows is exact where their number is a power of two."""
LOSSES = ("half-sse", "mse", "bce", "cross-entropy")
MEANS = ("mse", "bce", "cross-entropy")
SQUARES = ("half-sse", "mse", "half-sse-per-row")


def inverse(count: int, like: Any) -> Any:
    """Return 1/count in the arithmetic of ``like``; a fraction for fractions."""
    values = like.value if isinstance(like, Tracked) else like
    if values.dtype == object:
        from fractions import Fraction

        return Fraction(1, count)
    return values.dtype.type(1.0 / count)


def slope(loss: str, outputs: Any, targets: Array) -> Any:
    """Return dJ/d(output), of the shape of the outputs."""
    if loss == "half-sse":
        return settle(outputs - targets)
    if loss == "half-sse-per-row":
        residual = settle(outputs - targets)
        return settle(residual * inverse(targets.shape[0], outputs))
    if loss == "mse":
        residual = settle(outputs - targets)
        return settle(residual * (2 * inverse(targets.size, outputs)))
    if isinstance(outputs, Tracked):
        return outputs.logistic_slope(loss, targets)  # type: ignore[attr-defined] # only `Rounded` gets here
    if loss == "bce":
        return (sigmoid(outputs) - targets) * inverse(targets.size, outputs)
    return (softmax(outputs) - one_hot(targets, outputs)) * inverse(len(targets), outputs)


def value(loss: str, outputs: Any, targets: Array) -> Any:
    """Return J: half the sum of squares, a mean of squares, or a mean of logistic losses."""
    if loss == "half-sse":
        residual = outputs - targets
        return (residual * residual).sum() * (inverse(2, outputs))
    if loss == "half-sse-per-row":
        residual = outputs - targets
        return (residual * residual).sum() * inverse(2 * targets.shape[0], outputs)
    if loss == "mse":
        residual = outputs - targets
        return (residual * residual).sum() * inverse(targets.size, outputs)
    if loss == "bce":
        excess = np.maximum(outputs, 0) - outputs * targets + np.log1p(np.exp(-np.abs(outputs)))
        return excess.sum() * inverse(targets.size, outputs)
    picked = log_softmax(outputs)[np.arange(len(targets)), targets]
    return -picked.sum() * inverse(len(targets), outputs)


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)) without overflow."""
    small = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1, small) / (1 + small))


def log_softmax(z: Array) -> Array:
    """Return log softmax along the last axis."""
    shifted = z - z.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def softmax(z: Array) -> Array:
    """Return softmax along the last axis."""
    return np.exp(log_softmax(z))


def one_hot(labels: Array, like: Array) -> Array:
    """Return the labels as rows of zeros with a one, in the shape and dtype of ``like``."""
    rows = np.zeros_like(like)
    rows[np.arange(len(labels)), labels] = 1
    return rows
