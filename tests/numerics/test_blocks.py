"""Large arrays in pieces: what is computed piece by piece is what would be computed at once."""

from __future__ import annotations

import numpy as np
import pytest

from gdprops.numerics.blocks import BLOCK, blocks
from gdprops.numerics.comparison import is_clearly_other
from gdprops.numerics.floor import perturbed


@pytest.mark.parametrize("shape", [(), (3,), (0, 5), (3, BLOCK), (BLOCK + 1,), (1000, 700), (70_000, 2)])
def test_the_pieces_are_the_whole_in_order(shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape)
    bound = np.asarray(0.5)
    pieces = list(blocks(x, -x, bound))
    assert np.array_equal(np.concatenate([a.ravel() for a, _, _ in pieces]), x.ravel())
    assert all(np.array_equal(a, -b) and room == 0.5 for a, b, room in pieces)
    assert all(a.size <= max(BLOCK, x[:1].size if x.ndim else 1) for a, _, _ in pieces)


def test_an_entry_of_the_last_piece_counts() -> None:
    x = np.zeros(3 * BLOCK + 1)
    other = x.copy()
    assert not is_clearly_other([other], [x], [0.5])
    other[-1] = 1.0
    assert is_clearly_other([other], [x], [0.5])
    assert not is_clearly_other([other], [x], [0.6])


def test_every_entry_of_a_large_array_is_perturbed() -> None:
    x = np.linspace(1, 2, 2 * BLOCK + 7, endpoint=False)
    (moved,) = perturbed([x], np.random.default_rng(0))
    assert (np.abs(moved - x) == np.spacing(x.mean())).all()
    assert 0.4 < float((moved > x).mean()) < 0.6
