"""Which entries of an output matrix are weights, where one row or column holds the biases."""

from __future__ import annotations

from gdprops.subjects.backprop.as_written.merged_biases import weights_alone


def test_only_the_axis_of_the_inputs_holds_biases() -> None:
    found = list(weights_alone([(2, 5), (4, 4)], [2, 4]))
    assert [[kept.sum(axis=0).tolist() for kept in every] for every in found] == [
        [[2, 2, 2, 2, 0], [4, 4, 4, 0]],
        [[0, 2, 2, 2, 2], [0, 4, 4, 4]],
    ]


def test_it_must_be_told_which_axis_that_is() -> None:
    assert not list(weights_alone([(4, 4)], [4]))


def test_few_weights_in_one_network_tell_nothing() -> None:
    """Where a single weight is left, any loss fits it."""
    assert not list(weights_alone([(2, 5), (3, 2)], [2, 3]))
