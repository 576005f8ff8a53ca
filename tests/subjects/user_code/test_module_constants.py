"""What the user has imported does not change what a seed draws."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from gdprops.model.evidence import Evidence, agreement
from gdprops.runner.search import search
from gdprops.subjects.user_code.module_constants import no_module_constants

EXAMPLES = 300


def drawn(strategy: st.SearchStrategy[int]) -> list[int]:
    values: list[int] = []

    def seen(value: int) -> Evidence:
        values.append(value)
        return agreement()

    search(seen, strategy, examples=EXAMPLES, seed=0, shrink=False)
    return values


def importing(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module into the process as an import of the user's would."""
    file = folder / "of_the_user.py"
    file.write_text(source, encoding="utf-8")
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, file.stem, module)


def test_a_seed_draws_the_same_whatever_modules_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    integers = st.integers(0, 10**9)
    before = drawn(integers)
    importing(tmp_path, "\n".join(f"n{k} = {123_456_000 + k}" for k in range(50)), monkeypatch)
    assert drawn(integers) == before


def test_hypothesis_does_draw_such_constants_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, Hypothesis has changed, and `no_module_constants` may be needless or name what is no more."""
    importing(tmp_path, f"n = [{', '.join(str(123_456_000 + k) for k in range(50))}]", monkeypatch)
    values: list[int] = []

    @hypothesis.settings(max_examples=EXAMPLES, database=None)
    @hypothesis.seed(0)
    @hypothesis.given(st.integers(0, 10**9))
    def see(value: int) -> None:
        values.append(value)

    see()
    assert any(123_456_000 <= value < 123_456_050 for value in values)


def test_what_hypothesis_keeps_for_others_is_put_back() -> None:
    kept = providers._get_local_constants, providers.CONSTANTS_CACHE
    with no_module_constants():
        assert providers._get_local_constants is not kept[0]
    assert (providers._get_local_constants, providers.CONSTANTS_CACHE) == kept
