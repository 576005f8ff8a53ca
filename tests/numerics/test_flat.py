"""Flat vectors of trainable weights, their names and blocks; and exact arithmetic on arrays."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gdprops.model.network import Batch, Layer, Network, Point
from gdprops.numerics.flat import (
    flat,
    flat_gradient,
    flat_weights,
    members,
    name_of,
    spread,
    unflat,
    zeros_like,
)
from gdprops.numerics.rational import floats, floats_of, rational, rational_point

NETWORK = Network(
    ((Layer(0, 1, "relu"), Layer(2, None, "identity")),),
    ("W1", "b1", "W2", "scale", "empty"),
    (True, False, True, True, True),
    "half-sse",
    scale=3,
)
TENSORS = (
    np.arange(4.0).reshape(2, 2),
    np.array([9.0, 9.0]),
    np.array([[4.0, 5.0]]),
    np.array(6.0),
    np.zeros((0,)),
)
SHAPES = [w.shape for w in TENSORS]
POINT = Point(NETWORK, TENSORS, Batch(np.ones((1, 2)), np.ones((1, 1))))


def test_the_trainable_weights_in_order() -> None:
    assert flat_weights(POINT).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert flat(TENSORS, [2, 3]).tolist() == [4, 5, 6]
    assert flat(TENSORS, []).shape == (0,)


def test_unflat_is_the_way_back_and_leaves_frozen_tensors() -> None:
    there = unflat(POINT, -flat_weights(POINT))
    assert there.tensors[0].tolist() == [[0, -1], [-2, -3]]
    assert there.tensors[1] is TENSORS[1]
    assert there.tensors[3].shape == ()
    assert flat_weights(unflat(there, flat_weights(POINT))).tolist() == flat_weights(POINT).tolist()


def test_a_missing_gradient_counts_as_zeros() -> None:
    gradient = [None, None, np.array([[1.0, 2.0]]), np.array(3.0), None]
    assert flat_gradient(POINT, gradient).tolist() == [0, 0, 0, 0, 1, 2, 3]


def test_spread_gives_frozen_tensors_zeros() -> None:
    parts = spread(POINT, np.arange(7.0))
    assert [p.shape for p in parts] == SHAPES
    assert parts[1].tolist() == [0, 0]


def test_members_and_names_of_positions() -> None:
    blocks = members(NETWORK, SHAPES)
    assert blocks == {0: (0, 1, 2, 3), 2: (4, 5), 3: (6,), 4: ()}
    named = [name_of(NETWORK, SHAPES, k) for k in range(7)]
    assert named[2] == ("W1", (1, 0))
    assert named[5] == ("W2", (0, 1))
    assert named[6] == ("scale", ())
    with pytest.raises(IndexError):
        name_of(NETWORK, SHAPES, 7)


def test_zeros_of_the_same_kind() -> None:
    assert zeros_like(np.array(2.5, np.float32)).dtype == np.float32
    third = np.empty((), dtype=object)
    third[()] = Fraction(1, 3)
    assert isinstance(zeros_like(third)[()], Fraction)


def test_rational_is_exact_and_floats_round_once() -> None:
    values = np.array([[0.1, -0.0], [2.0**-1074, 3.0]])
    exact = rational(values)
    assert exact[0, 0] == Fraction(3602879701896397, 2**55)
    assert exact[1, 0] == Fraction(1, 2**1074)
    assert floats(exact).tolist() == [[0.1, 0.0], [2.0**-1074, 3.0]]
    assert floats_of([Fraction(1, 3)]).tolist() == [1 / 3]
    assert rational(np.array(0.5)).shape == ()
    assert floats(rational(np.zeros((0, 2)))).shape == (0, 2)


def test_a_rational_point_keeps_its_network_and_its_labels_whole() -> None:
    labels = POINT.on(Batch(POINT.batch.inputs, np.array([1])))
    exact = rational_point(labels)
    assert exact.network is NETWORK
    assert exact.batch.targets[0] == 1
    assert all(isinstance(v, Fraction) for v in flat_weights(exact))


def test_float32_becomes_the_number_that_it_is() -> None:
    assert rational(np.array([0.1], np.float32))[0] == Fraction(float(np.float32(0.1)))
