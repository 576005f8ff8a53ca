"""The numbers that an object holds, where the sizes do not tell a list of matrices from an array."""

from __future__ import annotations

from gdprops.subjects.backprop.as_written.leaves import holders_of, leaves_of


def test_lists_that_hold_parameters_are_known_from_usual_sizes() -> None:
    usual = holders_of(leaves_of([[[0.1, 0.2, 0.3]], [0.4]]))
    small = [[[0.1]], [[0.2]]]
    assert [leaf.path for leaf in leaves_of(small)] == [()]
    assert [leaf.shape for leaf in leaves_of(small, usual)] == [(1, 1), (1, 1)]


def test_lists_of_different_depths_are_no_array() -> None:
    assert [leaf.shape for leaf in leaves_of([[[0.1, 0.2], [0.3, 0.4]], [0.5, 0.6]])] == [(2, 2), (2,)]


def test_any_number_of_neurons_is_held_as_usual() -> None:
    usual = holders_of(leaves_of([{"w": [0.1, 0.2]}, {"w": [0.3, 0.4]}]))
    assert [leaf.shape for leaf in leaves_of([{"w": [0.1]}] * 1, usual)] == [(1,)]
