"""How far a run is: one line that rewrites itself in a terminal, a sparse line now and then elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, final

from rich.live import Live
from rich.text import Text

from gdprops.model.verdict import Status
from gdprops.report.words import plural

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.verdict import Verdict
    from gdprops.runner.session import Item, Watcher

LIVE_INTERVAL = 0.1
"""Seconds between two redrawings in a terminal: enough to be seen moving, too few to cost anything."""

PLAIN_INTERVAL = 10.0
"""Seconds between two lines elsewhere: a log of a long run stays short, a short run prints none."""

Clock = Callable[[], float]


class Display(Protocol):
    """Where a line of progress goes."""

    def show(self, line: str) -> None:
        """Show this line, in place of the last one where that is possible."""


@final
class Progress:
    """Watches a run and tells a display about it, at most once per interval; keeps the verdicts.

    Where the run is interrupted, ``verdicts`` holds what was found so far.
    """

    def __init__(
        self, display: Display, *, interval: float, delay: float = 0.0, clock: Clock = time.monotonic
    ) -> None:
        self._display = display
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._due = self._began + delay
        self._current = ""
        self._total = 0
        self.verdicts: list[Verdict] = []

    def started(self, item: Item, index: int, total: int) -> None:
        """Note which clause runs now."""
        self._total = total
        self._current = item.clause.id
        self._tell("")

    def example(self, count: int) -> None:
        """Note how many examples of it were tried."""
        self._tell(f", {plural(count, 'example')}")

    def finished(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts.append(verdict)
        self._tell("")

    def _tell(self, detail: str) -> None:
        now = self._clock()
        if now < self._due:
            return
        self._due = now + self._interval
        seconds = int(now - self._began)
        self._display.show(
            f"{len(self.verdicts)} of {self._total}{self._red()} {self._current}{detail}, {seconds} s"
        )

    def _red(self) -> str:
        red = sum(verdict.status in (Status.VIOLATED, Status.ABORTED) for verdict in self.verdicts)
        return f" ({red} violated)" if red else ""


@final
class LiveDisplay:
    """A line at the bottom of a terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, line: str) -> None:
        """Rewrite the line."""
        self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)


@final
class PlainDisplay:
    """Lines of a log."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, line: str) -> None:
        """Print the line."""
        self._console.print(Text(f"gdprops: {line}"), soft_wrap=True)


@final
class NoDisplay:
    """Nowhere."""

    def show(self, line: str) -> None:
        """Drop the line."""


@contextmanager
def progress(console: Console, *, quiet: bool = False) -> Iterator[Progress]:
    """Watch a run on this console; the line in a terminal is gone afterwards."""
    if quiet:
        yield Progress(NoDisplay(), interval=math.inf)
    elif not (console.is_terminal and console.is_interactive):
        yield Progress(PlainDisplay(console), interval=PLAIN_INTERVAL, delay=PLAIN_INTERVAL)
    else:
        with _live(console) as live:
            display = LiveDisplay(live)
            display.show("loading")
            yield Progress(display, interval=LIVE_INTERVAL)


def _live(console: Console) -> Live:
    return Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    )


def as_watcher(watching: Progress) -> Watcher:
    """Return the same object under the engine's name for it (checked by mypy)."""
    return watching
