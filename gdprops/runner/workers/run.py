"""Run a request in this process or on several; an interrupted run returns the verdicts found so far."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.errors import UsageError
from gdprops.model.verdict import About

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.subject import Subject
    from gdprops.runner.request import RunRequest
    from gdprops.runner.settings import Settings
    from gdprops.runner.watcher import Keeper


def run(request: RunRequest, seen: Keeper, *, workers: str | None = None, contained: bool = False) -> Outcome:
    """Return the outcome of a request.

    ``workers=None`` runs it in this process or, ``contained``, in a process of its own; a number or ``auto`` runs it on
    that many processes. On Ctrl-C the outcome contains the finished items, and ``seen.interrupted`` is set.
    """
    if contained and workers is None:
        from gdprops.runner.contained.supervisor import run_contained

        return run_contained(request, seen)
    from gdprops.runner.conclude import conclude
    from gdprops.runner.project.accepted import require_matches

    began = time.perf_counter()
    subject = request.resolve()
    if request.patterns == ("*",) and request.settings.shard is None:
        about_subject = [item.clause for item in request.items(subject) if item.about is About.SUBJECT]
        require_matches(request.settings.terms.accepted, subject, about_subject)
    try:
        return _outcome(request, subject, seen, workers)
    except KeyboardInterrupt:
        seen.interrupted = True
        timing = {"seconds": time.perf_counter() - began}
        return conclude(subject.name, request.settings, seen.verdicts, timing, interrupted=True)


def run_selfcheck(settings: Settings, seen: Keeper) -> Outcome:
    """Return the outcome of the self-check, in which the reference takes the place of the subject."""
    from gdprops.runner.conclude import conclude
    from gdprops.runner.items import REFERENCE
    from gdprops.runner.session import self_check

    try:
        outcome = self_check(settings, seen)
    except KeyboardInterrupt:
        seen.interrupted = True
        outcome = conclude(REFERENCE, settings, seen.verdicts, {}, interrupted=True)
    return replace(outcome, verdicts=tuple(replace(v, about=About.SUBJECT) for v in outcome.verdicts))


def require_workers(text: str | None) -> None:
    """Raise `UsageError` for anything but a number of processes, ``auto`` or None."""
    if text is not None and text != "auto" and not (text.isdecimal() and int(text) > 0):
        raise UsageError(f"-n {text}: expected a number of processes of at least 1, or auto")


def _outcome(request: RunRequest, subject: Subject, seen: Keeper, workers: str | None) -> Outcome:
    from gdprops.runner.conclude import conclude
    from gdprops.runner.session import check_subject

    if workers is None:
        return check_subject(subject, clauses=request.patterns, settings=request.settings, watcher=seen)
    from gdprops.runner.workers.controller import run_parallel, workers_of

    began = time.perf_counter()
    items = request.items(subject)
    verdicts = run_parallel(request, items, workers_of(workers, len(items)), seen)
    return conclude(subject.name, request.settings, verdicts, {"seconds": time.perf_counter() - began})
