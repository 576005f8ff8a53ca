"""Write a run as JSON. NaN and infinities become strings, so that the file is always valid JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.model.json_form import outcomes_to_dict, to_dict
from gdprops.report.run_record import run_record
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome


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
    """Return a run as plain JSON data, with the record of how it was made."""
    return dict(jsonable({**to_dict(outcome), "run": run_record()}))


def write_json(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write one run to a file, or several runs as a list of them."""
    data = outcome_dict(outcomes[0]) if len(outcomes) == 1 else {**outcomes_to_dict(outcomes), "run": run_record()}
    text = json.dumps(jsonable(data), indent=2, ensure_ascii=False, allow_nan=False)
    write_file(path, text + "\n")
