"""What the command line was asked to run, in a form that can be sent to worker processes as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

from gdprops.errors import UsageError
from gdprops.model.typed_value import value_of
from gdprops.runner.project.terms import terms_from
from gdprops.runner.settings import Settings
from gdprops.runner.shards import share
from gdprops.subjects.user_code.black_box import RECORDER

if TYPE_CHECKING:
    from gdprops.model.item import Item
    from gdprops.model.subject import Subject

OUR_SECONDS, TIMES_TO_BUILD = 10.0, 3
"""Building a subject may take the time of so many clauses, and what gdprops itself imports for it."""


@final
@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request to run: the subject and its hyperparameters as they were typed, the settings and the clauses."""

    subject: str
    settings: Settings
    kind: str | None = None
    rule: str | None = None
    parameters: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ("*",)

    def resolve(self) -> Subject:
        """Return the subject. Raises `UsageError` if it cannot be found or built.

        Where this process is supervised, importing and building have a limit of time.
        """
        from gdprops.runner.named_subjects import named
        from gdprops.subjects.user_code.calling import allowing

        values, seconds = hyperparameters(self.parameters), self.settings.timeout
        with allowing(seconds), RECORDER.noting(f"building {self.subject}", OUR_SECONDS + TIMES_TO_BUILD * seconds):
            return named(self.subject, kind=self.kind, rule=self.rule, hyperparameters=values)

    def items(self, subject: Subject) -> tuple[Item, ...]:
        """Return the items to run. Raises `UsageError` for a pattern that matches no clause."""
        from gdprops.clauses import catalogue
        from gdprops.runner.items import items_for

        return share(items_for(subject, catalogue().select(self.patterns)), self.settings.shard)

    def to_json(self) -> str:
        """Return the request as one line of text."""
        return json.dumps(asdict(self))


def from_json(text: str) -> RunRequest:
    """Return the request that `RunRequest.to_json` wrote."""
    fields = json.loads(text)
    for key in ("parameters", "patterns"):
        fields[key] = tuple(fields[key])
    fields["settings"] = Settings(**{**fields["settings"], "terms": terms_from(fields["settings"]["terms"])})
    return RunRequest(**fields)


def hyperparameters(typed: Iterable[str]) -> dict[str, object]:
    """Return ``name=value`` pairs as keyword arguments.

    Raises `UsageError` for a pair without a name or value, and for a name given twice.
    """
    found: dict[str, object] = {}
    for pair in typed:
        name, equals, text = pair.partition("=")
        if not (equals and name.isidentifier() and text):
            raise UsageError(f"-p {pair}: expected name=value, for instance -p lr=0.1")
        if name in found:
            raise UsageError(f"-p {pair}: {name} was given before, as {found[name]!r}")
        found[name] = value_of(text)
    return found
