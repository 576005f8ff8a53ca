"""The data of a survey: jobs, entries, the survey itself, its JSON form, and changes between two surveys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from gdprops.model import exit_codes
from gdprops.model.json_form import SCHEMA, to_dict, verdict_from_dict
from gdprops.model.outcome import Outcome
from gdprops.model.verdict import ALARMING, RED, SPECIFICATION, About, Status


@final
@dataclass(frozen=True, slots=True)
class Job:
    """One optimizer to examine: the module or registry that it comes from, and its name there."""

    where: str
    name: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The optimizer's name in surveys, such as ``torch.optim:SGD``."""
        return f"{self.where}:{self.name}"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """The result of one optimizer.

    Attributes:
        key: The optimizer's name in surveys.
        outcome: Its verdicts.
        traits: The values of its traits by key.
        unusable: Why there are no verdicts; empty if there are.
        aborted: Why its process ended early; empty if it did not.
    """

    key: str
    outcome: Outcome
    traits: Mapping[str, str] = field(default_factory=dict)
    unusable: str = ""
    aborted: str = ""

    @property
    def failed(self) -> bool:
        """Whether a required clause is red, or the process ended early."""
        return bool(self.aborted) or self.outcome.exit_code == exit_codes.VIOLATED

    @property
    def red(self) -> tuple[str, ...]:
        """The clauses that are violated or aborted, including recommended ones."""
        return tuple(v.clause for v in self.outcome.verdicts if v.status in RED)


@final
@dataclass(frozen=True, slots=True)
class Survey:
    """The entries of many optimizers in the order of their keys.

    ``asked`` is everything on which they depend: two surveys with an equal ``asked`` have equal results.
    """

    asked: Mapping[str, Any]
    entries: Sequence[Entry]
    complete: bool = True
    timing: Mapping[str, float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 nothing violated; 1 violated or aborted; 3 an error of gdprops; 5 no clause held anywhere."""
        codes = {entry.outcome.exit_code for entry in self.entries if not entry.unusable}
        if exit_codes.BUG in codes:
            return exit_codes.BUG
        if any(entry.failed for entry in self.entries):
            return exit_codes.VIOLATED
        return exit_codes.OK if exit_codes.OK in codes else exit_codes.UNDECIDED


def survey_to_dict(survey: Survey) -> dict[str, Any]:
    """Return the JSON form of a survey: for each optimizer the report of a check, with its key and traits.

    ``unusable`` and ``aborted`` say what stopped it.
    """
    return {
        "schema": SCHEMA,
        "specification": SPECIFICATION,
        "asked": dict(survey.asked),
        "complete": survey.complete,
        "exit_code": survey.exit_code,
        "reports": [_entry_to_dict(entry) for entry in survey.entries],
        "timing": dict(survey.timing),
    }


def _entry_to_dict(entry: Entry) -> dict[str, Any]:
    extra = {"key": entry.key, "traits": dict(entry.traits), "unusable": entry.unusable, "aborted": entry.aborted}
    return {**to_dict(entry.outcome), **extra}


def survey_from_dict(data: Mapping[str, Any]) -> Survey:
    """Return the survey that `survey_to_dict` wrote. Raises KeyError, TypeError or ValueError for other data."""
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']!r}; this version reads {SCHEMA}")
    entries = tuple(_entry_from_dict(report) for report in data["reports"])
    return Survey(dict(data["asked"]), entries, bool(data["complete"]), dict(data["timing"]))


def _entry_from_dict(data: Mapping[str, Any]) -> Entry:
    timing = dict(data["timing"])
    seconds = timing.pop("clauses")
    verdicts = tuple(verdict_from_dict({**_with_numbers(v), "seconds": seconds[v["clause"]]}) for v in data["verdicts"])
    outcome = Outcome(data["subject"], data["seed"], data["profile"], verdicts, data["strict"], timing, About.SUBJECT)
    return Entry(data["key"], outcome, data["traits"], data["unusable"], data["aborted"])


def _with_numbers(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a verdict with an infinite ratio as a number again: JSON contains it as text."""
    ratio = verdict["worst_ratio"]
    return {**verdict, "worst_ratio": float(ratio) if isinstance(ratio, str) else ratio}


@final
@dataclass(frozen=True, slots=True)
class Change:
    """A clause whose status on an optimizer differs between two surveys; None means that there was no verdict."""

    key: str
    clause: str
    before: Status | None
    after: Status | None

    @property
    def is_new_violation(self) -> bool:
        """Whether the status is red now and was not red before."""
        return self.after in ALARMING and self.before not in ALARMING


def changes(old: Survey, new: Survey) -> list[Change]:
    """Return every change between two surveys, sorted by optimizer and clause."""
    before, after = _cells(old), _cells(new)
    keys = sorted(before.keys() | after.keys())
    return [Change(*key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _cells(survey: Survey) -> dict[tuple[str, str], Status]:
    return {(entry.key, v.clause): v.status for entry in survey.entries for v in entry.outcome.verdicts}
