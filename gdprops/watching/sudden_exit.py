"""A script that leaves by ``os._exit`` runs nothing of ours afterwards: what is to be told is told right before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def before_sudden_exit(tell: Callable[[int], int]) -> Iterator[None]:
    """Let ``os._exit`` call ``tell`` with the exit code first, and leave with the code that it returns.

    Forks of this process leave as they would have left.
    """
    leave, ours = os._exit, os.getpid()

    def tells_and_leaves(status: int) -> None:
        code = status
        try:
            if os.getpid() == ours:
                code = tell(status)
        finally:
            leave(code)

    os._exit = tells_and_leaves  # type: ignore[assignment] # it returns as little as os._exit does
    try:
        yield
    finally:
        if os._exit is tells_and_leaves:
            os._exit = leave
