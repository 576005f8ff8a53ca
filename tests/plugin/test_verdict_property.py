"""A verdict travels through the reports of pytest as text."""

from __future__ import annotations

import json

from gdprops.plugin.verdict_property import received, transport
from tests.report import verdicts


def test_a_verdict_survives_the_journey_with_every_field() -> None:
    verdict = verdicts.violated(also=("step.plain",), vacuous_reasons={"kinked": 3})
    name, text = transport(verdict)
    assert type(text) is str
    assert received([("other", 1), (name, text)]) == verdict
    assert received([("other", 1)]) is None
    assert json.loads(text)["worst_ratio"] == float("inf")
