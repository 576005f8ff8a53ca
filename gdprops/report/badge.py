"""A badge for a project's front page, made from a report that `--json` wrote, in the form that shields.io reads.

It says "held" only where the whole run was green: `specification 3: 42 clauses held`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdprops.errors import UsageError
from gdprops.model import exit_codes

_COLORS = {exit_codes.OK: "brightgreen", exit_codes.VIOLATED: "red"}
NEUTRAL = "lightgrey"


def badge(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the badge of a report. Raises `UsageError` for data that is no report of gdprops."""
    try:
        code, runs = report["exit_code"], report.get("runs", [report])
        counts = [run["counts"] for run in runs]
        held, failed = (sum(count.get(name, 0) for count in counts) for name in ("held", "violated"))
        aborted = sum(count.get("aborted", 0) for count in counts)
        message = f"specification {report['specification']}: {_said(code, held, failed + aborted)}"
    except (AttributeError, KeyError, TypeError) as error:
        raise UsageError(f"this is no report that gdprops wrote with --json: {type(error).__name__}: {error}") from None
    return {"schemaVersion": 1, "label": "gdprops", "message": message, "color": _COLORS.get(code, NEUTRAL)}


def _said(code: int, held: int, failed: int) -> str:
    if code == exit_codes.OK:
        return f"{held} clause{'s' * (held != 1)} held"
    if code == exit_codes.VIOLATED:
        return f"{failed} clause{'s' * (failed != 1)} violated" if failed else "failed"
    return "interrupted" if code in exit_codes.INTERRUPTIONS else "not decided"
