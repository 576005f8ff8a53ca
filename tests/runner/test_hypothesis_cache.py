"""The command leaves nothing in the current folder but what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdprops.runner.hypothesis_cache import STORAGE, caches_elsewhere


def test_a_check_leaves_an_empty_folder_empty(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gdprops", "check", "torch.optim:SGD", "-p", "lr=0.1", "--examples", "5"]
    environment = {key: value for key, value in os.environ.items() if key != STORAGE}
    clauses = ["--clauses", "step.plain", "--clauses", "optimizer.resume"]
    done = subprocess.run(
        [*command, *clauses], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.startswith("PASSED  torch.optim:SGD(lr=0.1): 2 clauses held")
    assert list(tmp_path.iterdir()) == []


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE, "mine")
    with caches_elsewhere():
        assert os.environ[STORAGE] == "mine"
    assert os.environ[STORAGE] == "mine"


def test_the_folder_is_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORAGE, raising=False)
    with caches_elsewhere():
        folder = Path(os.environ[STORAGE])
        assert folder.is_dir()
    assert not folder.exists()
    assert STORAGE not in os.environ
