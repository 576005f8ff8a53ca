"""User code is imported as its file is now, and nothing is left beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import gdprops
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


def test_a_file_that_was_mended_is_imported_again_and_another_is_not(tmp_path: Path) -> None:
    file, found = tmp_path / "rule.py", list[Any]()
    for rate in (0.1, 0.1, 0.2):
        file.write_text(f"RATE = {rate}\n", encoding="utf-8")
        found.append(importing.import_file(file))
    assert [module.RATE for module in found] == [0.1, 0.1, 0.2]
    assert found[0] is found[1]


STUDENT = """
import numpy as np
from slopes import of_tanh

class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)

    def forward(self, X):
        self.h = np.tanh(X @ self.W1)
        return self.h @ self.W2

    def train(self, X, y, lr=0.1):
        error = self.forward(X) - y
        back = X.T @ (error @ self.W2.T * of_tanh(self.h))
        self.W2 -= lr * self.h.T @ error
        self.W1 -= lr * back
"""


def test_who_mends_a_file_or_its_helper_is_told_about_what_it_is_now(tmp_path: Path) -> None:
    """In one process, as in a notebook, where the check is run again after each change."""
    file, helper = tmp_path / "net.py", tmp_path / "slopes.py"
    codes: list[int] = []
    for student, slope in (
        (STUDENT, "1 - a"),
        (STUDENT, "1 - a**2"),
        (STUDENT.replace("X.T @", "2 * X.T @"), "1 - a**2"),
        (STUDENT, "1 - a**2"),
    ):
        file.write_text(student, encoding="utf-8")
        helper.write_text(f"def of_tanh(a):\n    return {slope}\n", encoding="utf-8")
        codes.append(gdprops.check(str(file), clauses="step.plain", examples=5, seed=0).exit_code)
    assert codes == [1, 0, 1, 0]
