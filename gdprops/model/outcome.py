"""An outcome: everything that one run found out about one subject, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from gdprops.model import exit_codes
from gdprops.model.note import Note, distinct
from gdprops.model.verdict import About, Status, Verdict


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one run found out about one subject.

    ``min_clauses``: the run fails where fewer of the subject's clauses held. ``complete``: False where not every clause
    was run, because only some were asked for or because the run was ``interrupted``, which is never a success.
    ``refused``: why the subject could not be used, where it is one of several.
    """

    subject: str
    seed: int | None
    profile: str
    verdicts: tuple[Verdict, ...]
    strict: bool = False
    timing: dict[str, float] = field(default_factory=dict)
    counted: About = About.SUBJECT
    min_clauses: int = 0
    complete: bool = True
    interrupted: bool = False
    refused: str = ""

    def of(self, about: About) -> tuple[Verdict, ...]:
        """Return the subject's or the reference's verdicts."""
        return tuple(verdict for verdict in self.verdicts if verdict.about is about)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is told of the subject beside its verdicts, each once."""
        return distinct(note for verdict in self.of(About.SUBJECT) for note in verdict.notes)

    @property
    def held(self) -> int:
        """How many of the subject's clauses held."""
        return sum(verdict.status is Status.HELD for verdict in self.of(About.SUBJECT))

    @property
    def is_decided(self) -> bool:
        """Whether any required clause of the subject was decided; True where none was selected."""
        return exit_codes.is_decided(self.of(About.SUBJECT))

    @property
    def exit_code(self) -> int:
        """The exit code of the run, as `gdprops.model.exit_codes` defines it."""
        if self.interrupted:
            return exit_codes.INTERRUPTED
        if self.refused:
            return exit_codes.UNUSABLE
        return exit_codes.exit_code(
            self.verdicts, strict=self.strict, counted=self.counted, min_clauses=self.min_clauses
        )
