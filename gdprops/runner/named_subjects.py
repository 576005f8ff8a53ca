"""From what a person typed to a subject: a name of ``[tool.gdprops.subjects]``, or a subject string."""

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

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.runner.settings import Settings


def configured(text: str, folder: Path | None = None) -> tuple[Configuration, Configured] | None:
    """Return the configured subject that a text stands for, None where it is a subject string of its own.

    ``folder`` is where the search for pyproject.toml begins; None is the working directory. Raises `UsageError` for a
    name that nothing is called.
    """
    found = find(folder or Path.cwd())
    entry = found.get(text) if found else None
    if found is not None and entry is not None:
        return found, entry
    if ":" not in text and not text.endswith(".py") and found is not None:
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
    """Return the subject that a text stands for; what is given here goes before what is configured.

    Raises `UsageError` where it cannot be found or built.
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
    """Return a subject that somebody hands over. Raises `UsageError` for a bare class or function."""
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
    """Return a subject string whose file is found from the working directory: the table's paths start at its own."""
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
    """Return the settings with what the project says of a subject.

    ``examples`` is what was asked for by hand, which goes first; the nightly profile keeps its own number. How many
    clauses must hold is asked of whole runs only: not of some ``clauses``, a shard, or up to the first violation.
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
    """Return the settings with ``accepted={clause: reason}`` before what a file accepts."""
    if accepted is None:
        return settings
    entries = (*from_reasons(subject, accepted), *settings.terms.accepted)
    return replace(settings, terms=replace(settings.terms, accepted=entries))
