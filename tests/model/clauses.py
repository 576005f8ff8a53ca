"""Clauses without mathematics, for the tests of the model."""

from __future__ import annotations

from typing import Any

from gdprops.model.clause import Clause, Level, Needs, View, clause
from gdprops.model.evidence import Evidence

ANY = Needs()


def a_clause(name: str, *, needs: Needs = ANY, level: Level = Level.REQUIRED) -> Clause:
    """Return a clause that always agrees."""

    @clause(
        id=name,
        statement=f"{name} holds.",
        source="A test.",
        decision="Always.",
        view=View.OPTIMIZER,
        refuted_by=("nothing",),
        cases=_no_cases,
        level=level,
        needs=needs,
    )
    def check(subject: Any, case: Any) -> Evidence:
        return Evidence()

    return check


def _no_cases(domain: Any) -> Any:
    raise NotImplementedError
