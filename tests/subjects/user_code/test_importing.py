"""User code is imported as its file is now, and nothing is left beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gdprops.subjects.user_code import importing


def test_a_file_saved_twice_within_a_second_is_imported_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    file = tmp_path / "rule.py"
    found: list[Any] = []
    for rate in ("0.1", "0.2"):
        file.write_text(f"RATE = {rate}\n", encoding="utf-8")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        found.append(importing.import_file(file).RATE)
        monkeypatch.delitem(sys.modules, importing.loaded_as(file))
    assert found == [0.1, 0.2]
    assert [path.name for path in tmp_path.iterdir()] == ["rule.py"]
