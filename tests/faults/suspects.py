"""Faults and twins, measured once for all tests."""

from __future__ import annotations

from functools import cache

from gdprops.clauses import catalogue
from gdprops.faults import Fault, Twin, bank, twins
from gdprops.runner.kill_matrix import Suspect, suspect
from gdprops.subjects.user_code.isolation import isolated

CELLS = tuple((fault.name, clause) for fault in bank() for clause in (c.id for c in catalogue().refuting(fault.name)))


@cache
def everyone() -> dict[str, Fault | Twin]:
    accused: tuple[Fault | Twin, ...] = (*bank(), *twins())
    return {one.name: one for one in accused}


@cache
def measured(name: str) -> Suspect:
    with isolated():
        return suspect(everyone()[name])
