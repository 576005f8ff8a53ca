"""Whether processes stand still, as the system tells of each of their threads."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.subjects.distributed_step.ranks import stillness
from gdprops.subjects.distributed_step.ranks.stillness import LOOKS, Stillness


def written(folder: Path, *threads: tuple[str, int]) -> None:
    """Write what the system says of process 7: the state of each thread, and how much time it has used."""
    for number, (state, used) in enumerate(threads):
        (folder / "7" / "task" / str(number)).mkdir(parents=True, exist_ok=True)
        line = f"{number} (a name) {state} 1 1 1 0 -1 0 0 0 0 0 {used} 0 0 0"
        (folder / "7" / "task" / str(number) / "stat").write_text(line, encoding="ascii")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stillness, "PROCESSES", tmp_path)
    return tmp_path


def test_a_process_whose_threads_all_sleep_stands_still_after_some_looks(folder: Path) -> None:
    written(folder, ("S", 5), ("S", 0))
    seen = Stillness()
    assert [seen.all_still([7]) for _ in range(LOOKS + 1)] == [False] * LOOKS + [True]


def test_a_thread_that_wants_a_turn_and_gets_none_is_not_still(folder: Path) -> None:
    """On a busy machine the thread that receives from another rank may wait long for a processor."""
    written(folder, ("S", 5), ("R", 0))
    seen = Stillness()
    assert not any(seen.all_still([7]) for _ in range(3 * LOOKS))


def test_a_thread_that_has_used_time_is_not_still(folder: Path) -> None:
    seen = Stillness()
    for used in range(3 * LOOKS):
        written(folder, ("S", 5), ("S", used))
        assert not seen.all_still([7])


def test_a_process_that_is_gone_never_stands_still(folder: Path) -> None:
    seen = Stillness()
    assert not any(seen.all_still([7]) for _ in range(3 * LOOKS))
