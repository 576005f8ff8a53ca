"""What ``layouts=`` says: on which mesh the ranks stand, some of which share the work on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdprops.errors import UsageError
from gdprops.model.rank_mesh import DATA, NAMES, PIPELINE, PLAIN, REST, Mesh, fitted

EXPECTED = (
    "expected 'tensor' or 'pipeline' where all ranks have the same rows, or the sizes of the mesh from the outermost "
    "dimension to the innermost, such as {'data': -1, 'tensor': 2}"
)


def declared_mesh(layouts: Any, worlds: tuple[int, ...], parts_differ: bool) -> Mesh:
    """Return the declared mesh, with the dimension ``data`` outermost where it is not stated.

    Raises `UsageError`, in one line, for anything that is no mesh of these ranks.
    """
    if layouts is None:
        return PLAIN
    stated = {layouts: REST} if isinstance(layouts, str) else layouts
    if not (isinstance(stated, Mapping) and stated and all(map(_is_dimension, stated.items()))):
        raise UsageError(f"layouts={layouts!r}; {EXPECTED}")
    mesh: Mesh = tuple(stated.items())
    rest = [name for name, size in mesh if size == REST]
    if len(rest) > 1:
        raise UsageError(f"layouts={layouts!r}: {' and '.join(rest)} cannot both take the ranks that are left")
    if DATA not in stated:
        mesh = ((DATA, 1 if rest else REST), *mesh)
    for world in worlds:
        if fitted(mesh, world) is None:
            raise UsageError(f"layouts={layouts!r} is no mesh of {world} ranks; say world=…, or other sizes")
    if parts_differ and all(dict(fitted(mesh, world) or ())[DATA] == 1 for world in worlds):
        raise UsageError(f"layouts={layouts!r}: all ranks have the same rows; parts='ragged' says that they differ")
    return PLAIN if set(stated) == {DATA} else mesh


def _is_dimension(one: tuple[Any, Any]) -> bool:
    name, size = one
    whole = isinstance(size, int) and not isinstance(size, bool)
    return name in NAMES and whole and (size == REST or size > 0)


def stages_told(mesh: Mesh) -> str:
    """Return what a build must do on this mesh beyond returning a step, empty where nothing."""
    if not any(name == PIPELINE for name, _ in mesh):
        return ""
    return (
        "a rank of a pipeline holds the layers of its stage: return their module as 'stage' in a dict with 'step' and "
        "'optimizer', or delete the other layers from the model"
    )
