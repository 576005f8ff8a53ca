"""``@gdprops.parametrize``: turn a test function into one pytest test per subject and clause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, final

import pytest

from gdprops.errors import UsageError
from gdprops.model.verdict import About, Status, Verdict, unexamined
from gdprops.plugin.pytest_items import surroundings
from gdprops.plugin.pytest_outcomes import judge
from gdprops.runner.named_subjects import accepting, ready

if TYPE_CHECKING:
    from gdprops.model.clause import Clause
    from gdprops.model.subject import Subject
    from gdprops.runner.project.accepted import Reasons
    from gdprops.runner.settings import Settings


@final
@dataclass(frozen=True, slots=True)
class BoundClause:
    """The argument ``clause`` of a test that `parametrize` decorates.

    ``beside``: all clauses that are checked on the same subject; some of them share a search.
    """

    clause: Clause
    accepted: Reasons | None = None
    beside: tuple[Clause, ...] = ()

    @property
    def id(self) -> str:
        """The clause's id."""
        return self.clause.id

    def check(self, subject: str | Subject) -> Verdict:
        """Check the clause on a subject, and return the verdict if the test passes.

        The test fails if the verdict is violated, aborted or an error. It is skipped with the reason if the verdict is
        vacuous (unless strict) or the clause does not apply. A violated recommendation only warns with `GdpropsWarning`
        (unless strict).
        """
        around = surroundings()
        try:
            examined = _subject(subject, around.folder) if isinstance(subject, str) else ready(subject)
            settings = accepting(around.settings_for(subject), examined, self.accepted)
            verdict = verdict_on(examined, self.clause, settings, self.beside)
        except UsageError as error:
            return pytest.fail(f"gdprops: error: {error}", pytrace=False)
        around.record(verdict, settings, examined)
        return judge(verdict, subject=examined.name, strict=around.settings.strict)

    def __repr__(self) -> str:
        return self.id


def parametrize(
    subjects: Iterable[str | Subject], clauses: str | Sequence[str] = "*", *, accepted: Reasons | None = None
) -> pytest.MarkDecorator:
    """Return the decorator of a test function that takes ``subject`` and ``clause``.

    Args:
        subjects: Subjects, strings such as ``"torch.optim:SGD"``, or names from ``[tool.gdprops.subjects]`` of the
            project's pyproject.toml. Where one cannot be resolved, its tests say why.
        clauses: Shell-style pattern(s) of clause ids.
        accepted: The reasons for known violations by clause, or a function that returns them for a subject. A known
            violation is an expected failure; if it is gone, the test fails.

    Raises:
        UsageError: A pattern matches no clause, or a subject is a bare class or function.
    """
    from gdprops.clauses import catalogue

    selected = tuple(catalogue().select(clauses))
    cases = []
    for subject in sorted(subjects, key=_name):
        about = _about(subject, selected)
        bound = (BoundClause(clause, accepted, about) for clause in about)
        cases += [pytest.param(subject, one, id=f"{_name(subject)}-{one.id}") for one in bound]
    return pytest.mark.parametrize(("subject", "clause"), cases)


def _about(subject: str | Subject, clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    """Return the clauses that are about a subject of its kind; all of them where nobody knows yet what it is."""
    from gdprops.runner.items import items_for

    try:
        found = _subject(subject, Path.cwd()) if isinstance(subject, str) else ready(subject)
    except UsageError:
        return clauses
    return tuple(clause for clause in clauses if items_for(found, (clause,)))


def _name(subject: str | Subject) -> str:
    return subject if isinstance(subject, str) else ready(subject).name


@cache
def _subject(text: str, folder: Path | None) -> Subject:
    from gdprops.runner.named_subjects import named

    return named(text, folder=folder)


def verdict_on(subject: Subject, clause: Clause, settings: Settings, beside: tuple[Clause, ...] = ()) -> Verdict:
    """Return the verdict of a clause about the subject, or about the reference if the clause is not about subjects.

    ``beside``: the clauses that are checked on the same subject.
    """
    from gdprops.runner.items import items_for
    from gdprops.runner.session import run_item

    items = items_for(subject, (clause,))
    if not items:
        reason = f"the clause is not about this kind of subject ({subject.kind})"
        return unexamined(clause, About.SUBJECT, Status.NOT_APPLICABLE, reason)
    about_subject = [item for item in items if item.about is About.SUBJECT]
    others = items_for(subject, beside)
    return run_item(subject, (about_subject or list(items))[0], settings, beside=others)
