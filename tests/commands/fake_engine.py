"""An engine with canned verdicts, so that the doors are tested without torch and for every status."""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from gdprops.errors import UsageError
from gdprops.model.catalogue import Catalogue
from gdprops.model.clause import Clause, Level
from gdprops.model.identity import Identity
from gdprops.model.item import Item
from gdprops.model.measurement import Measurement
from gdprops.model.outcome import Outcome
from gdprops.model.traits import Measured, Traits
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.settings import Settings
from tests.report import verdicts as v
from tests.report.clauses import some_clauses

if TYPE_CHECKING:
    from gdprops.model.subject import Subject

STATUSES: dict[str, Status] = {}
"""What `run_item` says, by clause id; held where nothing is said."""


@dataclass(frozen=True)
class FakeSubject:
    name: str
    kind: str = "optimizer"
    rule: str | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.name)

    def prepared(self, traits: object, calls: object) -> FakeSubject:
        return self


def fake_clauses() -> list[Clause]:
    model = some_clauses()[0]
    names = ("step.simultaneous", "step.plain", "step.cost")
    optional = {"step.cost": Level.RECOMMENDED}
    return [
        *(replace(model, id=name, level=optional.get(name, Level.REQUIRED)) for name in names),
        some_clauses()[0],
    ]


def catalogue() -> Catalogue:
    return Catalogue(fake_clauses())


def resolve(
    spec: str,
    *,
    kind: str | None = None,
    rule: str | None = None,
    hyperparameters: Mapping[str, Any] = {},
    traits: Mapping[str, str] = {},
) -> FakeSubject:
    if spec == "no:thing":
        raise UsageError("no module is named 'no'")
    inside = ", ".join(f"{key}={value!r}" for key, value in hyperparameters.items())
    return FakeSubject(f"{spec}({inside})" if inside else spec, kind or "optimizer", rule)


def items_for(subject: FakeSubject, clauses: Sequence[Clause]) -> tuple[Item, ...]:
    return tuple(Item(clause, About.REFERENCE if clause.chapter == "gradient" else About.SUBJECT) for clause in clauses)


def run_item(
    subject: FakeSubject, item: Item, settings: Settings, watcher: Any = None, *, beside: Sequence[Item] = ()
) -> Verdict:
    if subject.name == "dies:here" and item.clause.id == "step.plain":
        os.kill(os.getpid(), signal.SIGKILL)
    if subject.name == "slow:one" and item.clause.id == "step.plain":
        Path(os.environ["GDPROPS_TEST_MARK"]).touch()
        time.sleep(30)
    if subject.name == "ctrl:c" and item.clause.id == "step.plain":
        raise KeyboardInterrupt
    left_out = settings.terms.excluded(item.clause)
    if left_out is not None:
        return v.not_applicable(clause=item.clause.id, about=item.about, reason=left_out)
    status = STATUSES.get(item.clause.id, Status.HELD)
    made = v.violated() if status is Status.VIOLATED else v.held(status=status, reason="a good reason")
    changes: dict[str, Any] = {"clause": item.clause.id, "about": item.about}
    changes |= dict.fromkeys(("examples", "decisive"), settings.examples)
    verdict = replace(made, level=item.clause.level, **changes)
    entry = settings.terms.accepts(cast("Subject", subject), item.clause.id)
    return verdict if entry is None else entry.settle(verdict)


def conclude(subject_name: str, settings: Settings, verdicts: Sequence[Verdict], timing: dict[str, float]) -> Outcome:
    ordered = sorted(verdicts, key=lambda verdict: [c.id for c in fake_clauses()].index(verdict.clause))
    least = settings.terms.min_clauses
    seed, profile, strict = settings.seed, settings.profile, settings.strict
    return Outcome(subject_name, seed, profile, tuple(ordered), strict, dict(timing), min_clauses=least)


def check_subject(subject: FakeSubject, *, clauses: Any = "*", settings: Settings, watcher: Any) -> Outcome:
    found = check_items(subject, items_for(subject, catalogue().select(clauses)), settings, watcher)
    return conclude(subject.name, settings, found, {"seconds": 0.24})


def measured_subject(subject: FakeSubject, settings: Settings) -> FakeSubject:
    return subject


def check_items(
    subject: FakeSubject, items: Sequence[Item], settings: Settings, watcher: Any, *, dealt: Any = None
) -> list[Verdict]:
    found = list[Verdict]()
    for item in items if dealt is None else dealt:
        watcher.started(item, item.fellows(items))
        found.append(run_item(subject, item, settings))
        watcher.finished(found[-1])
        if settings.fail_fast and found[-1].failed:
            break
    return found


def self_check(settings: Settings, watcher: Any) -> Outcome:
    return conclude("the gdprops reference", settings, [v.reference()], {})


def probe(subject: FakeSubject) -> Traits:
    conflicts = ("inputs is closure",) if subject.rule == "sgd" else ()
    return Traits({"inputs": Measured("gradient", "a gradient moved it")}, plain="yes", conflicts=conflicts)


def replay(path: str, subject: FakeSubject, settings: Settings) -> Outcome:
    if path == "other.json":
        raise UsageError("other.json: not a case that gdprops saved")
    return conclude(subject.name, settings, [v.violated()], {})


@dataclass(frozen=True)
class FakeRow:
    fault: str
    clause: str
    killed_after: tuple[int | None, ...]


def kill_matrix(*, seeds: Sequence[int], examples: int, on_row: Any) -> tuple[FakeRow, ...]:
    row = FakeRow("layer-sweep", "step.simultaneous", tuple(1 if examples > 1 else None for _ in seeds))
    on_row(row)
    return (row,)


MODULES: dict[str, dict[str, object]] = {
    "gdprops.clauses": {"catalogue": catalogue, "COMMON_DECISIONS": {}},
    "gdprops.kinds.resolve": {"resolve": resolve},
    "gdprops.subjects.probe.measure": {"measurement": lambda subject: Measurement(probe(subject))},
    "gdprops.runner.items": {"items_for": items_for, "REFERENCE": "the gdprops reference"},
    "gdprops.runner.session": {
        "run_item": run_item,
        "check_subject": check_subject,
        "measured_subject": measured_subject,
        "calls_for_traits": lambda settings: None,
        "check_items": check_items,
        "conclude": conclude,
        "self_check": self_check,
    },
    "gdprops.runner.replay": {"replay": replay},
    "gdprops.runner.kill_matrix": {"kill_matrix": kill_matrix},
}


def install(patch: pytest.MonkeyPatch | None = None) -> None:
    """Put the fake modules in the place of the engine's."""
    for name, contents in MODULES.items():
        module = types.ModuleType(name)
        vars(module).update(contents)
        if patch is None:
            sys.modules[name] = module
        else:
            patch.setitem(sys.modules, name, module)
