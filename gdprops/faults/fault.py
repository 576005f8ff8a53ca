"""What a deliberately wrong subject is, and what its correct twin is, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from gdprops.model.subject import Subject, System


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """A subject that is wrong in one way. The clauses that must refute it name it (``Clause.refuted_by``).

    ``summary`` is what it does wrong, in one line; ``source`` the real bug that it re-creates, empty where there is
    none; exactly one of ``subject`` and ``system`` builds it afresh, or ``script`` is a training script to be watched,
    once as each of ``ranks`` processes.
    """

    name: str
    summary: str
    source: str = ""
    subject: Callable[[], Subject] | None = None
    system: Callable[[], System] | None = None
    script: Callable[[], None] | None = None
    ranks: int = 1

    def __post_init__(self) -> None:
        _require_one(self.name, self.subject, self.system, self.script)


@final
@dataclass(frozen=True, slots=True)
class Twin:
    """A correct subject with the plumbing of a family of faults: no clause may accuse it."""

    name: str
    subject: Callable[[], Subject] | None = None
    system: Callable[[], System] | None = None
    script: Callable[[], None] | None = None
    ranks: int = 1

    def __post_init__(self) -> None:
        _require_one(self.name, self.subject, self.system, self.script)


def _require_one(name: str, subject: object, system: object, script: object) -> None:
    if sum(given is not None for given in (subject, system, script)) != 1:
        given = f"subject={subject!r}, system={system!r} and script={script!r}"
        raise ValueError(f"{name!r} has {given}; expected exactly one of them")
