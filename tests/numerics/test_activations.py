"""Activations: value, slope and curvature against torch, fractions and the limit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from gdprops.model.arrays import Array
from gdprops.model.network import Layer, Network
from gdprops.numerics.activations import ACTIVATIONS, LEAK, has_kinks
from gdprops.numerics.autograd import _ACTIVATIONS as TORCH

GRID = np.linspace(-3, 3, 49)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_slope_and_curvature_are_torchs(name: str) -> None:
    ours, z = ACTIVATIONS[name], torch.from_numpy(GRID.copy()).requires_grad_()
    value = TORCH[name](z)
    (slope,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    assert np.allclose(ours.value(GRID), value.detach().numpy(), rtol=1e-15, atol=1e-15)
    assert np.allclose(ours.slope(GRID), slope.detach().numpy(), rtol=1e-14, atol=1e-15)
    curvature = np.zeros_like(GRID)
    if slope.requires_grad:
        curvature = torch.autograd.grad(slope.sum(), z)[0].numpy()
    assert np.allclose(ours.curvature(GRID), curvature, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", [name for name, f in ACTIVATIONS.items() if f.exact])
def test_exact_ones_take_fractions(name: str) -> None:
    f, z = ACTIVATIONS[name], np.array([Fraction(-3, 4), Fraction(0), Fraction(5, 4)], dtype=object)
    for part in (f.value, f.slope, f.curvature):
        exact, rounded = part(z), part(z.astype(float))
        assert all(isinstance(v, (Fraction, int)) for v in exact)
        assert exact.astype(float).tolist() == rounded.tolist()


def test_kinks_have_torchs_slope_at_zero() -> None:
    zero = np.zeros(1)
    assert ACTIVATIONS["relu"].slope(zero).tolist() == [0.0]
    assert ACTIVATIONS["leaky-relu"].slope(zero).tolist() == [LEAK]
    assert [name for name, f in ACTIVATIONS.items() if f.kinked] == ["relu", "leaky-relu"]


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("z", [-800.0, 800.0])
def test_far_out_nothing_overflows(name: str, z: float) -> None:
    f = ACTIVATIONS[name]
    assert float(f.value(np.array([z]))[0]) == {"tanh": np.sign(z), "sigmoid": float(z > 0)}[name]
    assert f.slope(np.array([z])) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_dtype_stays(name: str, dtype: type) -> None:
    z: Array = np.array([-0.5, 0.0, 0.5], dtype)
    assert {part(z).dtype for part in (ACTIVATIONS[name].value, ACTIVATIONS[name].slope)} == {np.dtype(dtype)}


@pytest.mark.parametrize(("names", "kinked"), [(("tanh", "identity"), False), (("tanh", "relu"), True)])
def test_a_network_has_kinks_where_an_activation_has(names: tuple[str, ...], *, kinked: bool) -> None:
    layers = tuple(Layer(i, None, name) for i, name in enumerate(names))
    assert has_kinks(Network((layers,), ("W1", "W2"), (True, True), "mse")) is kinked
