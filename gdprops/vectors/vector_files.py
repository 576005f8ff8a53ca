"""Writes vectors as JSON: for each published rule one file in float64, one in float32, and one at its defaults.

The keys stand in a fixed order and every list of numbers on one line, so that a runner without a JSON library can find
them by their names. Numbers of all tensors are joined in the order of ``tensors``, row by row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, final

import numpy as np

from gdprops.clauses import catalogue
from gdprops.errors import UsageError
from gdprops.model.arrays import Array
from gdprops.model.verdict import SPECIFICATION
from gdprops.numerics.published.rule import Published
from gdprops.numerics.published.table import PUBLISHED
from gdprops.runner.written_file import write_file
from gdprops.vectors.feeds import Feed, default_feed, dyadic_feed
from gdprops.vectors.trajectories import Trajectory, blurred, trajectories

SCHEMA = "schema.json"
DTYPES = (np.float64, np.float32)
TIES = {("muon", "", "full-precision")}
"""Forms that no vectors tell apart: the one may do what the other does, within the rounding that it asks for itself."""


@final
@dataclass(frozen=True, slots=True)
class VectorFile:
    """One file: a rule on a feed. ``required``: an implementation that follows the rule matches a form of it."""

    name: str
    rule: Published
    feed: Feed
    forms: tuple[Trajectory, ...]
    required: bool

    def text(self) -> str:
        """Return the file's JSON."""
        return _laid_out(_content(self)) + "\n"


def vector_files(rule: Published) -> Iterator[VectorFile]:
    """Yield a rule's files. One of short binary fractions is left out where it does not tell the rule's forms apart."""
    for dtype in DTYPES:
        feed = dyadic_feed(rule, dtype)
        forms = trajectories(rule, feed)
        if not [pair for pair in blurred(forms) if (rule.name, *pair) not in TIES]:
            yield VectorFile(f"{rule.name}.{np.dtype(dtype).name}.json", rule, feed, forms, required=True)
    feed = default_feed(rule, np.float64)
    yield VectorFile(f"{rule.name}.defaults.json", rule, feed, trajectories(rule, feed), required=False)


def write(folder: Path, *, rules: Sequence[str] = (), force: bool = False) -> Iterator[Path]:
    """Write the vectors of some rules, all where none is named, with their schema; yield each path when it is there.

    Raises `UsageError` for a folder that is not empty, without ``force``, and for one that cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UsageError(f"{folder} is not empty; --force writes the vectors into it all the same")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield _written(folder / SCHEMA, schema_text())
        for name in rules or PUBLISHED:
            yield from (_written(folder / file.name, file.text()) for file in vector_files(PUBLISHED[name]))
    except OSError as error:
        raise UsageError(f"vectors cannot be written into {folder}: {error}") from None


def schema_text() -> str:
    """Return the JSON schema of the files."""
    return (resources.files(__package__) / SCHEMA).read_text(encoding="utf-8")


def _written(path: Path, text: str) -> Path:
    write_file(path, text)
    return path


def _content(file: VectorFile) -> dict[str, Any]:
    clause, feed = catalogue()[f"published.{file.rule.name}"], file.feed
    return {
        "schema": 1,
        "specification": SPECIFICATION,
        "rule": file.rule.name,
        "statement": clause.statement,
        "source": clause.source,
        "dtype": np.dtype(feed.dtype).name,
        "required": file.required,
        "settings": {name: _setting(value) for name, value in feed.settings.items()},
        "rates": _numbers([np.array(feed.rates)]),
        "tensors": [list(w.shape) for w in feed.weights],
        "weights": _numbers(feed.weights),
        "gradients": [_numbers(step) for step in feed.gradients],
        "forms": [_form(file.rule, form) for form in file.forms],
    }


def _form(rule: Published, found: Trajectory) -> dict[str, Any]:
    form = found.form
    return {
        "form": f"{rule.name}:{form.key}" if form.key else rule.name,
        "result": found.result,
        "says": form.says,
        "source": form.source if form.key else "",
        "steps": [
            {**_numbers(weights), "bounds": _joined(bounds)}
            for weights, bounds in zip(found.weights, found.bounds, strict=True)
        ],
    }


def _setting(value: Any) -> Any:
    """Return a hyperparameter: numbers with their bits as float64, as users give them; switches and words unchanged."""
    values = value if isinstance(value, tuple) else (value,)
    if any(not isinstance(v, float) for v in values):
        return value
    return _numbers([np.array(values, dtype=np.float64)])


def _numbers(arrays: Iterable[Array]) -> dict[str, Any]:
    """Return numbers as bits in hexadecimal, the sign first, and as decimals that read back as the same numbers."""
    flat = np.concatenate([a.ravel() for a in arrays])
    unsigned, digits = f"u{flat.dtype.itemsize}", 2 * flat.dtype.itemsize
    return {"bits": [f"{int(b):0{digits}x}" for b in flat.view(unsigned)], "decimals": [float(str(v)) for v in flat]}


def _joined(arrays: Iterable[Array]) -> list[float]:
    return [float(v) for a in arrays for v in a.ravel()]


def _laid_out(value: Any, indent: int = 0) -> str:
    """Return JSON with one key on a line, and every list of plain values on one."""
    pad = " " * (indent + 1)
    if isinstance(value, dict) and value:
        inside = (f"{pad}{json.dumps(k)}: {_laid_out(v, indent + 1)}" for k, v in value.items())
        return "{\n" + ",\n".join(inside) + "\n" + " " * indent + "}"
    if isinstance(value, list) and any(isinstance(v, dict) for v in value):
        return "[\n" + ",\n".join(pad + _laid_out(v, indent + 1) for v in value) + "\n" + " " * indent + "]"
    return json.dumps(value, ensure_ascii=False)
