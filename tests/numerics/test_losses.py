"""Losses and their slopes: against torch, in fractions, and far out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from gdprops.model.arrays import Array
from gdprops.numerics import losses
from gdprops.numerics.autograd import _LOSSES as TORCH

RNG = np.random.default_rng(31)
LOGITS = RNG.standard_normal((5, 3)) * 3


def targets_for(loss: str, outputs: Array) -> Array:
    if loss == "cross-entropy":
        return np.asarray(np.arange(len(outputs)) % outputs.shape[1])
    if loss == "bce":
        return np.asarray(np.arange(outputs.size).reshape(outputs.shape) % 2, outputs.dtype)
    return np.asarray(np.round(outputs), outputs.dtype)


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_value_and_slope_are_torchs(loss: str, scale: float) -> None:
    out = LOGITS * scale
    y = targets_for(loss, out)
    z = torch.from_numpy(out.copy()).requires_grad_()
    value = TORCH[loss](z, torch.from_numpy(y))
    (slope,) = torch.autograd.grad(value, z)
    assert np.isclose(losses.value(loss, out, y), value.item(), rtol=1e-13)
    assert np.allclose(losses.slope(loss, out, y), slope.numpy(), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("loss", ["half-sse", "mse"])
def test_sums_of_squares_stay_fractions(loss: str) -> None:
    out = np.array([[Fraction(1, 3)], [Fraction(1, 7)], [Fraction(0)]], dtype=object)
    y = np.array([[Fraction(0)], [Fraction(1)], [Fraction(1, 2)]], dtype=object)
    squares = Fraction(1, 9) + Fraction(36, 49) + Fraction(1, 4)
    share, factor = (Fraction(1, 2), 1) if loss == "half-sse" else (Fraction(1, 3), Fraction(2, 3))
    assert losses.value(loss, out, y) == share * squares
    assert (losses.slope(loss, out, y) == factor * (out - y)).all()


@pytest.mark.parametrize("z", [-1000.0, -20.0, 0.0, 20.0, 1000.0])
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_binary_cross_entropy_takes_any_logit(z: float, label: float) -> None:
    """J = log(1 + exp(-z)) for label 1, and its slope is sigmoid(z) - y."""
    out, y = np.array([[z]]), np.array([[label]])
    exact = np.logaddexp(0, -z if label else z)
    assert np.isclose(losses.value("bce", out, y), exact, rtol=1e-15)
    slope = losses.slope("bce", out, y)
    assert np.isclose(slope, (1 / (1 + np.exp(-z)) if z > -500 else 0.0) - label, atol=1e-16)


@pytest.mark.parametrize("shift", [0.0, 1000.0, -1000.0])
def test_softmax_sums_to_one_and_forgets_a_shift(shift: float) -> None:
    p = losses.softmax(LOGITS + shift)
    assert np.allclose(p.sum(axis=1), 1.0, rtol=1e-14)
    assert np.allclose(p, losses.softmax(LOGITS), rtol=1e-11)
    assert np.allclose(p, F.softmax(torch.from_numpy(LOGITS), dim=1).numpy(), rtol=1e-11)
    assert (losses.log_softmax(LOGITS + shift) <= 0).all()


def test_the_slope_of_cross_entropy_sums_to_zero_in_every_row() -> None:
    slope = losses.slope("cross-entropy", LOGITS, targets_for("cross-entropy", LOGITS))
    assert np.allclose(slope.sum(axis=1), 0.0, atol=1e-16)


@pytest.mark.parametrize(("like", "kind"), [(np.ones(1, np.float32), np.float32), (np.ones(1), np.float64)])
def test_an_inverse_is_of_the_outputs_own_kind(like: Array, kind: type) -> None:
    assert type(losses.inverse(3, like)) is kind
    assert losses.inverse(3, like) == kind(1 / 3)
    assert losses.inverse(3, np.array([Fraction(1)], dtype=object)) == Fraction(1, 3)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_float32_stays_float32(loss: str) -> None:
    out = LOGITS.astype(np.float32)
    y = targets_for(loss, out)
    assert losses.slope(loss, out, y).dtype == np.float32
    assert losses.value(loss, out, y).dtype == np.float32


def test_sigmoid_is_symmetric_and_does_not_overflow() -> None:
    z = np.array([-1e4, -30.0, -1.0, 0.0, 1.0, 30.0, 1e4])
    assert np.allclose(losses.sigmoid(z) + losses.sigmoid(-z), 1.0, rtol=1e-15)
    assert losses.sigmoid(z)[[0, 3, 6]].tolist() == [0.0, 0.5, 1.0]


def test_one_hot_rows() -> None:
    assert losses.one_hot(np.array([1, 0]), np.ones((2, 3), np.float32)).tolist() == [[0, 1, 0], [1, 0, 0]]
