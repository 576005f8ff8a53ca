"""The sampler of mutants: what it changes, what it leaves alone, and what it says became of each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.coverage_map import CoverageMap, uses_of_constants
from tests.mutants.operators import Mutant, mutants
from tests.mutants.run import ROOT, Bench, Fate, Result, figures, sample, share

SOURCE = '''
"""A constant and a function."""

MOST = 4.0


def is_small(x: int, *, named: str = "3") -> bool:
    """Say whether x + 1 is below 4."""
    if not x:
        return True
    return x + 1 < MOST and named == f"{x + 2}"
'''


def changes(source: str = SOURCE) -> list[tuple[str, str, str]]:
    return [(found.kind, found.was, found.now) for found in mutants("a.py", source)]


def test_every_kind_of_change_is_made_once_and_texts_are_left_alone() -> None:
    assert changes() == [
        ("constant tenfold", "4.0", "40.0"),
        ("not removed", "not x", "x"),
        ("None returned", "return True", "return None"),
        ("None returned", "return x + 1 < MOST and named == f'{x + 2}'", "return None"),
        ("+ and - swapped", "x + 1", "x - 1"),
        ("boundary moved", "x + 1 < MOST", "x + 1 <= MOST"),
        ("comparison flipped", "x + 1 < MOST", "x + 1 > MOST"),
        ("constant tenfold", "1", "10"),
        ("comparison flipped", "named == f'{x + 2}'", "named != f'{x + 2}'"),
    ]


def test_a_mutant_is_the_source_with_one_change() -> None:
    for mutant in mutants("a.py", SOURCE):
        compile(mutant.source, "a.py", "exec")
        assert mutant.source.count("\n") == SOURCE.count("\n")
        differing = [k for k, pair in enumerate(zip(SOURCE.splitlines(), mutant.source.splitlines(), strict=True), 1)
                     if pair[0] != pair[1]]  # fmt: skip
        assert differing == [mutant.line]
        assert mutant.text == SOURCE.splitlines()[mutant.line - 1].strip()


def test_columns_count_bytes_and_expressions_may_take_several_lines() -> None:
    (swapped,) = (m for m in mutants("a.py", 'η = "ü" if a else b + (\n    c\n)\n') if m.kind == "+ and - swapped")
    assert swapped.source == 'η = "ü" if a else (b - c)\n'


def test_what_only_a_type_checker_reads_is_left_alone() -> None:
    assert changes("if TYPE_CHECKING:\n    a = 1 < 2\nx: Literal[3] = y\n") == []


def test_a_constant_is_tested_by_what_uses_it_and_a_line_by_what_executes_it() -> None:
    known = CoverageMap(
        {"a.py": {5: frozenset({"slow", "fast"}), 9: frozenset({"other"})}, "b.py": {3: frozenset({"user"})}},
        {"slow": 9.0, "fast": 0.1, "other": 1.0, "user": 2.0, "pair[MOST]": 3.0},
    )
    uses = {"MOST": [("b.py", 3)]}
    at: dict[str, Any] = {"path": "a.py", "kind": "", "was": "", "now": "", "text": "", "source": ""}
    assert known.tests_of(Mutant(line=5, **at), uses) == ["fast", "slow"]
    assert known.tests_of(Mutant(line=6, **at), uses) == []
    assert known.tests_of(Mutant(line=1, name="MOST", imported=True, **at), uses) == ["user", "pair[MOST]"]
    assert known.tests_of(Mutant(line=2, imported=True, **at), uses) == ["fast", "other", "slow"]


def test_uses_are_found_by_name_and_as_attributes() -> None:
    lines = uses_of_constants(ROOT)["ARMIJO"]
    assert ("gdprops/numerics/decisions.py", 0) not in lines
    assert any(path == "gdprops/clauses/support/optimizer_runs.py" for path, _ in lines)


def test_a_seed_draws_the_same_mutants_from_every_area() -> None:
    areas = ["numerics", "decisions"]
    drawn = sample(ROOT, areas, 12, seed=3)
    assert [area for area, _ in drawn] == 6 * areas
    assert drawn == sample(ROOT, areas, 12, seed=3)
    assert drawn != sample(ROOT, areas, 12, seed=4)
    assert all((m.path == "gdprops/numerics/decisions.py") == (area == "decisions") for area, m in drawn)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose only test notices that a limit is larger, and not that it is met."""
    for folder in ("gdprops/plugin", "tests/mutants"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("tests/__init__.py", "tests/mutants/__init__.py", "gdprops/__init__.py", "gdprops/plugin/__init__.py"):
        (tmp_path / name).touch()
    for name in ("choosing.py", "coverage_map.py", "operators.py"):
        (tmp_path / "tests/mutants" / name).write_text((ROOT / "tests/mutants" / name).read_text(encoding="utf-8"))
    (tmp_path / "gdprops/limit.py").write_text("def fits(x):\n    return x < 4\n")
    test = "from gdprops.limit import fits\n\ndef test_it():\n    assert fits(3)\n    assert not fits(5)\n"
    (tmp_path / "tests/test_limit.py").write_text(test)
    return tmp_path


def test_a_mutant_is_killed_or_survives_and_the_copy_is_as_before(project: Path) -> None:
    test, source = "tests/test_limit.py::test_it", (project / "gdprops/limit.py").read_text()
    bench = Bench(project, CoverageMap({"gdprops/limit.py": {2: frozenset({test})}}, {test: 0.1}), 60)
    fates = {m.now: bench.result("numerics", m).fate for m in mutants("gdprops/limit.py", source)}
    assert fates == {
        "return None": Fate.KILLED,
        "x <= 4": Fate.SURVIVED,
        "x > 4": Fate.KILLED,
        "40": Fate.KILLED,
    }
    assert (project / "gdprops/limit.py").read_text() == source


def test_a_test_that_fails_without_the_mutant_kills_nothing(project: Path) -> None:
    (project / "tests/test_other.py").write_text("def test_broken():\n    assert False\n")
    seconds = {"tests/test_other.py::test_broken": 0.1, "tests/test_limit.py::test_it": 0.2}
    bench = Bench(project, CoverageMap({"gdprops/limit.py": {2: frozenset(seconds)}}, seconds), 60)
    fates = [bench.result("numerics", m).fate for m in mutants("gdprops/limit.py", "def fits(x):\n    return x < 4\n")]
    assert fates.count(Fate.SURVIVED) == 1
    assert fates.count(Fate.KILLED) == 3


def test_only_a_mutant_that_makes_a_test_hang_has_timed_out(project: Path) -> None:
    test = "tests/test_limit.py::test_it"
    known = CoverageMap({"gdprops/limit.py": {2: frozenset({test})}}, {test: 0.1})
    hanging = "def fits(x):\n    while True:\n        pass\n"
    mutant = Mutant("gdprops/limit.py", 2, "", "", "", "", hanging)
    assert Bench(project, known, 8).result("numerics", mutant).fate is Fate.TIMED_OUT
    assert Bench(project, known, 0.01).result("numerics", mutant).fate is Fate.TOO_SLOW


def test_a_line_that_no_test_executes_counts_against_the_tests(project: Path) -> None:
    bench = Bench(project, CoverageMap({}, {}), 60)
    (first, *_) = mutants("gdprops/limit.py", (project / "gdprops/limit.py").read_text())
    result = bench.result("numerics", first)
    assert result.fate is Fate.NOT_EXECUTED
    assert share(Counter([result.fate, Fate.KILLED])) == 0.5


def test_the_figures_stand_by_area() -> None:
    mutant = Mutant("gdprops/numerics/law.py", 3, "boundary moved", "a < b", "a <= b", "a < b", "")
    results = [Result("numerics", mutant, fate, 2, 5, 1.0) for fate in (Fate.KILLED, Fate.SURVIVED, Fate.EQUIVALENT)]
    assert figures(results) == [
        "area      killed  timed out  survived  equivalent  not executed by any test  too slow to tell  caught",
        "numerics  1       0          1         1           0                         0                 50%",
        "all       1       0          1         1           0                         0                 50%",
    ]
    assert results[1].line == "survived: gdprops/numerics/law.py:3: boundary moved: a < b  ->  a <= b (2 of 5 tests)"
