"""Comparisons are tried on a known-wrong and a known-right result: who replaces a part of them is found out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.numerics.known_wrong import comparison_works


def test_comparisons_work() -> None:
    assert comparison_works()


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("abs", lambda x, *a, **k: 0 * x),
        ("array_equal", lambda *a, **k: True),
        ("array_equal", lambda *a, **k: False),
        ("isfinite", lambda x, *a, **k: np.ones(np.shape(x), bool)),
        ("isfinite", lambda x, *a, **k: np.zeros(np.shape(x), bool)),
    ],
)
def test_what_is_replaced_is_found(name: str, instead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, name, instead)
    works = comparison_works()
    monkeypatch.undo()
    assert not works
