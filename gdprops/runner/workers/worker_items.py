"""The test module that ``gdprops check -n N`` hands to pytest: one test per clause, run by the engine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gdprops.model.verdict import About, Status, unexamined
from gdprops.runner.workers.worker_plugin import GIVEN_UP, transport

if TYPE_CHECKING:
    from gdprops.model.item import Item
    from gdprops.model.subject import Subject
    from gdprops.runner.request import RunRequest


LEFT_OUT = "not run: the worker processes of other clauses had died"


def test_item(
    item: Item,
    examined: Subject,
    run_request: RunRequest,
    request: pytest.FixtureRequest,
) -> None:
    """Run one item; its verdict travels back as a property of the report."""
    from gdprops.runner.session import run_item

    if GIVEN_UP in os.environ and item.about is About.SUBJECT:
        verdict = unexamined(item.clause, item.about, Status.ABORTED, LEFT_OUT)
    else:
        verdict = run_item(examined, item, run_request.settings)
    request.node.user_properties.append(transport(verdict))
    if run_request.settings.fail_fast and verdict.failed:
        pytest.fail("stopped at the first violation", pytrace=False)
