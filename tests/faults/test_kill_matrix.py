"""Every fault falls under every clause that is there to catch it, at every seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gdprops.clauses import catalogue
from gdprops.faults import bank
from gdprops.model.clause import Clause
from gdprops.model.evidence import Evidence
from gdprops.runner import kill_matrix as kill
from gdprops.runner.kill_matrix import EXAMPLES, SEEDS, Row, Suspect, kill_matrix, killed_after
from gdprops.subjects.user_code.isolation import isolated
from tests.faults.suspects import CELLS, measured, of_one, refuted

pytestmark = pytest.mark.daily

OF_EACH_CELL = pytest.mark.parametrize(("fault", "clause"), [of_one(fault, fault, clause) for fault, clause in CELLS])


@OF_EACH_CELL
def test_what_kills_the_fault_is_the_comparison_and_no_crash(fault: str, clause: str) -> None:
    finding = refuted(fault, clause, SEEDS[0])
    assert finding is not None
    assert 1 <= finding.examples <= EXAMPLES
    assert finding.evidence is not None
    assert " raised " not in finding.evidence.reason


@pytest.mark.nightly  # the first seed is searched above
@pytest.mark.no_cover
@OF_EACH_CELL
def test_the_clause_kills_the_fault_at_every_seed(fault: str, clause: str) -> None:
    found = [refuted(fault, clause, seed) for seed in SEEDS[1:]]
    counts = [None if one is None else one.examples for one in found]
    assert all(count is not None and 1 <= count <= EXAMPLES for count in counts), counts


def blind(clause: Clause) -> Clause:
    """Return the clause with its comparison replaced by agreement, on every kind of subject."""
    blinded = {kind: replace(one, examine=agreeing(one.examine)) for kind, one in clause.implementations.items()}
    return replace(clause, examine=agreeing(clause.examine), implementations=blinded)


def agreeing(examine: Callable[[Any, Any], Evidence]) -> Callable[[Any, Any], Evidence]:
    return lambda target, case: examine(target, case).agreed()


BLIND_EXAMPLES = 15


@pytest.mark.nightly  # that each kill is a comparison is shown above
@pytest.mark.no_cover
@OF_EACH_CELL
def test_a_blind_clause_turns_its_own_cells_red(fault: str, clause: str) -> None:
    with isolated():
        assert killed_after(measured(fault), blind(catalogue()[clause]), SEEDS[0], BLIND_EXAMPLES) is None


def test_a_blind_clause_turns_no_other_cells_red() -> None:
    """They cannot change: they are computed from other objects, which share no check."""
    assert len({clause.examine for clause in catalogue()}) == len(catalogue())
    assert {by for _, by in CELLS} == {clause.id for clause in catalogue()}


def test_the_matrix_has_a_row_for_every_cell_and_tells_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [fault for fault in bank() if fault.name in ("sgd-sign-flipped", "sweep-ignores-the-order")]
    monkeypatch.setattr(kill, "bank", lambda: tuple(few))
    told: list[Row] = []
    rows = kill_matrix(seeds=(0, 1), examples=20, on_row=told.append)
    assert [(row.fault, row.clause) for row in rows] == [
        (f.name, c.id) for f in few for c in catalogue().refuting(f.name)
    ]
    assert rows == tuple(told)
    assert not any(row.survived for row in rows)
    assert kill_matrix(seeds=(0, 1), examples=20) == rows


def test_a_row_survives_where_one_seed_does() -> None:
    assert Row("fault", "clause", (1, None)).survived
    assert not Row("fault", "clause", (1, 2)).survived


def test_a_clause_that_does_not_apply_kills_nothing() -> None:
    """step.plain is about plain gradient descent; a clause of systems finds nothing wrong with another fault."""
    adam = measured("adam-with-one-counter")
    assert adam.excused(catalogue()["step.plain"]) == (
        "not plain gradient descent (if it is meant to be, declare it: --rule sgd)"
    )
    with isolated():
        assert killed_after(adam, catalogue()["step.plain"], 0) is None
        assert killed_after(measured("mean-of-means"), catalogue()["gradient.complete"], 0, 10) is None


def test_a_clause_that_fails_itself_is_no_kill() -> None:
    def examine(target: object, case: Any) -> Evidence:
        raise ZeroDivisionError("of ours")

    broken = replace(catalogue()["gradient.complete"], examine=examine)
    accused: Suspect = measured("mean-of-means")
    with isolated(), pytest.raises(RuntimeError, match=r"(?s)gradient.complete failed on mean-of-means:.*of ours"):
        killed_after(accused, broken, 0)
