"""Find the subject that a user typed: a name from ``[tool.gdprops.subjects]``, or a subject string.

It also combines the settings of a run with what the project's pyproject.toml says about that subject.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.runner.project.accepted import Reasons, from_reasons, near
from gdprops.runner.project.configuration import FILE, Configuration, Configured, find
from gdprops.subjects.user_code.source import is_whole_file

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.runner.settings import Settings


def configured(text: str, folder: Path | None = None) -> tuple[Configuration, Configured] | None:
    """Return the configured subject that a text names, None if the text is a subject string that is not configured.

    ``folder`` is where the search for pyproject.toml begins; None is the working directory. Raises `UsageError` for a
    name that is not in the table.
    """
    found = find(folder or Path.cwd())
    entry = found.get(text) if found else None
    if found is not None and entry is not None:
        return found, entry
    if ":" not in text and not is_whole_file(text) and found is not None:
        names = [s.name for s in found.subjects]
        raise UsageError(f"no subject is named {text!r} in {FILE}{nearest(text, names)}; expected package.module:Name")
    return None


def named(
    text: str,
    *,
    kind: str | None = None,
    rule: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Subject:
    """Return the subject that a text names; arguments given here override the project's configuration.

    Raises `UsageError` where the subject cannot be found or built.
    """
    from gdprops.kinds.resolve import resolve

    found, given = configured(text, folder), dict(hyperparameters or {})
    if found is None:
        return resolve(text, kind=kind, rule=rule, hyperparameters=given)
    project, entry = found
    return resolve(
        _reachable(entry.spec, project.folder),
        kind=kind or entry.kind,
        rule=rule or entry.rule,
        hyperparameters={**entry.parameters, **given},
        traits=entry.traits,
    )


def ready(subject: Any) -> Subject:
    """Return a subject that was passed as an object. Raises `UsageError` for a bare class or function."""
    if isinstance(subject, type) or inspect.isfunction(subject):
        made = "optimizer" if isinstance(subject, type) else "training_step"
        name = subject.__name__
        raise UsageError(
            f"subject={name}; expected a subject string, or what gdprops.optimizer, training_step, backprop or "
            f"update_rule made, such as gdprops.{made}({name}{', lr=0.1' * (made == 'optimizer')})"
        )
    found: Subject = subject
    return found


def _reachable(spec: str, folder: Path) -> str:
    """Return a subject string with its file path relative to the working directory.

    In the table, file paths are relative to the folder of pyproject.toml.
    """
    where, _, attribute = spec.rpartition(":")
    if not where.endswith(".py") or Path(where).is_absolute() or folder == Path.cwd():
        return spec
    return f"{os.path.relpath(folder / where)}:{attribute}"


def in_terms(
    settings: Settings,
    subject: str | Subject,
    *,
    folder: Path | None = None,
    examples: int | None = None,
    clauses: str | Sequence[str] = "*",
) -> Settings:
    """Return the settings combined with what the project's configuration says about a subject.

    ``examples`` is the number that the user asked for; it overrides the configured number, and so does the number of
    the nightly profile. The minimum number of held clauses applies to whole runs only: not to a selection of
    ``clauses``, not to a shard, and not to a run that stops at the first violation.
    """
    accepted = near(folder or Path.cwd())
    found = configured(subject, folder) if isinstance(subject, str) else None
    if found is None:
        return replace(settings, terms=replace(settings.terms, accepted=accepted))
    project, entry = found
    number, terms = settings.examples, project.terms(entry)
    if examples is None and project.examples is not None and settings.profile != "nightly":
        number = project.examples
    if settings.fail_fast or settings.shard is not None or list(clauses) != ["*"]:
        terms = replace(terms, min_clauses=0)
    return replace(settings, examples=number, terms=replace(terms, accepted=accepted))


def accepting(settings: Settings, subject: Subject, accepted: Reasons | None) -> Settings:
    """Return the settings with the entries of ``accepted={clause: reason}`` before those of a file."""
    if accepted is None:
        return settings
    entries = (*from_reasons(subject, accepted), *settings.terms.accepted)
    return replace(settings, terms=replace(settings.terms, accepted=entries))
