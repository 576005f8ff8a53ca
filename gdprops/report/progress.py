"""Show the progress of a run, and keep the verdicts found so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from gdprops.model.ending import ALARMS, count_endings, in_words
from gdprops.model.verdict import About
from gdprops.model.wording import on_one_line, plural
from gdprops.report.progress_display import displaying

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.item import Item
    from gdprops.model.verdict import Verdict
    from gdprops.report.progress_display import Display
    from gdprops.runner.watcher import Keeper


@final
class Progress:
    """A watcher that shows the progress of a run on a display and keeps the verdicts.

    If the run is interrupted, ``verdicts`` contains what was found so far. In a terminal the first failed clause is
    told at once, above the line of progress; the report tells it in full.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._current = ""
        self._about = About.SUBJECT
        self._total = 0
        self._found = False
        self.verdicts: list[Verdict] = []
        self.interrupted = False
        self.printed = ""

    def started(self, item: Item, total: int) -> None:
        """Show which clause runs now."""
        self._total, self._about = total, item.about
        self._current = item.clause.id
        self._tell()

    def example(self, count: int) -> None:
        """Show how many examples of the running clause were examined."""
        self._tell(f", {plural(count, 'example')}")

    def finished(self, verdict: Verdict) -> None:
        """Keep the verdict of a clause that has finished."""
        self.verdicts.append(verdict)
        if not self._found and verdict.about is About.SUBJECT and verdict.failed:
            self._found = True
            told = on_one_line(verdict.explanation or verdict.reason or verdict.statement)
            self._display.keep(f"{verdict.status.upper()} {verdict.clause}: {told}")
        self._tell()

    def _tell(self, detail: str = "") -> None:
        told = [verdict for verdict in self.verdicts if verdict.about is self._about]
        alarms = {ending: count for ending, count in count_endings(told).items() if ending in ALARMS}
        so_far = f" ({', '.join(in_words(alarms))})" if any(alarms.values()) else ""
        whose = "reference: " if self._about is About.REFERENCE else ""
        done = f"{whose}{len(told)} of {plural(self._total, 'clause')} done{so_far}"
        self._display.tell(f"{done}, now {self._current}{detail}")


@contextmanager
def progress(console: Console, *, quiet: bool = False) -> Iterator[Progress]:
    """Yield a watcher that shows the progress of a run on this console."""
    with displaying(console, quiet=quiet) as display:
        yield Progress(display)


def as_keeper(watching: Progress) -> Keeper:
    """Return the watcher typed as `Keeper`, so that mypy checks that it implements the engine's protocol."""
    return watching
