"""A report is there whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gdprops.runner.written_file import write_file


def test_a_new_file_gets_the_usual_permissions_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "new", "text é")
    (tmp_path / "usual").write_text("")
    assert (tmp_path / "new").read_text(encoding="utf-8") == "text é"
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(os.listdir(tmp_path)) == ["new", "usual"]


def test_an_old_file_keeps_its_permissions_and_a_link_still_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "old").chmod(0o640)
    (tmp_path / "link").symlink_to("old")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "old").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640


def test_who_reads_the_old_file_reads_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("old")
    with (tmp_path / "report").open() as reader:
        write_file(tmp_path / "report", "new")
        assert reader.read() == "old"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_file(tmp_path / "report", "new \udc80")
    assert (tmp_path / "report").read_text() == "old"
    assert os.listdir(tmp_path) == ["report"]


def test_what_is_no_plain_file_is_written_to_directly() -> None:
    with pytest.raises(OSError, match="No space left on device"):
        write_file("/dev/full", "text")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
