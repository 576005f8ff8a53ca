"""What a verdict says where too few examples were decisive."""

from __future__ import annotations

from collections import Counter

import pytest

from gdprops.clauses import catalogue
from gdprops.model.item import Item
from gdprops.model.verdict import About, Status
from gdprops.runner.search import Finding
from gdprops.runner.settings import Settings
from gdprops.runner.verdicts import judge

ITEM = Item(catalogue()["step.once"], About.SUBJECT)
WRONG, STILL = "a step is wrong", "U moves nothing here"


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        (
            Finding(examples=60, elsewise=60, reasons=Counter({WRONG: 60})),
            "every example already fails step.simultaneous",
        ),
        (
            Finding(examples=60, elsewise=50, reasons=Counter({WRONG: 50, STILL: 10})),
            "every example that could decide already fails step.simultaneous",
        ),
        (
            Finding(examples=60, elsewise=5, reasons=Counter({WRONG: 5, STILL: 55})),
            "0 of 60 examples decisive, 15 needed: U moves nothing here",
        ),
        (
            Finding(examples=60, decisive=3, elsewise=57, reasons=Counter({WRONG: 57})),
            "3 of 60 examples decisive, 15 needed: a step is wrong",
        ),
        (Finding(), "0 of 0 examples decisive, 0 needed"),
    ],
)
def test_a_vacuous_verdict_says_why_it_is_not_decided(finding: Finding, reason: str) -> None:
    verdict = judge(ITEM, None, finding, Settings())
    assert verdict.status is Status.VACUOUS
    assert verdict.reason == reason
