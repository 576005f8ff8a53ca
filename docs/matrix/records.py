"""Reads the data of the matrix: the results of each package, and the readings of its source.

Example: ``results/adabound.json`` says that ``AdaBound`` violates a clause, ``readings/adabound.toml`` how and where.

A red verdict becomes a finding only through a reading: somebody has read the package's source at the version that was
examined, and has run a script that shows the violation without gdprops. Until then it is *open*, and is no finding.

A second reader, who did not find it, then reads the source again. A finding that the second reader disputes keeps its
page, with the reason, and is not counted.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

HERE = Path(__file__).parent
STATUSES = {
    "h": "held",
    "v": "violated",
    "!": "aborted",
    "?": "vacuous",
    ".": "not-applicable",
    "a": "accepted",
    "E": "error",
}
"""The letters in which the results write the statuses of verdicts."""
REQUIRED = "required"
AGREED, DISPUTED, NOT_READ = "agreed", "disputed", "not read"
SECOND_READINGS = (AGREED, DISPUTED, NOT_READ)
"""What a second reader may say of a finding."""


@final
@dataclass(frozen=True, slots=True)
class Implementation:
    """One optimizer of a package: its status by clause, or why it could not be examined."""

    name: str
    verdicts: Mapping[str, str]
    traits: Mapping[str, str]
    unusable: str = ""
    aborted: str = ""


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """A violation that was read in the source, of one cause, in one or several classes of a package.

    Attributes:
        name: The name of the finding, and of its page.
        clauses: The clauses that are violated; the first one is the one that the script shows.
        classes: The classes in which it was found.
        title: What happens, in one short line.
        does: What the code does instead of what the clause demands, in one sentence.
        promised: What it departs from: its paper, its documentation, or what every optimizer promises.
        source: The file and the line in the package that does it.
        code: What stands there.
        script: At most ten lines, without gdprops, that fail in their last line; the name of the first class in it
            stands for each of the classes.
        status: Whether it was reported, accepted or mended, and in which version.
        second: What a second reader says of it: one of ``SECOND_READINGS``.
        second_note: What the second reader read, and why it is agreed to or disputed; empty where it was not read.
    """

    name: str
    clauses: tuple[str, ...]
    classes: tuple[str, ...]
    title: str
    does: str
    promised: str
    source: str
    code: str
    script: str
    status: str
    second: str
    second_note: str

    @property
    def disputed(self) -> bool:
        """Whether a second reader does not agree, so that the finding does not count."""
        return self.second == DISPUTED

    def scripts(self) -> Mapping[str, str]:
        """Return the script of each class."""
        return {name: self.script.replace(self.classes[0], name) for name in self.classes}


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """A violation that is deliberate: documented, or what the method is."""

    clauses: tuple[str, ...]
    classes: tuple[str, ...]
    why: str


@final
@dataclass(frozen=True, slots=True)
class Package:
    """What was examined of one package, how, and what was read in its source."""

    name: str
    version: str
    module: str
    how: Mapping[str, Any]
    levels: Mapping[str, str]
    implementations: tuple[Implementation, ...]
    findings: tuple[Finding, ...] = ()
    choices: tuple[Choice, ...] = ()

    @property
    def only_some(self) -> bool:
        """Whether only some clauses of the specification were examined."""
        return bool(self.how.get("only_some"))

    @property
    def earlier(self) -> Mapping[str, list[str]]:
        """The clauses, by class, whose violation another run on this version saw, and this survey did not."""
        found: Mapping[str, list[str]] = self.how.get("earlier", {})
        return found

    @property
    def whole(self) -> list[Implementation]:
        """The implementations that were examined on all clauses."""
        return [each for each in self.examined if not self.only_some and len(each.verdicts) == len(self.levels)]

    @property
    def examined(self) -> list[Implementation]:
        """The implementations that have verdicts."""
        return [each for each in self.implementations if not each.unusable]

    @property
    def confirmed(self) -> list[Finding]:
        """The findings that count: all but those that a second reader disputes."""
        return [each for each in self.findings if not each.disputed]

    @property
    def disputed(self) -> list[Finding]:
        """The findings that a second reader disputes."""
        return [each for each in self.findings if each.disputed]

    def violated(self, implementation: Implementation) -> list[str]:
        """Return the required clauses that an implementation violates."""
        return [
            clause
            for clause, status in implementation.verdicts.items()
            if status == "violated" and self.levels[clause] == REQUIRED
        ]

    def finding_of(self, name: str, clause: str) -> Finding | None:
        """Return the finding that a violation belongs to."""
        return next((f for f in self.findings if name in f.classes and clause in f.clauses), None)

    def choice_of(self, name: str, clause: str) -> Choice | None:
        """Return the choice that a violation is."""
        return next((c for c in self.choices if name in c.classes and clause in c.clauses), None)

    def open(self, implementation: Implementation) -> list[str]:
        """Return the required clauses that are violated, and whose violation nobody has decided after reading."""
        name = implementation.name
        red = self.violated(implementation)
        return [c for c in red if self.finding_of(name, c) is None and self.choice_of(name, c) is None]


def packages(folder: Path = HERE) -> list[Package]:
    """Return every package of the matrix, by name without regard to case."""
    found = [_package(path, folder / "readings") for path in (folder / "results").glob("*.json")]
    return sorted(found, key=lambda package: package.name.lower())


def confirmed(all_packages: Iterable[Package]) -> int:
    """Return how many confirmed findings there are: each class and cause counts once."""
    return _classes(finding for package in all_packages for finding in package.confirmed)


def read_twice(all_packages: Iterable[Package]) -> int:
    """Return how many of the confirmed findings a second reader agrees to, counted as ``confirmed`` does."""
    return _classes(f for package in all_packages for f in package.confirmed if f.second == AGREED)


def disputed(all_packages: Iterable[Package]) -> int:
    """Return how many findings a second reader disputes, counted as ``confirmed`` does."""
    return _classes(finding for package in all_packages for finding in package.disputed)


def _classes(findings: Iterable[Finding]) -> int:
    return sum(len(finding.classes) for finding in findings)


def _package(path: Path, readings: Path) -> Package:
    data = json.loads(path.read_text(encoding="utf-8"))
    beside = readings / f"{path.stem}.toml"
    read = tomllib.loads(beside.read_text(encoding="utf-8")) if beside.exists() else {}
    clauses = list(data["clauses"])
    return Package(
        name=data["package"],
        version=data["version"],
        module=data["module"],
        how=data["how"],
        levels=data["clauses"],
        implementations=tuple(_implementation(each, clauses) for each in data["implementations"]),
        findings=tuple(_finding(each) for each in read.get("finding", ())),
        choices=tuple(_choice(each) for each in read.get("choice", ())),
    )


def _implementation(data: Mapping[str, Any], clauses: list[str]) -> Implementation:
    letters = data.get("verdicts", "")
    verdicts = {clause: STATUSES[letter] for clause, letter in zip(clauses, letters, strict=False) if letter != " "}
    return Implementation(
        data["name"], verdicts, data.get("traits", {}), data.get("unusable", ""), data.get("aborted", "")
    )


def _finding(data: Mapping[str, Any]) -> Finding:
    lists = {"clauses": tuple(data["clauses"]), "classes": tuple(data["classes"])}
    found = Finding(**{"status": "not reported yet", "second": NOT_READ, "second_note": "", **data, **lists})
    if found.second not in SECOND_READINGS:
        raise ValueError(f"{found.name}: second={found.second!r} is none of {', '.join(map(repr, SECOND_READINGS))}.")
    if bool(found.second_note) != (found.second != NOT_READ):
        raise ValueError(
            f"{found.name}: second={found.second!r} with second_note={found.second_note!r}: a second reader says in a "
            "sentence what was read, and there is none where it was not read."
        )
    return found


def _choice(data: Mapping[str, Any]) -> Choice:
    return Choice(tuple(data["clauses"]), tuple(data["classes"]), data["why"])
