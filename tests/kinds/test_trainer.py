"""The library of a trainer is imported before the user's module, whose import has a limit of time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve


def test_the_trainers_library_is_imported_before_the_users_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "transformers.py").write_text("", encoding="utf-8")
    (tmp_path / "train.py").write_text(
        "import sys\nraise ValueError('transformers' in sys.modules)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    with pytest.raises(UsageError, match="ValueError: True"):
        resolve(f"{tmp_path / 'train.py'}:make", kind="transformers")
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
