"""What a saved case says of its subject, so that a replay finds it again: the subject string and the declarations.

A subject that was made in Python may have a name and traits that no command line states. They stand in the file, and a
replay gives them to the subject that the command line names.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.kinds import kind_of
from gdprops.model.traits import declared
from gdprops.model.typed_value import value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gdprops.model.subject import Subject


def stated_of(subject: Subject) -> dict[str, Any]:
    """Return what a saved case says of its subject; hyperparameters as Python text."""
    kind = kind_of(subject)
    given = kind.given(subject) or {}
    return {
        "spec": kind.spec(subject),
        "kind": kind.name if kind.is_offered else None,
        "rule": subject.rule,
        "hyperparameters": {key: repr(value) for key, value in given.items()},
        "traits": {key: measured.value for key, measured in subject.declared.items()},
    }


def replay_line(subject: Subject, path: str) -> str:
    """Return the command that replays a case; in Python where no command line can name the subject."""
    kind = kind_of(subject)
    spec, given = kind.spec(subject), kind.given(subject)
    if not _can_be_named(spec) or given is None or not _can_be_typed(given):
        return f"gdprops.replay({path!r}, subject)"
    typed = [f"-p {shlex.quote(f'{key}={value!r}')}" for key, value in given.items()]
    rule = [f"--rule {subject.rule}"] if subject.rule else []
    words = ["gdprops replay", shlex.quote(path), shlex.quote(spec), *typed, kind.option, *rule]
    return " ".join(filter(None, words))


def _can_be_named(spec: str) -> bool:
    """Say whether a subject string names something that another process can import."""
    where, _, attribute = spec.rpartition(":")
    return bool(spec) and where != "__main__" and "<" not in attribute


def _can_be_typed(given: Mapping[str, Any]) -> bool:
    return all(type(read := value_of(repr(value))) is type(value) and read == value for value in given.values())


def as_saved(path: str, data: Mapping[str, Any], subject: Subject) -> Subject:
    """Return the subject with the name and the traits that a saved case states.

    Raises `UsageError` if the case is about another subject.
    """
    stated = data.get("declared") or {}
    known = stated_of(subject)
    stated_alike = bool(stated) and all(stated.get(key) == known[key] for key in ("spec", "hyperparameters"))
    same = stated_alike or subject.identity.key == data.get("identity")
    if data["subject"] != subject.name and not same:
        raise UsageError(f"{path} is about {data['subject']}, not about {subject.name}")
    found: Subject = subject if data["subject"] == subject.name else kind_of(subject).named(subject, data["subject"])
    traits = stated.get("traits") or {}
    if traits and not found.declared and kind_of(found).takes_traits:
        found = replace(found, declared=declared(traits))  # type: ignore[type-var] # each subject is a dataclass
    return found


def subject_of(path: str, data: Mapping[str, Any]) -> Subject:
    """Return the subject that a saved case states. Raises `UsageError` if it does not name one."""
    from gdprops.kinds.resolve import resolve

    stated = data.get("declared") or {}
    if not _can_be_named(stated.get("spec") or ""):
        raise UsageError(f"{path} does not name its subject ({data['subject']}): give it as the second argument")
    given = {key: value_of(text) for key, text in stated["hyperparameters"].items()}
    return resolve(stated["spec"], kind=stated["kind"], rule=stated["rule"], hyperparameters=given)
