"""Meshes of ranks: their sizes, and where each rank stands."""

from __future__ import annotations

import pytest

from gdprops.model.domain import Domain
from gdprops.model.rank_mesh import DATA, PIPELINE, PLAIN, REST, TENSOR, fitted, place_of, size_of, world_of


@pytest.mark.parametrize(
    ("mesh", "world", "sizes"),
    [
        (((DATA, REST), (TENSOR, 2)), 4, (2, 2)),
        (((DATA, REST), (TENSOR, 2)), 2, (1, 2)),
        (((DATA, 1), (TENSOR, REST)), 4, (1, 4)),
        (((PIPELINE, 2), (DATA, REST), (TENSOR, 2)), 8, (2, 2, 2)),
        (((DATA, 2), (TENSOR, 2)), 1, (1, 1)),
    ],
)
def test_a_mesh_is_filled_by_its_ranks(mesh: tuple[tuple[str, int], ...], world: int, sizes: tuple[int, ...]) -> None:
    found = fitted(mesh, world)
    assert found is not None
    assert tuple(size for _, size in found) == sizes
    assert world_of(found) == world


@pytest.mark.parametrize(
    ("mesh", "world"), [(((DATA, 2), (TENSOR, 2)), 8), (((DATA, REST), (TENSOR, 3)), 4), (((TENSOR, 4),), 2)]
)
def test_ranks_that_fill_no_mesh(mesh: tuple[tuple[str, int], ...], world: int) -> None:
    assert fitted(mesh, world) is None


def test_ranks_are_numbered_from_the_innermost_dimension() -> None:
    mesh = ((PIPELINE, 2), (DATA, 2), (TENSOR, 2))
    assert [place_of(mesh, rank, TENSOR) for rank in range(8)] == [0, 1] * 4
    assert [place_of(mesh, rank, DATA) for rank in range(8)] == [0, 0, 1, 1] * 2
    assert [place_of(mesh, rank, PIPELINE) for rank in range(8)] == [0] * 4 + [1] * 4
    assert size_of(mesh, TENSOR) == 2
    assert size_of((), TENSOR) == 1
    assert place_of(((DATA, 2),), 1, TENSOR) == 0


def test_rows_are_dealt_along_the_dimension_of_data() -> None:
    meshed = Domain(mesh=((DATA, REST), (TENSOR, 2)), own_rows=8)
    assert [meshed.count_of_parts(world) for world in (1, 2, 4)] == [1, 1, 2]
    assert meshed.own_parts(4) == (4, 4)
    assert meshed.mesh_of(1) == ()
    plain = Domain(mesh=PLAIN, own_rows=8)
    assert plain.own_parts(4) == (2, 2, 2, 2)
    assert plain.mesh_of(4) == ()
