"""The pytest plugin in every worker of ``gdprops check -n N``: it makes one test per item of the request."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from gdprops.model.json_form import verdict_from_dict, verdict_to_dict
from gdprops.model.verdict import Verdict
from gdprops.runner.request import RunRequest, from_json

if TYPE_CHECKING:
    from gdprops.model.item import Item
    from gdprops.model.subject import Subject

OPTION = "--gdprops-request"
PROPERTY = "gdprops-verdict"
GIVEN_UP = "GDPROPS_GIVEN_UP"
"""The environment variable that tells new workers not to run the subject: too many workers have died with it."""


def transport(verdict: Verdict) -> tuple[str, str]:
    """Return a verdict as a property of a test report.

    It is plain text, because xdist's own format for reports does not support our classes.
    """
    return PROPERTY, json.dumps(verdict_to_dict(verdict))


def received(properties: list[tuple[str, Any]]) -> Verdict | None:
    """Return the verdict that a test's properties carry, or None."""
    texts = [value for name, value in properties if name == PROPERTY]
    return verdict_from_dict(json.loads(texts[-1])) if texts else None


def item_id(item: Item) -> str:
    """Return the name of an item's test."""
    return f"{item.clause.id}-{item.about.value}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that carries the request."""
    parser.addoption(OPTION, help="the run as JSON (internal)", default=None)


@cache
def request_of(text: str) -> tuple[RunRequest, Subject, tuple[Item, ...]]:
    """Return a request, its subject and its items, once per process."""
    request = from_json(text)
    subject = request.resolve()
    return request, subject, request.items(subject)


@pytest.fixture
def run_request(pytestconfig: pytest.Config) -> RunRequest:
    """Return the request of this run."""
    return request_of(pytestconfig.getoption(OPTION))[0]


@pytest.fixture
def examined(pytestconfig: pytest.Config) -> Subject:
    """Return the subject of this run."""
    return request_of(pytestconfig.getoption(OPTION))[1]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per item."""
    text = metafunc.config.getoption(OPTION)
    if text is not None and "item" in metafunc.fixturenames:
        metafunc.parametrize("item", request_of(text)[2], ids=item_id)
