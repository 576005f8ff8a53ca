"""``@gdprops.parametrize``: one pytest test per subject and clause."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, final

import pytest

from gdprops.errors import UsageError
from gdprops.model.clause import Level
from gdprops.model.verdict import About, Status
from gdprops.plugin.items import surroundings

if TYPE_CHECKING:
    from gdprops.model.clause import Clause
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict
    from gdprops.runner.session import Item

WIDTH = 100
"""Columns of a violation in pytest's output."""


class GdpropsWarning(UserWarning):
    """A recommended clause is violated: reported, but red only with ``--gdprops-strict``."""


@final
@dataclass(frozen=True, slots=True)
class BoundClause:
    """A clause as the tests of `parametrize` receive it."""

    clause: Clause

    @property
    def id(self) -> str:
        """The clause's id."""
        return self.clause.id

    def check(self, subject: str | Subject) -> Verdict:
        """Check the clause on a subject and return the verdict where it held.

        A violation, an abortion and an error fail the test; a vacuous clause (unless strict) and one that does not
        apply skip it with the reason; a violated recommendation warns with `GdpropsWarning` (unless strict).
        """
        from gdprops.runner.session import run_item

        around = surroundings()
        examined = _resolved(subject) if isinstance(subject, str) else subject
        verdict = run_item(examined, _item(examined, self.clause), around.settings)
        around.record(verdict)
        return judge(verdict, subject=examined.name, strict=around.settings.strict)

    def __repr__(self) -> str:
        return self.id


def parametrize(subjects: Iterable[str | Subject], clauses: str | Sequence[str] = "*") -> pytest.MarkDecorator:
    """Return the decorator of a test function that takes ``subject`` and ``clause``.

    Args:
        subjects: Subjects, or strings such as ``"torch.optim:SGD"`` (resolved when the test runs).
        clauses: Shell-style pattern(s) of clause ids.

    Raises:
        UsageError: A pattern matches no clause.
    """
    from gdprops.clauses import catalogue

    selected = catalogue().select(clauses)
    ordered = sorted(subjects, key=_name)
    cases = [
        pytest.param(subject, BoundClause(clause), id=f"{_name(subject)}-{clause.id}")
        for subject in ordered
        for clause in selected
    ]
    return pytest.mark.parametrize(("subject", "clause"), cases)


def _name(subject: str | Subject) -> str:
    return subject if isinstance(subject, str) else subject.name


def _resolved(spec: str) -> Subject:
    try:
        return _subject(spec)
    except UsageError as error:
        return pytest.fail(f"gdprops: error: {error}", pytrace=False)


@cache
def _subject(spec: str) -> Subject:
    from gdprops.adapters.resolve import resolve

    return resolve(spec)


def _item(subject: Subject, clause: Clause) -> Item:
    from gdprops.runner.session import items_for

    items = items_for(subject, (clause,))
    about_subject = [item for item in items if item.about is About.SUBJECT]
    return (about_subject or list(items))[0]


def judge(verdict: Verdict, *, subject: str, strict: bool) -> Verdict:
    """Turn a verdict into pytest's terms: return it where the test passes."""
    if verdict.status in (Status.VIOLATED, Status.ABORTED, Status.ERROR):
        _red(verdict, subject, strict)
    elif verdict.status is Status.VACUOUS and strict:
        pytest.fail(f"{verdict.clause} is vacuous: {verdict.reason}", pytrace=False)
    elif verdict.status in (Status.VACUOUS, Status.NOT_APPLICABLE):
        pytest.skip(f"{verdict.clause} is {verdict.status}: {verdict.reason}")
    return verdict


def _red(verdict: Verdict, subject: str, strict: bool) -> None:
    from gdprops.report.violation import violation_text

    message = violation_text(verdict, subject=subject, width=WIDTH)
    if verdict.level is Level.RECOMMENDED and verdict.status is Status.VIOLATED and not strict:
        warnings.warn(GdpropsWarning(message), stacklevel=4)
    else:
        pytest.fail(message, pytrace=False)
