"""A verdict as a property of a test's report: so it travels from a worker of pytest-xdist to the main process."""

from __future__ import annotations

import json
from typing import Any

from gdprops.model.json_form import verdict_from_dict, verdict_to_dict
from gdprops.model.verdict import Verdict

PROPERTY = "gdprops-verdict"


def transport(verdict: Verdict) -> tuple[str, str]:
    """Return a verdict as a property of a test report.

    It is plain text, because xdist's own format for reports does not support our classes.
    """
    return PROPERTY, json.dumps(verdict_to_dict(verdict))


def received(properties: list[tuple[str, Any]]) -> Verdict | None:
    """Return the verdict that a test's properties carry, or None."""
    texts = [value for name, value in properties if name == PROPERTY]
    return verdict_from_dict(json.loads(texts[-1])) if texts else None
