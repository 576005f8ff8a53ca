"""The kill matrix as a table and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gdprops.report.consoles import to_text
from gdprops.report.kill_matrix_table import matrix_summary, matrix_table, print_matrix, survived, watching


@dataclass(frozen=True)
class FakeRow:
    fault: str
    clause: str
    killed_after: tuple[int | None, ...]


DEAD = FakeRow("layer-sweep", "step.simultaneous", (1, 2, 1, 1, 3))
ALIVE = FakeRow("wrong-sign", "step.plain", (1, None, 1, 1, 3))


def test_the_table_shows_the_examples_of_every_seed() -> None:
    text = to_text(lambda console: console.print(matrix_table([DEAD, ALIVE], width=80)), width=80)
    assert "layer-sweep" in text
    assert "1 2 1 1 3" in text
    assert "1 alive 1 1 3" in text


def test_the_summary_counts_faults_and_names_survivors() -> None:
    assert matrix_summary([DEAD]) == "1 fault, 1 cell: every fault was caught at every seed."
    assert matrix_summary([DEAD, ALIVE]) == "2 faults, 2 cells: survived wrong-sign under step.plain."
    assert survived([DEAD, ALIVE]) == [ALIVE]


def test_rows_are_counted_as_they_come(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("gdprops.report.progress_display.PLAIN_INTERVAL", 0.0)
    with watching(quiet=False) as on_row:
        on_row(DEAD)
    assert capsys.readouterr().err == "gdprops: 1 cell done, now layer-sweep, 0 s\n"


def test_the_summary_ends_the_matrix() -> None:
    text = to_text(lambda console: print_matrix(console, [DEAD]))
    assert text.endswith("1 fault, 1 cell: every fault was caught at every seed.")
