"""What was found out about a subject before any clause ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from gdprops.model.domain import Domain
from gdprops.model.note import Note
from gdprops.model.traits import Traits

if TYPE_CHECKING:
    from gdprops.model.subject import Subject


@final
@dataclass(frozen=True, slots=True)
class Measurement:
    """Traits, what cases may contain, and what is told of the subject as a whole.

    ``barred``: why no clause can examine the subject, empty where clauses can; ``judged_by``: the one clause that
    examines it all the same, where that is a bug of the subject whatever it is meant to be. ``unsteady``: whether a
    step raised and, taken again later, did not. ``subject``: the subject with what a trial of it has shown, None where
    it is examined as it was.
    """

    traits: Traits = field(default_factory=Traits)
    domain: Domain = field(default_factory=Domain)
    notes: tuple[Note, ...] = ()
    barred: str = ""
    judged_by: str = ""
    unsteady: bool = False
    subject: Subject | None = None
