"""What was found out about a subject before any clause ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from gdprops.model.domain import Domain
from gdprops.model.note import Note
from gdprops.model.traits import Traits


@final
@dataclass(frozen=True, slots=True)
class Measurement:
    """Traits, what cases may contain, and what is told of the subject as a whole.

    ``barred``: why no clause can examine the subject, empty where clauses can; ``judged_by``: the one clause that
    examines it all the same, where that is a bug of the subject whatever it is meant to be.
    """

    traits: Traits = field(default_factory=Traits)
    domain: Domain = field(default_factory=Domain)
    notes: tuple[Note, ...] = ()
    barred: str = ""
    judged_by: str = ""
