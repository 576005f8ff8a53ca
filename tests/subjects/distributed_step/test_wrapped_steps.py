"""Steps that accelerate and Lightning Fabric wrap are right on several ranks; a step that forgets them is not."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

import gdprops
from gdprops.model.verdict import Status
from tests.subjects.distributed_step import wrapped_steps

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]
needs_accelerate = pytest.mark.skipif(
    find_spec("accelerate") is None, reason="accelerate is an extra (tox -e accelerate)"
)
needs_lightning = pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is an extra (tox -e lightning)")


def require_held(build: Any, *clauses: str, **declared: Any) -> None:
    subject = gdprops.distributed_step(build, world=2, **declared)
    names = [f"distributed.{name}" for name in ("equals-single", "replicas", "collectives", *clauses)]
    report = gdprops.check(subject, names, examples=10, seed=0)
    assert {verdict.status for verdict in report.verdicts} == {Status.HELD}


@needs_accelerate
def test_what_accelerate_prepares_is_the_step_of_one_process() -> None:
    require_held(wrapped_steps.by_accelerate)


@needs_accelerate
def test_accelerate_reduces_once_a_window() -> None:
    require_held(wrapped_steps.accumulated_by_accelerate, "window", accumulate=2)


@needs_lightning
def test_what_fabric_sets_up_is_the_step_of_one_process() -> None:
    require_held(wrapped_steps.by_fabric)
