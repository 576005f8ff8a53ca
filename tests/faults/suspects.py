"""Faults and twins, measured once for all tests; what is about one of them runs in one process."""

from __future__ import annotations

from functools import cache

import pytest

from gdprops.clauses import catalogue
from gdprops.faults import Fault, Twin, bank, twins
from gdprops.runner.kill_matrix import EXAMPLES, Suspect, suspect
from gdprops.runner.search import Finding
from gdprops.subjects.user_code.isolation import isolated

CELLS = tuple((fault.name, clause) for fault in bank() for clause in (c.id for c in catalogue().refuting(fault.name)))


def of_one(name: str, *values: object, nightly: bool = False) -> object:
    """Return the values of a test about one suspect: xdist runs all of them in one process, which measures it once."""
    group = "ranks" if name.startswith("ranks-") else name  # they share the processes of their ranks
    marks = [pytest.mark.xdist_group(group), *[pytest.mark.nightly] * nightly]
    return pytest.param(*values, marks=marks, id="-".join(map(str, (name, *values[1:]))))


@cache
def everyone() -> dict[str, Fault | Twin]:
    accused: tuple[Fault | Twin, ...] = (*bank(), *twins())
    return {one.name: one for one in accused}


@cache
def measured(name: str) -> Suspect:
    with isolated():
        return suspect(everyone()[name])


@cache
def refuted(fault: str, clause: str, seed: int) -> Finding | None:
    """Return what a clause finds wrong with a fault, searched for once."""
    with isolated():
        return measured(fault).refuted(catalogue()[clause], seed, EXAMPLES)
