"""A scheduler of torch that a trainer has made, as a schedule: a copy of it follows a twin of the optimizer."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, final

NO_OPTIMIZER = object()
"""Stands for the optimizer of a scheduler that is kept."""


def follower(scheduler: Any) -> Callable[[Any], Any]:
    """Return a factory ``optimizer -> object with step()`` that makes copies of a scheduler which has not advanced."""
    held = _onto(scheduler, scheduler.optimizer, NO_OPTIMIZER)
    groups = [{k: v for k, v in group.items() if k != "params"} for group in scheduler.optimizer.param_groups]

    def follow(optimizer: Any) -> _Quiet:
        for mine, theirs in zip(optimizer.param_groups, groups, strict=True):
            mine.update(copy.deepcopy(theirs))
        return _Quiet(_onto(held, NO_OPTIMIZER, optimizer))

    return follow


def _onto(scheduler: Any, optimizer: Any, other: Any) -> Any:
    """Return a copy of a scheduler, and of all schedulers inside it, for another optimizer than its own."""
    return copy.deepcopy(scheduler, {id(optimizer): other})


@final
class _Quiet:
    """A scheduler whose ``step`` does not ask whether the optimizer has stepped before: a twin never does."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler

    def step(self) -> None:
        """Advance once."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._scheduler.step()
