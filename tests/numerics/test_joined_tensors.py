"""Tensors that a rule moves as one vector: what is joined, and that nothing else moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdprops.numerics.published.adam import adam
from gdprops.numerics.published.joined_tensors import joined, separate
from gdprops.numerics.published.rule_run import Player

SETTINGS = {"lr": 0.5, "eps": 1e-8}


def test_tensors_of_one_dtype_and_equal_hyperparameters_are_joined() -> None:
    weights: list[Any] = [np.ones(2), np.ones((2, 2)), np.ones(3, np.float32), np.ones(()), np.ones(2), np.ones(1)]
    settings = [[*[SETTINGS] * 4, {**SETTINGS, "lr": 0.25}, SETTINGS]]
    fed: list[list[Any]] = [[*weights[:5], None]]
    found = joined(weights, fed, settings)
    assert found.places == ((0, 1, 3), (2,), (4,), (5,))
    whole = found.together(weights)
    assert [w.shape for w in whole] == [(7,), (3,), (2,), (1,)]
    assert [w.shape for w in found.apart(whole)] == [w.shape for w in weights]
    assert found.together(fed[0])[3] is None
    assert found.first(settings[0])[2]["lr"] == 0.25


def test_hyperparameters_that_differ_at_a_later_step_join_nothing() -> None:
    weights = [np.ones(2), np.ones(2)]
    later = [SETTINGS, {**SETTINGS, "lr": 0.25}]
    assert joined(weights, [weights, weights], [[SETTINGS] * 2, later]).places == ((0,), (1,))
    assert separate(weights).places == ((0,), (1,))


def test_a_rule_moves_them_as_it_moves_each() -> None:
    weights = [np.array([1.0, -0.5]), np.array([[0.25, 2.0, 0.1]]), np.array(0.75)]
    fed = [[g * k for g in (np.array([0.5, 3.0]), np.array([[1e-8, -1.0, 0.3]]), np.array(-2.0))] for k in (1.0, -0.25)]
    settings = [[SETTINGS] * 3] * 2
    joint = joined(weights, fed, settings)
    alone, as_one = Player(adam, 3), Player(adam, 1)
    for gradients in fed:
        expected = alone.step(weights, gradients, settings[0])
        seen = joint.apart(as_one.step(joint.together(weights), joint.together(gradients), [SETTINGS]))
        assert all(map(np.array_equal, seen, expected))
        weights = expected
