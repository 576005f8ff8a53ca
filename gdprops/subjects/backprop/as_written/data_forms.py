"""The forms in which networks take their samples: in rows or columns, one sample, lists, pairs of sample and target.

What is drawn is always a batch with one sample in every row; here it is brought into the form that the code takes, and
the output back into rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


@final
@dataclass(frozen=True, slots=True)
class DataForm:
    """One form of data: what it is called, how one array is brought into it, and whether it holds one sample only.

    ``shape``: that of one sample, where it is an image and no vector; ``steps``: how a sample is brought into it that
    is a sequence, and ``code_of_steps`` that as text; ``error``: a factor of what is handed back.
    """

    told: str
    given: Callable[[Array], Any]
    code: str
    single: bool = False
    shape: tuple[int, ...] = ()
    steps: Callable[[Array], Any] | None = None
    code_of_steps: str = ""
    error: float = 1.0

    def samples(self, a: Array) -> Any:
        """Return samples in this form: as outputs are, or as the steps of a sequence."""
        return self.given(a) if self.steps is None else self.steps(a)

    def is_one_sequence(self, output: Callable[[Any], Any], a: Array) -> bool:
        """Say whether what comes of a sequence depends on its first and its last step: else they are single samples."""
        others = [] if self.steps is None else [self.steps(a), self.steps(a)]
        for other, k in zip(others, (0, -1), strict=False):
            other[k] += 0.25
        return not any(np.array_equal(output(self.samples(a)), output(other)) for other in others)

    @property
    def code_of_samples(self) -> str:
        """How samples are written that are called ``{}``."""
        return self.code_of_steps or self.code


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
STEPS = 3
"""The steps of a sequence: a matrix between two steps, and what it hands back, count more than once."""
UNCLIPPED = 2.0**-10
"""The factor of an error that goes back through a sequence: many clip what comes of it, at 1 or 5."""


def _sequences() -> tuple[DataForm, ...]:
    """Return the forms of one sample that is a sequence of columns, rows or vectors, with one output at its end."""
    ends = (("columns", COLUMN, "[:, :, None]"), ("rows", ONE_ROW, "[:, None]"), ("vectors", VECTOR, ""))
    return tuple(
        replace(
            one,
            told=f"one sequence of {what} at a time: {STEPS} steps, each the one before with its entries moved on",
            steps=partial(_moved_on, tuple([slice(None)] * at.count(":") + [None] * at.count("None")) if at else ()),
            code_of_steps=f"np.array([np.roll({{}}[0], k) for k in range({STEPS})]){at}",
            error=UNCLIPPED,
        )
        for what, one, at in ends
    )


def _moved_on(at: tuple[Any, ...], a: Array) -> Any:
    return np.array([np.roll(a[0], k) for k in range(STEPS)])[at]


SEQUENCES = _sequences()
SINGLES = (COLUMN, ROW_OF_MANY, COLUMN_OF_MANY, VECTOR, LIST, ONE_ROW)
FORMS = (*BATCHES, *SINGLES)
"""The forms of one array, in the order in which they are tried."""
ASKED = (*BATCHES, COLUMN, *SEQUENCES, *SINGLES[1:])
"""The forms in which a network is asked for its output: what takes a sequence is not asked with a single step."""


def lists_first(forms: Sequence[DataForm]) -> list[DataForm]:
    """Return forms for code that holds its weights in lists, a sample in a list before one in an array.

    ``inputs + [1]`` puts a number behind a list, and adds it to every entry of an array: an array would hide a bias.
    """
    return sorted(forms, key=lambda form: form is VECTOR)


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


def classes_in(y: Array) -> int:
    """Return the number of classes that targets tell: of labels, the largest one and 0; else the number of columns."""
    if np.ndim(y) < 2:
        return int(np.max(y, initial=0)) + 1
    return int(np.shape(y)[1])
