"""The catalogue: ids, patterns, and what a misspelled one is told."""

from __future__ import annotations

import pytest

from gdprops.clauses import catalogue
from gdprops.errors import UsageError
from gdprops.model.catalogue import Catalogue
from tests.model.clauses import a_clause

SMALL = Catalogue([a_clause("step.plain"), a_clause("step.once"), a_clause("gradient.pure")])


def test_a_duplicate_id_is_refused() -> None:
    with pytest.raises(ValueError, match=r"clause 'step\.once' is defined twice"):
        Catalogue([a_clause("step.once"), a_clause("step.once")])


def test_clauses_come_in_the_order_of_the_specification() -> None:
    assert [clause.id for clause in SMALL] == ["step.plain", "step.once", "gradient.pure"]
    assert len(SMALL) == 3
    assert SMALL["step.once"].chapter == "step"


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        ("*", ["step.plain", "step.once", "gradient.pure"]),
        ("step.*", ["step.plain", "step.once"]),
        ("*.pure", ["gradient.pure"]),
        (["gradient.*", "step.p*"], ["step.plain", "gradient.pure"]),
        (["step.plain", "step.plain"], ["step.plain"]),
        ([], []),
    ],
)
def test_patterns_select_in_the_catalogues_order(patterns: str | list[str], ids: list[str]) -> None:
    assert [clause.id for clause in SMALL.select(patterns)] == ids


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("step.plian", "clauses='step.plian' matches no clause; did you mean 'step.plain' or 'step.once'?"),
        ("qqq", "clauses='qqq' matches no clause"),
        ("STEP.*", "clauses='STEP.*' matches no clause"),
    ],
)
def test_a_pattern_that_matches_nothing_is_told_the_nearest_names(pattern: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        SMALL.select(["step.*", pattern])
    assert str(raised.value) == message


def test_an_unknown_id_is_told_the_nearest_names() -> None:
    with pytest.raises(UsageError) as raised:
        SMALL["step.one"]
    assert str(raised.value) == "no clause is named 'step.one'; did you mean 'step.once' or 'step.plain'?"


def test_the_specification_has_one_clause_for_each_id_and_says_everything_about_it() -> None:
    for clause in catalogue():
        assert clause.statement.endswith((".", "?")), clause.id
        assert clause.source, clause.id
        assert clause.decision, clause.id
        assert clause.refuted_by, f"{clause.id}: no clause without a fault that refutes it"
        assert clause.since >= 1
        assert clause.revision >= 1
        assert clause.id.count(".") == 1
        assert clause.id == clause.id.lower()
