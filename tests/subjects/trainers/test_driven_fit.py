"""A fit that runs beside its caller: one batch at a time, ended by its own limits, and without a trace when dropped."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import pytest

from gdprops.errors import Unsupported, UsageError
from gdprops.subjects.trainers.driven_fit import DrivenFit

pytestmark = pytest.mark.skipif(find_spec("greenlet") is None, reason="greenlet comes with each trainer's extra")


def test_a_fit_takes_one_batch_at_a_time_and_knows_how_many_there_are() -> None:
    seen = list[Any]()

    def fit(feed: Any) -> None:
        seen.append(len(feed))
        for batch in feed:
            seen.append(batch)

    driven = DrivenFit(fit, 5, "fit")
    assert seen == [5]
    driven.hand("first")
    assert seen == [5, "first"]
    driven.hand("second")
    assert seen == [5, "first", "second"]


def test_a_trainer_that_ends_by_its_limits_is_not_decided_any_more() -> None:
    def fit(feed: Iterable[Any]) -> None:
        next(iter(feed))

    driven = DrivenFit(fit, 5, "Trainer.fit")
    driven.hand("first")
    with pytest.raises(Unsupported) as told:
        driven.hand("second")
    assert str(told.value) == "Trainer.fit has ended after 1 batches, by its own limits"


def test_a_trainer_that_ignores_its_loader_is_one_line() -> None:
    with pytest.raises(UsageError) as told:
        DrivenFit(lambda feed: None, 5, "Trainer.fit")
    assert str(told.value) == (
        "Trainer.fit ended without asking for a batch: it ignores the loader that it is given, or its limits "
        "(max_steps, max_epochs, limit_train_batches) allow no step"
    )


def test_what_a_fit_raises_is_raised_where_the_batch_is_handed_over() -> None:
    def fit(feed: Iterable[Any]) -> None:
        for batch in feed:
            raise ValueError(batch)

    driven = DrivenFit(fit, 5, "fit")
    with pytest.raises(ValueError, match="the first"):
        driven.hand("the first")


def test_a_fit_that_is_dropped_ends_where_it_waits() -> None:
    ended = list[str]()

    def fit(feed: Iterable[Any]) -> None:
        try:
            list(feed)
        finally:
            ended.append("torn down")

    driven = DrivenFit(fit, 5, "fit")
    driven.hand("first")
    del driven
    assert ended == ["torn down"]
