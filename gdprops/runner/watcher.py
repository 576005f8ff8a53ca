"""The interface through which a run reports its progress, and a watcher that ignores it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from gdprops.model.item import Item
    from gdprops.model.verdict import Verdict


class Watcher(Protocol):
    """Receives the progress of a run."""

    def started(self, item: Item, total: int) -> None:
        """Note that an item begins, one of ``total`` about the subject or, as it may be, about the reference."""

    def example(self, count: int) -> None:
        """Note that ``count`` examples of the current item have been examined."""

    def finished(self, verdict: Verdict) -> None:
        """Note the verdict of an item."""


class Keeper(Watcher, Protocol):
    """A watcher that keeps the verdicts, so that an interrupted run can report what was found so far.

    ``printed``: the end of what the subject has printed, where it ran in a process of its own.
    """

    verdicts: list[Verdict]
    interrupted: bool
    printed: str


@final
class _Silent:
    def started(self, item: Item, total: int) -> None:
        """Say nothing."""

    def example(self, count: int) -> None:
        """Say nothing."""

    def finished(self, verdict: Verdict) -> None:
        """Say nothing."""


SILENT: Watcher = _Silent()
