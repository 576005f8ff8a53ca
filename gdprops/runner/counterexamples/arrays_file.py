"""The arrays of a saved case, in an ``.npz`` file beside it.

The JSON file of the case states the name, dtype and shape of every array. A file that differs from this is refused
before its arrays are read, so that a damaged or hostile file cannot allocate much memory or run code.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.errors import UsageError

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

LARGEST = 64 * 2**20
"""The largest size of the file in bytes: more is neither written nor read."""
HEADER = 10_000
"""An upper bound of the header of one array, in bytes."""
DAMAGE = (AttributeError, KeyError, TypeError, ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile)
"""The exceptions that reading a damaged file raises."""
NUMBERS = "biufc"
"""The kinds of dtypes that are plain numbers."""


def stated(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return the dtype and shape of each array, as a saved case states them."""
    return {key: {"dtype": str(a.dtype), "shape": list(a.shape)} for key, a in arrays.items()}


def beside(path: Path) -> Path:
    """Return the path of the arrays of a saved case: in its folder, under its name, with the suffix ``.npz``."""
    return path.with_suffix(".npz")


def fits(arrays: Mapping[str, Array]) -> bool:
    """Say whether there are arrays to write and they are not too large for a file."""
    return bool(arrays) and sum(a.nbytes + HEADER for a in arrays.values()) <= LARGEST


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays into an uncompressed ``.npz`` file."""
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # no array is named allow_pickle, savez's own keyword


def read(path: Path, wanted: Any) -> dict[str, Array]:
    """Return exactly the arrays that a case states.

    A file with other arrays, with compressed arrays, or with arrays of another size is refused before any of them is
    read.

    Raises:
        UsageError: In one line, for a missing or unfit file.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}, which holds the numbers of the saved case")
    if path.stat().st_size > LARGEST:
        raise UsageError(f"{path} is larger than any file of arrays that gdprops saves")
    try:
        with zipfile.ZipFile(path) as held:
            _require_stated(held, wanted, path.stat().st_size)
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in wanted}
    except DAMAGE as error:
        raise UsageError(f"{path} does not hold the arrays of the saved case: {error}") from error


def _require_stated(held: zipfile.ZipFile, wanted: Any, size: int) -> None:
    """Raise `ValueError` for a file whose arrays are not those that the case states."""
    members = {info.filename: info for info in held.infolist()}
    if sorted(info.filename for info in held.infolist()) != sorted(f"{key}.npy" for key in wanted):
        raise ValueError("it holds other arrays")
    if sum(info.file_size for info in members.values()) > size:
        raise ValueError("its arrays are larger than the file")
    for key, form in wanted.items():
        info, dtype, shape = members[f"{key}.npy"], np.dtype(form["dtype"]), tuple(form["shape"])
        if dtype.kind not in NUMBERS or info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{key} is no array of plain numbers")
        if min(shape, default=0) < 0 or not 0 <= info.file_size - math.prod(shape) * dtype.itemsize <= HEADER:
            raise ValueError(f"{key} is not of the stated size")
        with held.open(info) as member:
            if _form_of(member) != (shape, dtype):
                raise ValueError(f"{key} is not of the stated shape and dtype")


def _form_of(member: Any) -> tuple[tuple[int, ...], Any]:
    """Return the shape and dtype from an array's header; reading it does not allocate the array."""
    version = np.lib.format.read_magic(member)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(member)
    return shape, dtype
