"""The oracles agree: reverse mode in NumPy and torch, forward mode, fractions, differences, Hessians."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from gdprops.model.arrays import Array
from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics.certificate import gradient_bounds, loss_bound
from gdprops.numerics.differences import numerical_gradient
from gdprops.numerics.dual_numbers import directional_derivative, hessian_vector
from gdprops.numerics.flat import flat, flat_gradient, flat_weights, unflat
from gdprops.numerics.network_pass import columns, gradient_at, loss_at, outputs
from gdprops.numerics.numpy_system import NumpySystem
from gdprops.numerics.rational import rational, rational_point
from gdprops.numerics.second_order_law import hessian, times_hessian
from gdprops.numerics.torch_system import TorchSystem
from tests.numerics.computations import direction
from tests.numerics.random_points import EXACT, LOSSES, SMOOTH, Recipe, multiples, normals, points

SMALL = Recipe(multiples(1, 2), EXACT, ("half-sse", "mse"), depth=3, width=3, rows=3)


def test_the_textbook_example() -> None:
    """J = ½(w₂ w₁ x - y)² at w = (3, 2), x = 1, y = 1: residual 5, gradient (10, 15), Hessian by hand."""
    network = Network(
        ((Layer(0, None, "identity"), Layer(1, None, "identity")),), ("W1", "W2"), (True, True), "half-sse"
    )
    tensors = (np.array([[3.0]]), np.array([[2.0]]))
    point = Point(network, tensors, Batch(np.ones((1, 1)), np.ones((1, 1))))
    assert loss_at(point) == 12.5
    assert flat_gradient(point, gradient_at(point)).tolist() == [10.0, 15.0]
    assert hessian(point).tolist() == [[4.0, 11.0], [11.0, 9.0]]


def test_forward_mode_and_reverse_mode_are_the_same_fractions() -> None:
    for point in points(SMALL, 60, seed=11):
        exact = rational_point(point)
        g = flat_gradient(exact, gradient_at(exact))
        forwards = [directional_derivative(exact, direction(exact, k)) for k in range(g.size)]
        assert (np.array(forwards, dtype=object) == g).all(), point


def test_a_frozen_tensor_does_not_move_forwards_either() -> None:
    for point in points(SMALL, 40, seed=12):
        ones = [np.ones_like(w) if trains else np.zeros_like(w) for w, trains in _trainable(point)]
        along = directional_derivative(rational_point(point), [rational(v) for v in ones])
        assert along == sum(flat_gradient(rational_point(point), gradient_at(rational_point(point))))


def _trainable(point: Point) -> list[tuple[Array, bool]]:
    return list(zip(point.tensors, point.network.trainable, strict=True))


def test_the_gradient_has_none_for_frozen_and_unused_tensors_alone() -> None:
    for system in (NumpySystem(), TorchSystem()):
        for point in points(Recipe(normals(), losses=LOSSES), 60, seed=13):
            network = point.network
            for i, g in enumerate(system.gradient(point)):
                assert (g is None) is (not network.trainable[i] or i not in network.used)
                assert g is None or (g.shape, g.dtype) == (point.tensors[i].shape, point.tensors[i].dtype)


def test_differences_agree_with_the_gradient_within_their_own_error() -> None:
    """Measured over 4,500 networks: off by 0.08 of the error that they claim."""
    worst, share = 0.0, []
    for point in points(Recipe(normals(), SMOOTH, LOSSES), 60, seed=14):
        g = flat_gradient(point, gradient_at(point))
        found = numerical_gradient(
            lambda w, here=point: float(loss_at(unflat(here, w))),  # type: ignore[misc] # bound now
            flat_weights(point),
            noise=loss_bound(point, 53),
        )
        bounds = flat_gradient(point, gradient_bounds(point, 53))
        for k, derivative in enumerate(found):
            assert not derivative.kinked
            worst = max(worst, max(0.0, abs(g[k] - derivative.value) - bounds[k]) / derivative.error)
            share.append(derivative.error / max(abs(g[k]), 1e-3))
    assert worst < 0.3
    assert np.median(share) < 1e-8, "an error estimate that excuses everything proves nothing"


def test_hessian_products_are_the_derivative_of_the_gradient() -> None:
    """Along v by h = 2^-200: exact in fractions up to h², which no denominator here comes near."""
    h, tiny, rng = Fraction(1, 2**200), Fraction(1, 2**150), np.random.default_rng(15)
    for point in points(SMALL, 40, seed=15):
        exact = rational_point(_kink_free(point))
        w = flat_weights(exact)
        v = np.array([Fraction(int(k)) for k in rng.integers(-2, 3, w.size)], dtype=object)
        there, back = (_gradient(exact, w + s * h * v) for s in (1, -1))
        assert all(abs(q) < tiny for q in (there - back) / (2 * h) - times_hessian(exact, v)), point


def _kink_free(point: Point) -> Point:
    """Move every weight a little, so that no rectifier sits at its kink."""
    tensors = [w + 2.0 ** -(20 + i) for i, w in enumerate(point.tensors)]
    return Point(point.network, tuple(tensors), Batch(point.batch.inputs + 2.0**-15, point.batch.targets))


def _gradient(point: Point, w: Array) -> Array:
    return flat_gradient(unflat(point, w), gradient_at(unflat(point, w)))


def test_hessians_are_symmetric_and_have_zeros_for_unused_tensors() -> None:
    for point in points(SMALL, 30, seed=16):
        exact = rational_point(_kink_free(point))
        H = hessian(exact)
        assert (H == H.T).all(), point
        for i, product in enumerate(hessian_vector(exact, [w * 0 + 1 for w in exact.tensors])):
            assert i in point.network.used or not product.any()


def test_hessians_agree_with_double_backward_in_torch() -> None:
    recipe = Recipe(normals(), (*SMOOTH, "square"), ("half-sse", "mse"), depth=3, width=3)
    for point in points(recipe, 40, seed=17):
        w = flat_weights(point)
        theirs = torch.autograd.functional.hessian(  # type: ignore[no-untyped-call] # torch's
            lambda v, here=point: _torch_loss(here, v), torch.from_numpy(w)
        ).numpy()
        ours = hessian(point)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * max(1.0, float(abs(theirs).max())))


def _torch_loss(point: Point, flat_weights_: torch.Tensor) -> Any:
    from gdprops.numerics.autograd import loss_of

    tensors, start = [torch.from_numpy(w) for w in point.tensors], 0
    for i in point.network.moving:
        size = tensors[i].numel()
        tensors[i] = flat_weights_[start : start + size].view(tensors[i].shape)
        start += size
    return loss_of(point, tensors)


def test_a_tied_tensor_has_the_sum_of_the_gradients_of_its_uses() -> None:
    tied = Network(((Layer(0, None, "square"), Layer(0, None, "identity")),), ("W",), (True,), "half-sse")
    apart = Network(((Layer(0, None, "square"), Layer(1, None, "identity")),), ("W1", "W2"), (True, True), "half-sse")
    w, batch = np.array([[1.5, -0.5], [0.25, 2.0]]), Batch(np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]]))
    (once,) = gradient_at(Point(tied, (w,), batch))
    uses = gradient_at(Point(apart, (w, w), batch))
    assert (once == uses[0] + uses[1]).all()


def test_towers_share_the_columns_of_the_targets_and_do_not_meet() -> None:
    towers = ((Layer(0, None, "identity"),), (Layer(1, None, "identity"),))
    network = Network(towers, ("A", "B"), (True, True), "half-sse")
    targets = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert columns(network, targets, 0).tolist() == [[1.0, 2.0]]
    assert columns(network, targets, 1).tolist() == [[3.0, 4.0]]
    tensors = (np.ones((2, 1)), np.ones((2, 1)))
    point = Point(network, tensors, Batch(np.ones((1, 1)), targets))
    H = hessian(point)
    assert not H[:2, 2:].any()
    assert H[:2, :2].any()


def test_a_scale_multiplies_every_output() -> None:
    layers = (Layer(0, None, "identity"),)
    plain, scaled = (Network((layers,), ("W", "s"), (True, True), "half-sse", scale) for scale in (None, 1))
    tensors, batch = (np.array([[2.0], [3.0]]), np.array(0.5)), Batch(np.ones((1, 1)), np.zeros((1, 2)))
    assert outputs(plain, tensors, batch.inputs)[0].tolist() == [[2.0, 3.0]]
    assert outputs(scaled, tensors, batch.inputs)[0].tolist() == [[1.0, 1.5]]
    g = gradient_at(Point(scaled, tensors, batch))
    assert g[1].shape == ()
    assert g[1] == 2.0 * 1.0 + 3.0 * 1.5


def test_a_residual_layer_adds_its_input() -> None:
    network = Network(((Layer(0, None, "square", residual=True),),), ("W",), (True,), "half-sse")
    point = Point(network, (np.array([[2.0]]),), Batch(np.array([[3.0]]), np.array([[0.0]])))
    assert outputs(network, point.tensors, point.batch.inputs)[0].tolist() == [[39.0]]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_system_gives_the_same_loss(loss: str) -> None:
    for point in points(Recipe(normals(), SMOOTH, (loss,)), 20, seed=18):
        assert abs(NumpySystem().loss(point) - TorchSystem().loss(point)) <= loss_bound(point, 53)


def test_torch_shares_memory_with_the_point_and_leaves_it_alone() -> None:
    point = next(points(Recipe(normals()), 1, seed=19))
    before = [w.copy() for w in (*point.tensors, point.batch.inputs, point.batch.targets)]
    system = TorchSystem()
    system.gradient(point)
    system.regrouped(point, [tuple(range(flat_weights(point).size))])
    system.directional(point, direction(point, 0))
    after = (*point.tensors, point.batch.inputs, point.batch.targets)
    assert all((a == b).all() for a, b in zip(after, before, strict=True))


def test_looks_are_counted() -> None:
    point = next(points(Recipe(multiples(1, 2), ("relu",), least_depth=2, depth=2, rows=1), 1, seed=20))
    w, system = flat_weights(point), NumpySystem()
    blocks = [(k,) for k in range(w.size)]
    system.step(point, 0.5)
    assert system.looks() == 1
    system.sweep(point, blocks, 2.0**-20)
    assert system.looks() == 1 + w.size


def test_flat_vectors_hold_the_trainable_tensors_in_order() -> None:
    for point in points(Recipe(multiples(1, 2)), 20, seed=21):
        w = flat_weights(point)
        assert (w == flat(point.tensors, point.network.moving)).all()
        again = unflat(point, w)
        assert all((a == b).all() for a, b in zip(again.tensors, point.tensors, strict=True))
