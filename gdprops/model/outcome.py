"""An outcome: everything that one run found out about one subject, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from gdprops.model import exit_codes
from gdprops.model.ending import Ending, count_endings
from gdprops.model.note import Note, distinct
from gdprops.model.verdict import About, Status, Verdict

WATCHED = "watched run"
"""The profile of an outcome whose verdicts are about a watched run: no example was drawn, and there is no seed."""


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one run found out about one subject.

    ``min_clauses``: the run fails where fewer of the subject's clauses held. ``complete``: False where not every clause
    was run, because only some were asked for or because the run was ``interrupted``, which is never a success
    (``terminated``: by SIGTERM, and not by Ctrl-C).
    ``refused``: why the subject could not be used, where it is one of several. ``identity``: the key of the subject's
    identity; empty where the subject was not made.
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
    terminated: bool = False
    refused: str = ""
    identity: str = ""

    def of(self, about: About) -> tuple[Verdict, ...]:
        """Return the subject's or the reference's verdicts."""
        return tuple(verdict for verdict in self.verdicts if verdict.about is about)

    @property
    def told(self) -> tuple[Verdict, ...]:
        """The verdicts that reports tell and count: the subject's or, where there are none, those of the reference."""
        return self.of(About.SUBJECT) or self.verdicts

    @property
    def counts(self) -> dict[Ending, int]:
        """How many of the told clauses ended in each way."""
        return count_endings(self.told)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is told beside the verdicts, each once."""
        return distinct(note for verdict in self.verdicts for note in verdict.notes)

    @property
    def held(self) -> int:
        """How many of the subject's clauses held."""
        return sum(verdict.status is Status.HELD for verdict in self.of(About.SUBJECT))

    @property
    def is_decided(self) -> bool:
        """Whether any required clause of the subject was decided; True where none was selected."""
        return exit_codes.is_decided(self.of(About.SUBJECT))

    @property
    def climbs(self) -> bool:
        """Whether the subject goes up, and no clause has decided whether it is meant to."""
        return exit_codes.climbs(self.of(About.SUBJECT))

    @property
    def exit_code(self) -> int:
        """The exit code of the run, as `gdprops.model.exit_codes` defines it."""
        if self.interrupted:
            return exit_codes.TERMINATED if self.terminated else exit_codes.INTERRUPTED
        if self.refused:
            return exit_codes.UNUSABLE
        return exit_codes.exit_code(
            self.verdicts, strict=self.strict, counted=self.counted, min_clauses=self.min_clauses
        )
