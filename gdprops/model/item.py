"""An item of a run: one clause about the subject, or about the reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from gdprops.model.clause import Clause
from gdprops.model.verdict import About


@final
@dataclass(frozen=True, slots=True)
class Item:
    """One clause, and whether it is about the subject or about the reference. Each item gives one verdict."""

    clause: Clause
    about: About

    def fellows(self, items: Iterable[Item]) -> int:
        """Return how many of these items are about what this one is about: reports count them apart."""
        return sum(item.about is self.about for item in items)
