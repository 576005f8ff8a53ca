"""Who wants to see a run's progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict
    from gdprops.runner.items import Item


class Watcher(Protocol):
    """Who wants to see a run's progress."""

    def started(self, item: Item, index: int, total: int) -> None:
        """An item begins."""

    def example(self, count: int) -> None:
        """An example was examined."""

    def finished(self, verdict: Verdict) -> None:
        """An item has its verdict."""


class Keeper(Watcher, Protocol):
    """A watcher that keeps the verdicts, so that an interrupted run has what was found so far."""

    verdicts: list[Verdict]
    interrupted: bool


@final
class _Silent:
    def started(self, item: Item, index: int, total: int) -> None:
        """Say nothing."""

    def example(self, count: int) -> None:
        """Say nothing."""

    def finished(self, verdict: Verdict) -> None:
        """Say nothing."""


SILENT: Watcher = _Silent()
