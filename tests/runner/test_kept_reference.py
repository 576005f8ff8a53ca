"""The reference's verdicts are kept in the user's cache folder, and read where nothing that they depend on changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gdprops.clauses import catalogue
from gdprops.model.clause import View
from gdprops.model.item import Item
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner import kept_reference, session
from gdprops.runner.kept_reference import KeptReference
from gdprops.runner.settings import Settings
from gdprops.runner.verdicts import blank

ITEMS = [Item(clause, About.REFERENCE) for clause in catalogue() if clause.view is View.SYSTEM]
USUAL = Settings(fresh=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache folder, which this test alone uses."""
    monkeypatch.delenv("GDPROPS_FRESH", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache"


def run(settings: Settings = USUAL, *, items: Sequence[Item] = ITEMS, broken: str = "") -> tuple[list[Verdict], int]:
    """Return the verdicts of a run, and how many were found in it; the reference fails at the clause ``broken``."""
    kept, verdicts, found = KeptReference(settings), [], 0
    for item in items:
        told = kept.verdict(item)
        if told is None:
            status = Status.VIOLATED if item.clause.id == broken else Status.HELD
            took = replace(blank(item, status, ""), examples=20, seconds=0.1)
            told, found = kept.with_note(took), found + 1
        verdicts.append(told)
    return verdicts, found


def test_the_second_run_reads_what_the_first_one_kept() -> None:
    assert run()[1] == len(ITEMS)
    verdicts, found = run()
    assert found == 0
    assert {(verdict.status, verdict.is_kept) for verdict in verdicts} == {(Status.HELD, True)}


def test_but_for_its_time_a_kept_verdict_is_what_it_was() -> None:
    first, second = run()[0], run()[0]
    assert not any(verdict.is_kept for verdict in first)
    assert [replace(verdict, seconds=0.0) for verdict in first] == second


def test_nothing_is_kept_where_a_clause_did_not_hold(folder: Path) -> None:
    run(broken="gradient.additive")
    assert not folder.exists()
    assert run()[1] == len(ITEMS)


def test_nothing_is_kept_of_a_part_of_the_clauses(folder: Path) -> None:
    run(items=ITEMS[:3])
    assert not folder.exists()


def test_a_part_of_the_clauses_is_read_from_what_was_kept_of_all() -> None:
    run()
    assert run(items=ITEMS[:3])[1] == 0


def test_fresh_runs_the_reference_whatever_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    assert run(Settings(fresh=True))[1] == len(ITEMS)
    monkeypatch.setenv("GDPROPS_FRESH", "1")
    assert run()[1] == len(ITEMS)


def test_other_versions_or_numbers_of_examples_are_not_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    assert run(Settings(fresh=False, reference_examples=21))[1] == len(ITEMS)
    monkeypatch.setattr(kept_reference, "fingerprint", lambda: "another torch")
    assert run()[1] == len(ITEMS)


def test_the_fingerprint_changes_with_a_file_of_gdprops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(text: str) -> str:
        place = tmp_path / "gdprops" / "runner" / "kept_reference.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        monkeypatch.setattr(kept_reference, "__file__", str(place))
        kept_reference.fingerprint.cache_clear()
        return kept_reference.fingerprint()

    try:
        assert of("x = 1") == of("x = 1") != of("x = 2")
    finally:
        kept_reference.fingerprint.cache_clear()


@pytest.mark.parametrize("rubbish", ["{", "[]", '[{"clause": 1}]', "\x00"])
def test_rubbish_is_told_in_a_note_and_run_again(folder: Path, rubbish: str) -> None:
    run()
    (place,) = folder.iterdir()
    place.write_text(rubbish)
    verdicts, found = run()
    assert found == len(ITEMS)
    (note,) = verdicts[0].notes
    assert note.text.startswith("the kept reference could not be read, so it was run: ")
    assert run()[1] == 0  # it was written anew


def test_a_folder_that_cannot_be_written_is_told_in_a_note(folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file, where a folder should be")
    verdicts, found = run()
    assert found == len(ITEMS)
    assert any(
        note.text.startswith("the verdicts about the reference could not be kept: ") for note in verdicts[-1].notes
    )


def test_the_reference_meets_the_same_examples_whatever_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []

    def searched(item: Item, _subject: None, _domain: object, settings: Settings, _watcher: object) -> Verdict:
        asked.append(settings)
        return blank(item, Status.HELD, "")

    monkeypatch.setattr(session, "searched", searched)
    for seed in (None, 5):
        session.run_item(None, ITEMS[0], Settings(seed=seed, examples=7))  # type: ignore[arg-type] # it is not asked for
    assert [(one.seed, one.examples, one.database) for one in asked] == [(0, 20, None)] * 2
