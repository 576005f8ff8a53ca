"""Display a line of progress: often at the bottom of a terminal, rarely in a log, or not at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from rich.console import Group
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

LIVE_INTERVAL = 0.1
"""Seconds between two updates of the line in a terminal: short enough to look alive, long enough to cost nothing."""

PLAIN_INTERVAL = 10.0
"""Seconds between two lines in a log: a long run prints few lines, and a short run prints none."""

Clock = Callable[[], float]
Show = Callable[[str], None]


@final
class Display:
    """Shows a line at most once per ``interval`` seconds, and the first line after ``delay`` seconds.

    ``keeps``: one line may stand above all later ones, where lines replace each other.
    """

    def __init__(
        self,
        show: Show,
        *,
        interval: float,
        delay: float = 0.0,
        clock: Clock = time.monotonic,
        keeps: bool = False,
    ) -> None:
        self._show, self._keeps, self._above = show, keeps, ""
        self._interval = interval
        self._clock = clock
        self._began = clock()
        self._due = self._began + delay

    def tell(self, line: str) -> None:
        """Show a line with the seconds since the beginning, or drop it if the last line is too recent."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + self._interval
        self._show(f"{self._above}{line}, {int(now - self._began)} s")

    def keep(self, line: str) -> None:
        """Show a line above all later ones, where this display keeps one: what was found need not wait for the end."""
        if self._keeps:
            self._above, self._due = f"{line}\n", self._began


@contextmanager
def displaying(console: Console, *, quiet: bool = False) -> Iterator[Display]:
    """Yield the display that suits a console; in a terminal, the line is removed at the end."""
    if quiet:
        yield Display(lambda line: None, interval=math.inf)
    elif not (console.is_terminal and console.is_interactive):
        yield Display(_printing(console), interval=PLAIN_INTERVAL, delay=PLAIN_INTERVAL)
    else:
        with _live(console) as live:
            display = Display(_rewriting(live), interval=LIVE_INTERVAL, keeps=True)
            display.tell("loading")
            yield display


def _live(console: Console) -> Live:
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)


def _rewriting(live: Live) -> Show:
    def show(text: str) -> None:
        kept, _, line = text.rpartition("\n")
        last = Text(line, no_wrap=True, overflow="ellipsis")
        live.update(Group(Text(kept), last) if kept else last, refresh=True)

    return show


def _printing(console: Console) -> Show:
    return lambda line: console.print(Text(f"gdprops: {line}"), soft_wrap=True)
