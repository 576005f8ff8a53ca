"""Run a request in this process or on several; an interrupted run returns the verdicts found so far."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.errors import UsageError
from gdprops.model.verdict import About

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.runner.request import RunRequest
    from gdprops.runner.settings import Settings
    from gdprops.runner.watcher import Keeper


def run(request: RunRequest, seen: Keeper, *, workers: str | None = None, contained: bool = False) -> Outcome:
    """Return the outcome of a request.

    It is run in this process; ``contained``, in a process of its own; with ``workers``, a number or ``auto``, on that
    many processes. On Ctrl-C the outcome contains the finished items, and ``seen.interrupted`` is set.
    """
    if contained or workers is not None:
        from gdprops.clauses import catalogue
        from gdprops.runner.contained.supervisor import run_contained

        items = 2 * len(catalogue().select(request.patterns))  # each about the subject and about the reference
        return run_contained(request, seen, workers=1 if workers is None else workers_of(workers, items))
    from gdprops.runner.conclude import conclude
    from gdprops.runner.project.accepted import require_matches
    from gdprops.runner.session import check_subject

    began = time.perf_counter()
    subject = request.resolve()
    if request.patterns == ("*",) and request.settings.shard is None:
        about_subject = [item.clause for item in request.items(subject) if item.about is About.SUBJECT]
        require_matches(request.settings.terms.accepted, subject, about_subject)
    try:
        return check_subject(subject, clauses=request.patterns, settings=request.settings, watcher=seen)
    except KeyboardInterrupt:
        seen.interrupted = True
        timing = {"seconds": time.perf_counter() - began}
        key = subject.identity.key
        return conclude(subject.name, request.settings, seen.verdicts, timing, interrupted=True, identity=key)


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


def workers_of(text: str, items: int) -> int:
    """Return how many processes ``-n auto`` or ``-n N`` means for this many items at most."""
    wanted = _cores() if text == "auto" else int(text)
    return max(1, min(wanted, items))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell which cores this process may use
        return os.cpu_count() or 1
