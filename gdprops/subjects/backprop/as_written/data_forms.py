"""The forms in which networks take their samples: in rows or columns, one sample, lists, pairs of sample and target.

What is drawn is always a batch with one sample in every row; here it is brought into the form that the code takes, and
the output back into rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
@dataclass(frozen=True, slots=True)
class DataForm:
    """One form of data: what it is called, how one array is brought into it, and whether it holds one sample only.

    ``shape``: that of one sample, where it is an image and no vector.
    """

    told: str
    given: Callable[[Array], Any]
    code: str
    single: bool = False
    shape: tuple[int, ...] = ()


def _vector(a: Array) -> Any:
    return a[0].copy() if np.ndim(a) > 1 else a[0]


def _column(a: Array) -> Any:
    return np.array(a[0]).reshape(-1, 1)


def _list(a: Array) -> Any:
    return a[0].tolist() if np.ndim(a) > 1 else [a[0].item()]


def _as_given(a: Array) -> Any:
    return a[:1] if np.ndim(a) > 1 else np.reshape(a[:1], (1, 1))


ROWS = DataForm("rows are samples", lambda a: a.copy(), "{}")
COLUMNS = DataForm(
    "columns are samples", lambda a: np.ascontiguousarray(a.T) if a.ndim > 1 else a.reshape(1, -1), "{}.T"
)
COLUMNS_FLAT = DataForm("columns are samples, targets in a row", lambda a: np.ascontiguousarray(a.T), "{}.T")
ONE_ROW = DataForm("one sample at a time, as a row", lambda a: a[:1].copy(), "{}", single=True)
VECTOR = DataForm("one sample at a time, as a vector", _vector, "{}[0]", single=True)
COLUMN = DataForm("one sample at a time, as a column", _column, "{}[0].reshape(-1, 1)", single=True)
LIST = DataForm("one sample at a time, as a list", _list, "{}[0].tolist()", single=True)
BATCHES = (ROWS, COLUMNS, COLUMNS_FLAT)
ROW_OF_MANY = DataForm(
    "one sample at a time, as a row of its own", lambda a: _as_given(a)[:, None].copy(), "{}[:1, None]", single=True
)
COLUMN_OF_MANY = DataForm(
    "one sample at a time, as a column of its own",
    lambda a: _as_given(a)[:, :, None].copy(),
    "{}[:1, :, None]",
    single=True,
)
SINGLES = (COLUMN, ROW_OF_MANY, COLUMN_OF_MANY, VECTOR, LIST, ONE_ROW)
FORMS = (*BATCHES, *SINGLES)
"""The forms of one array, in the order in which they are tried."""


def pairs_of(form: DataForm, x: Array, y: Array) -> list[Any]:
    """Return a batch as a list of pairs (sample, target), each in the form of one sample."""
    return [(form.given(x[k : k + 1]), form.given(y[k : k + 1])) for k in range(len(x))]


def as_rows(form: DataForm, output: Any, rows: int) -> Any:
    """Return an output as rows, one for each sample; None where it has another shape."""
    try:
        found = output if isinstance(output, np.ndarray) else np.asarray(output, dtype=np.float64)
    except (ValueError, TypeError):
        return None
    if found.dtype.kind not in "fiub":
        return None
    if form.single:
        return found.reshape(1, -1)
    if form.told.startswith("columns"):
        found = found.T if found.ndim == 2 else found
    if found.ndim == 1 and len(found) == rows:
        return found.reshape(-1, 1)
    return found if found.ndim == 2 and len(found) == rows else None
