"""What the controlling process makes of the workers' reports."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from gdprops.model.item import Item
from gdprops.model.verdict import About, Status, Verdict
from gdprops.report.progress import Progress
from gdprops.report.progress_display import Display
from gdprops.runner.request import RunRequest
from gdprops.runner.settings import Settings
from gdprops.runner.workers import controller, worker_items
from gdprops.runner.workers.controller import Collector, _environment, workers_of
from gdprops.runner.workers.worker_plugin import GIVEN_UP, item_id, received, transport
from tests.commands.fake_engine import fake_clauses
from tests.report import verdicts

ITEMS: Any = tuple(Item(clause, About.SUBJECT) for clause in fake_clauses()[:3])


def report(item: Any, **fields: Any) -> pytest.TestReport:
    known: dict[str, Any] = {"keywords": {}, "outcome": "passed", "longrepr": None, "when": "call", **fields}
    return pytest.TestReport(f"worker_items.py::test_item[{item_id(item)}]", ("", 0, ""), **known)


@pytest.fixture
def watching() -> Progress:
    return Progress(Display(lambda line: None, interval=0.0))


def test_a_verdict_survives_the_journey_with_every_field() -> None:
    verdict = verdicts.violated(also=("step.plain",), vacuous_reasons={"kinked": 3})
    name, text = transport(verdict)
    assert type(text) is str
    assert received([("other", 1), (name, text)]) == verdict
    assert received([("other", 1)]) is None
    assert json.loads(text)["worst_ratio"] == float("inf")


def test_verdicts_come_in_the_order_of_the_items(watching: Progress) -> None:
    collector = Collector(ITEMS, watching)
    for item in reversed(ITEMS):
        verdict = verdicts.held(clause=item.clause.id)
        collector.pytest_runtest_logstart(f"x::test_item[{item_id(item)}]")
        collector.pytest_runtest_logreport(report(item, user_properties=[transport(verdict)]))
    assert [verdict.clause for verdict in collector.verdicts(complete=True)] == [item.clause.id for item in ITEMS]
    assert len(watching.verdicts) == 3
    assert collector.began


def test_a_dead_worker_aborts_its_item_and_one_that_never_ran_is_aborted_too(watching: Progress) -> None:
    collector = Collector(ITEMS, watching)
    collector.pytest_runtest_logreport(report(ITEMS[0], outcome="failed", when="???", longrepr="gw0 crashed"))
    dead, *never = collector.verdicts(complete=True)
    assert dead.status is Status.ABORTED
    assert dead.reason.startswith("the worker process died while it ran this clause")
    assert {verdict.reason for verdict in never} == {"the worker processes ended before this clause was run"}
    assert [verdict.status for verdict in never] == [Status.ABORTED] * 2


def test_a_subject_that_always_takes_its_worker_with_it_is_given_up(
    watching: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GIVEN_UP, "")
    monkeypatch.delenv(GIVEN_UP)
    monkeypatch.setattr(controller, "MOST_DEATHS", 2)
    collector = Collector(ITEMS, watching)
    for item in ITEMS[1:]:
        assert GIVEN_UP not in os.environ
        collector.pytest_runtest_logreport(report(item, outcome="failed", when="???", longrepr="gw0 crashed"))
    assert GIVEN_UP in os.environ


@pytest.mark.parametrize(("about", "status"), [(About.SUBJECT, Status.ABORTED), (About.REFERENCE, Status.HELD)])
def test_a_worker_of_a_subject_that_was_given_up_asks_the_reference_only(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, about: About, status: Status
) -> None:
    def run_item(*_: object) -> Verdict:
        return verdicts.held()

    monkeypatch.setattr("gdprops.runner.session.run_item", run_item)
    monkeypatch.setenv(GIVEN_UP, "1")
    item: Any = Item(fake_clauses()[0], about)
    nobody: Any = None
    worker_items.test_item(item, nobody, RunRequest("a:B", Settings()), request)
    verdict = received(request.node.user_properties)
    assert verdict is not None
    assert verdict.status is status
    assert about is About.REFERENCE or verdict.reason == "not run: the worker processes of other clauses had died"


def test_after_a_first_violation_the_rest_is_left_out(watching: Progress) -> None:
    assert Collector(ITEMS, watching).verdicts(complete=False) == ()


def test_a_test_that_failed_without_a_verdict_is_our_bug(watching: Progress) -> None:
    collector = Collector(ITEMS[:1], watching)
    collector.pytest_runtest_logreport(report(ITEMS[0], outcome="failed", longrepr="KeyError: 'x'"))
    (verdict,) = collector.verdicts(complete=True)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "KeyError: 'x'")


def test_only_a_real_ctrl_c_is_an_interruption(watching: Progress) -> None:
    collector = Collector(ITEMS, watching)
    for error, interrupted in ((pytest.Session.Interrupted("maxfail"), False), (KeyboardInterrupt(), True)):
        with pytest.raises(KeyboardInterrupt) as caught:
            raise error
        collector.pytest_keyboard_interrupt(caught)
        assert collector.interrupted is interrupted


@pytest.mark.parametrize(("text", "items", "workers"), [("3", 10, 3), ("8", 5, 5), ("2", 0, 1)])
def test_there_are_no_more_workers_than_items(text: str, items: int, workers: int) -> None:
    assert workers_of(text, items) == workers


def test_auto_is_one_worker_per_core() -> None:
    assert workers_of("auto", 10_000) == len(os.sched_getaffinity(0))


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--mine")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with _environment():
        assert "PYTEST_ADDOPTS" not in os.environ
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert dict(os.environ) == before
