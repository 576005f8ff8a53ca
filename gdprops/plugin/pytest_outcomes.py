"""A verdict becomes an outcome of pytest: pass, fail, skip, xfail, or a warning.

Held passes, violated fails, vacuous and not applicable skip, accepted xfails; a violated recommendation warns.
"""

from __future__ import annotations

import warnings
from typing import final

import pytest

from gdprops.model.clause import Level
from gdprops.model.verdict import ALARMING, Status, Verdict

WIDTH = 100
"""How many columns the text of a violation has in pytest's output."""


class GdpropsWarning(UserWarning):
    """Warns that a recommended clause is violated; with ``--gdprops-strict`` the test fails instead."""


@final
class ViolationFailure(pytest.fail.Exception):  # type: ignore[name-defined, misc]
    """Fails a test with the text of a violation; pytest's short summary says its first line alone."""

    def __init__(self, message: str) -> None:
        super().__init__(message, pytrace=False)


def shorten_summary(report: pytest.TestReport, failure: ViolationFailure) -> None:
    """Keep the first line of a violation for the short summary, which on CI would repeat the whole text."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        crash.message = str(failure).partition("\n")[0]


def judge(verdict: Verdict, *, subject: str, strict: bool) -> Verdict:
    """Fail, skip or xfail the test as the verdict demands; return the verdict if the test passes."""
    if verdict.status in ALARMING:
        _red(verdict, subject, strict)
    elif verdict.stale:
        pytest.fail(f"{verdict.clause}: {verdict.reason}", pytrace=False)
    elif verdict.status is Status.ACCEPTED:
        pytest.xfail(f"{verdict.clause} is accepted: {verdict.reason}")
    elif verdict.status is Status.VACUOUS and strict:
        pytest.fail(f"{verdict.clause} is vacuous: {verdict.reason}", pytrace=False)
    elif verdict.status in (Status.VACUOUS, Status.NOT_APPLICABLE):
        pytest.skip(f"{verdict.clause} is {verdict.status}: {verdict.reason}")
    return verdict


def _red(verdict: Verdict, subject: str, strict: bool) -> None:
    from gdprops.report.violation_text import violation_text

    message = violation_text(verdict, subject=subject, width=WIDTH)
    if verdict.level is Level.RECOMMENDED and verdict.status is Status.VIOLATED and not strict:
        warnings.warn(GdpropsWarning(message), stacklevel=4)
    else:
        raise ViolationFailure(message)
