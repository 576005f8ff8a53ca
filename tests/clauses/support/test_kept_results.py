"""Results that depend on a point alone are computed once for all who ask."""

from __future__ import annotations

import numpy as np

from gdprops.clauses.support.kept_results import MOST_KEPT, kept
from gdprops.model.network import Batch, Layer, Network, Point

NETWORK = Network(((Layer(0, None, "identity"),),), ("W1",), (True,), "half-sse")


def point() -> Point:
    return Point(NETWORK, (np.ones((1, 1)),), Batch(np.ones((1, 1)), np.zeros((1, 1))))


def test_one_point_is_asked_once_for_each_further_argument() -> None:
    asked: list[int] = []

    @kept
    def size(here: Point, scale: int) -> int:
        asked.append(scale)
        return here.tensors[0].size * scale

    here = point()
    assert [size(here, 1), size(here, 2), size(here, 1)] == [1, 2, 1]
    assert asked == [1, 2]


def test_another_point_with_equal_numbers_is_asked_too() -> None:
    asked: list[Point] = []

    @kept
    def note(here: Point) -> int:
        asked.append(here)
        return len(asked)

    assert [note(point()), note(point())] == [1, 2]


def test_only_so_many_are_kept_and_a_kept_point_stays_alive() -> None:
    asked: list[int] = []

    @kept
    def note(here: Point, number: int) -> int:
        asked.append(number)
        return number

    here = point()
    for number in range(MOST_KEPT + 1):
        note(here, number)
    note(here, MOST_KEPT)
    assert len(asked) == MOST_KEPT + 1
    note(here, 0)
    assert len(asked) == MOST_KEPT + 2
