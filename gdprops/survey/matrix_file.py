"""Write and read the JSON file of a survey.

It is written after every optimizer, so that an interrupted survey can continue where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdprops.errors import UsageError
from gdprops.report.json_file import jsonable
from gdprops.runner.written_file import write_file
from gdprops.survey.survey_data import Entry, Survey, survey_from_dict, survey_to_dict


def write_survey(path: str, survey: Survey) -> None:
    """Write a survey. The file is replaced in one step: it is never half written, even after an interruption."""
    text = json.dumps(jsonable(survey_to_dict(survey)), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        write_file(path, text + "\n")
    except OSError as error:
        raise UsageError(f"--json {path}: cannot be written ({error.strerror or error})") from None


def read_survey(path: str) -> Survey:
    """Return the survey in a file. Raises `UsageError`, in one line, if the file is missing or is not a survey."""
    try:
        return survey_from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(f"{path} is not a survey: expected a file that gdprops survey --json has written") from None


def unfinished(path: str | None, asked: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of an interrupted survey in this file if it was asked for the same; else an empty list."""
    if path is None or not Path(path).is_file():
        return []
    try:
        held = read_survey(path)
    except UsageError:
        return []
    same = not held.complete and dict(held.asked) == jsonable(asked)
    return list(held.entries) if same else []
