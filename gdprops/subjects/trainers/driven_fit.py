"""A trainer's ``fit``, which takes one batch at a time: it runs until it asks for the next one, and waits there.

A trainer pulls its batches, and gdprops hands them over one by one and looks at the weights in between. So ``fit`` runs
in a greenlet of its own, in the thread of its caller: whoever watches the thread (torch's modes, the alarm that ends a
step that hangs) sees what the trainer does. A fit that nobody needs any more is ended where it waits.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from typing import Any, final

from gdprops.errors import Unsupported, UsageError


@final
class Feed:
    """What a trainer iterates over: each item is the batch that gdprops hands over next. It has a length.

    A loader without a length is read a batch ahead, to find out which batch is the last one.
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self._length):
            yield _next_batch()


def _next_batch() -> Any:
    """Return the batch that is handed over next: until then the caller of the fit goes on."""
    import greenlet

    return greenlet.getcurrent().parent.switch()


@final
class DrivenFit:
    """A ``fit`` that has started and waits for its next batch.

    Raises `UsageError` for a trainer that asks for no batch.
    """

    def __init__(self, fit: Callable[[Feed], Any], length: int, name: str) -> None:
        import greenlet

        self._current, self._taken, self._name = greenlet.getcurrent, 0, name
        self._fit = greenlet.greenlet(fit)
        self._fit.gr_context = contextvars.copy_context()
        self._fit.switch(Feed(length))
        if self._fit.dead:
            raise UsageError(
                f"{name} ended without asking for a batch: it ignores the loader that it is given, or its limits "
                "(max_steps, max_epochs, limit_train_batches) allow no step"
            )

    def hand(self, batch: Any) -> None:
        """Let the trainer have one batch, and run until it asks for another one or ends.

        Raises `Unsupported` after the last one.
        """
        if self._fit.dead:
            raise Unsupported(f"{self._name} has ended after {self._taken} batches, by its own limits")
        self._taken += 1
        self._fit.parent = self._current()
        self._fit.switch(batch)
