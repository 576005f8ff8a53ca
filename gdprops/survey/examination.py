"""Examine one optimizer of a survey in its own process, which may hang, run out of memory or die.

The process sends every result to the main process at once, so that nothing is lost if it ends early.
"""

from __future__ import annotations

import os
import sys
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, final

from gdprops.clauses import catalogue
from gdprops.errors import UsageError, text_of
from gdprops.model.item import Item
from gdprops.model.json_form import verdict_to_dict
from gdprops.model.verdict import About, Verdict
from gdprops.runner.items import items_for
from gdprops.runner.session import check_items, measured_subject
from gdprops.subjects.user_code.isolation import isolated
from gdprops.survey.discovery import surveyed

if TYPE_CHECKING:
    from gdprops.runner.settings import Settings
    from gdprops.survey.survey_data import Job


@final
class Telling:
    """A watcher that sends everything to the main process as it happens."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel

    def tell(self, what: str, value: Any) -> None:
        """Send one message."""
        self._channel.send((what, value))

    def started(self, item: Item, total: int) -> None:
        """Send the clause that begins."""
        self.tell("started", item.clause.id)

    def example(self, count: int) -> None:
        """Send nothing: a survey does not show single examples."""

    def finished(self, verdict: Verdict) -> None:
        """Send a verdict."""
        self.tell("verdict", verdict_to_dict(verdict))


def examine(job: Job, settings: Settings, memory: float, channel: Connection) -> None:
    """Examine one optimizer, and send its name, its traits, every verdict and the CPU seconds through the channel."""
    _silence()
    limit_memory(memory)
    telling, began = Telling(channel), time.process_time()
    try:
        subject = surveyed(job.where, job.name, job.hyperparameters)
        telling.tell("subject", subject.name)
        with isolated():
            measured = measured_subject(subject, settings)
    except UsageError as error:
        telling.tell("unusable", text_of(error))
        return
    known = {key: trait.value for key, trait in measured.subject.traits}
    telling.tell("traits", {**known, "plain": measured.subject.traits.plain})
    items = [item for item in items_for(subject, list(catalogue())) if item.about is About.SUBJECT]
    check_items(measured, items, settings, telling)
    telling.tell("cpu", time.process_time() - began)


def _silence() -> None:
    """Discard everything that the optimizer prints: a survey shows one line for each optimizer."""
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(sink, number)


def limit_memory(gigabytes: float) -> None:
    """Limit the memory that this process may allocate, on platforms that have such a limit."""
    try:
        import resource
    except ImportError:  # Windows has no such module
        return
    size = int(gigabytes * 2**30)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))
