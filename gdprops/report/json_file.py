"""The JSON form of a run: valid JSON whatever the numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.model.verdict import to_dict

if TYPE_CHECKING:
    from gdprops.model.verdict import Outcome


def jsonable(value: object) -> Any:
    """Return plain JSON data: tuples as lists, NaN and infinities as the strings ``nan``, ``inf`` and ``-inf``."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(part) for part in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def outcome_dict(outcome: Outcome) -> dict[str, Any]:
    """Return a run as plain JSON data."""
    return dict(jsonable(to_dict(outcome)))


def ensure_writable(path: str) -> None:
    """Raise `UsageError` where the file cannot be written: to be called before a run, not after it."""
    target = Path(path)
    existed = target.exists()
    try:
        target.open("a").close()
    except OSError as error:
        raise UsageError(f"--json {path}: cannot be written ({error.strerror or error})") from None
    if not existed:
        target.unlink(missing_ok=True)


def write_json(path: str, outcome: Outcome) -> None:
    """Write a run to a file."""
    text = json.dumps(outcome_dict(outcome), indent=2, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")
