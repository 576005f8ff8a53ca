"""`gdprops.check`: check a subject from Python, with one function call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdprops.report.report import Report

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.runner.project.accepted import Reasons


def replay(file: str, subject: str | Subject | None = None, *, timeout: float | None = None) -> Report:
    """Run exactly one saved case again, without any search.

    Args:
        file: The JSON file of the case, as the report names it.
        subject: The subject, as for `check`; None for the one that the file names. The name and the traits that were
            declared stand in the file.
        timeout: Seconds of the subject's own time.

    Raises:
        UsageError: The file is not a saved case, or is about another subject.
    """
    from gdprops.runner.counterexamples.declared_subject import subject_of
    from gdprops.runner.counterexamples.saved_file import load
    from gdprops.runner.named_subjects import named, ready
    from gdprops.runner.replay import replay as replay_case
    from gdprops.runner.settings import chosen

    if subject is None:
        examined = subject_of(file, load(file))
    else:
        examined = named(subject) if isinstance(subject, str) else ready(subject)
    return Report(replay_case(file, examined, chosen(None, timeout=timeout)))


def check(
    subject: str | Subject,
    clauses: str | Sequence[str] = "*",
    *,
    examples: int | None = None,
    seed: int | None = None,
    profile: str | None = None,
    timeout: float | None = None,
    strict: bool | None = None,
    fail_fast: bool | None = None,
    accepted: Reasons | None = None,
) -> Report:
    """Check a subject against the specification, in this process.

    The time limit stops Python code. Native code that hangs is not ended: after two more seconds it is told on standard
    error where it hangs. The ``gdprops`` command ends it.

    Args:
        subject: A subject made by one of gdprops' functions, a string such as ``"torch.optim:SGD"``, or a name from
            ``[tool.gdprops.subjects]`` of the project's pyproject.toml.
        clauses: Shell-style pattern(s) of clause ids.
        examples: Examples per clause; None for the number of the profile (100 in ``dev``).
        seed: A number gives the same examples in every run; with None they differ.
        profile: ``dev``, ``ci`` or ``nightly``; None for ``ci`` if the environment variable ``CI`` is set, else
            ``dev``.
        timeout: Seconds of the subject's own time per clause; measuring its traits may take three times as long.
        strict: Whether vacuous verdicts and violated recommendations fail too.
        fail_fast: Whether to stop at the first violation.
        accepted: The reasons for known and accepted violations by clause, or a function that returns them for the
            subject. If the violation is gone, the verdict is red. Violations that ``gdprops accept`` wrote are
            accepted too.

    Raises:
        UsageError: The subject cannot be found or built, or an argument has a wrong value.
    """
    from gdprops.runner.named_subjects import accepting, in_terms, named, ready
    from gdprops.runner.session import check_subject
    from gdprops.runner.settings import chosen
    from gdprops.subjects.user_code.calling import allowing

    settings = chosen(profile, examples=examples, seed=seed, timeout=timeout, strict=strict, fail_fast=fail_fast)
    with allowing(settings.timeout):
        examined = named(subject) if isinstance(subject, str) else ready(subject)
    in_project = in_terms(settings, subject, examples=examples, clauses=clauses)
    agreed = accepting(in_project, examined, accepted)
    return Report(check_subject(examined, clauses=clauses, settings=agreed))
