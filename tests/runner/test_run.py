"""How many processes a run takes."""

from __future__ import annotations

import os

import pytest

from gdprops.runner.run import workers_of


@pytest.mark.parametrize(("text", "items", "workers"), [("3", 10, 3), ("8", 5, 5), ("2", 0, 1)])
def test_there_are_no_more_processes_than_items(text: str, items: int, workers: int) -> None:
    assert workers_of(text, items) == workers


def test_auto_is_one_process_per_core() -> None:
    assert workers_of("auto", 10_000) == len(os.sched_getaffinity(0))
