"""The catalogue: an ordered collection of clauses, built explicitly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import final

from gdprops.errors import UsageError
from gdprops.model.clause import Clause
from gdprops.model.nearest_name import nearest


@final
class Catalogue:
    """Clauses by id, in the order of the specification. Raises `ValueError` on a duplicate id."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._by_id: dict[str, Clause] = {}
        for clause in clauses:
            if clause.id in self._by_id:
                raise ValueError(f"clause {clause.id!r} is defined twice")
            self._by_id[clause.id] = clause

    def __iter__(self) -> Iterator[Clause]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __getitem__(self, clause_id: str) -> Clause:
        if clause_id not in self._by_id:
            raise UsageError(f"no clause is named {clause_id!r}{nearest(clause_id, self._by_id)}")
        return self._by_id[clause_id]

    def refuting(self, fault: str) -> tuple[Clause, ...]:
        """Return the clauses that must refute a fault of the bank: those that name it."""
        return tuple(clause for clause in self if fault in clause.refuted_by)

    def select(self, patterns: str | Iterable[str] = "*") -> tuple[Clause, ...]:
        """Return the clauses whose id matches any shell-style pattern; a pattern that matches none is an error."""
        wanted = [patterns] if isinstance(patterns, str) else list(patterns)
        for pattern in wanted:
            if not any(fnmatchcase(clause_id, pattern) for clause_id in self._by_id):
                raise UsageError(f"clauses={pattern!r} matches no clause{nearest(pattern, self._by_id)}")
        return tuple(clause for clause in self if any(fnmatchcase(clause.id, pattern) for pattern in wanted))
