"""Tests that train are watched: with the fixture, or all of them with the option."""

from __future__ import annotations

import pytest
import torch

import gdprops.report.terminal  # noqa: F401 - the pytest that runs within a test would import it and forget a part of it

torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # the first optimizer imports what imports only once

TESTS = """
import pytest, torch

def train(zeroes, holds_all=True):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    optimizer = torch.optim.SGD((model if holds_all else model[1]).parameters(), lr=0.1)
    for _ in range(4):
        if zeroes:
            optimizer.zero_grad()
        model(torch.randn(4, 3)).square().mean().backward()
        optimizer.step()

def test_right():
    train(zeroes=True)

def test_wrong():
    train(zeroes=False)

def test_note():
    train(zeroes=True, holds_all=False)

def test_without_training():
    pass

def test_that_fails():
    train(zeroes=False)
    assert False, "its own"
"""


def test_without_the_option_nothing_is_watched(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=4, failed=1)


def test_every_test_that_trains_is_a_check(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-p", "no:cacheprovider", "-W", "default", "--gdprops-watch")
    result.assert_outcomes(passed=3, failed=2, warnings=1)
    result.stdout.fnmatch_lines(["*VIOLATED live.fresh-gradient*", "*AssertionError: its own*"])
    result.stdout.fnmatch_lines(["*VIOLATED live.complete (recommended)*"])
    failed = [line for line in result.stdout.lines if line.startswith("FAILED")]
    assert [line.split("::")[1].split()[0] for line in failed] == ["test_wrong", "test_that_fails"]


BROKEN = """
import importlib, pytest

@pytest.fixture(autouse=True)
def broken(monkeypatch):
    def fails(*args, **kwargs):
        raise LookupError("of ours")
    contents = importlib.import_module("gdprops.watching.contents")
    monkeypatch.setattr(contents.Contents, "look", fails)
"""


def test_an_error_of_ours_is_told_although_no_step_was_seen(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(BROKEN)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-p", "no:cacheprovider", "--gdprops-watch", "-k", "test_right or without")
    result.assert_outcomes(passed=1, failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*ERROR live.frozen-weights*", "*LookupError: of ours*"])


def test_strict_fails_on_notes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest("-p", "no:cacheprovider", "--gdprops-watch", "--gdprops-strict")
    result.assert_outcomes(passed=2, failed=3)


def test_the_fixture_watches_its_test_alone(pytester: pytest.Pytester) -> None:
    fixed = TESTS.replace("test_wrong()", "test_wrong(gdprops_watch)").replace(
        "test_right()", "test_right(gdprops_watch)"
    )
    pytester.makepyfile(fixed)
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*VIOLATED live.fresh-gradient*"])
