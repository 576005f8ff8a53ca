"""Clauses that deal their cases from as many decks look through the decks that the first of them has drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import gdprops
from gdprops.clauses import catalogue
from gdprops.model.evidence import Evidence, agreement, violation
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.runner import stocks
from gdprops.runner.search import Finding, search
from gdprops.runner.session import run_item
from gdprops.runner.settings import Settings
from gdprops.runner.stocks import KEPT_STOCKS, search_dealt, stock_of
from gdprops.strategies.dealing import Dealing, dealing_of, dealt
from gdprops.strategies.values import decks

SEED = 5


def number(draw: Any, most: int) -> int:
    held: int = draw(decks()).choose(most)
    return held


@pytest.fixture(autouse=True)
def _no_stocks() -> Iterator[None]:
    stocks._STOCKS.clear()
    yield
    stocks._STOCKS.clear()


def dealing(most: int) -> Dealing:
    found = dealing_of(dealt(1, number, most))
    assert found is not None
    return found


def at_most(most: int) -> Callable[[int], Evidence]:
    return lambda case: violation("too large") if case > most else agreement()


def found_by(examine: Callable[[int], Evidence], most: int = 200, **told: Any) -> Finding:
    return search_dealt(examine, dealing(most), examples=30, seed=SEED, **told)


def into(seen: list[int]) -> Callable[[int], Evidence]:
    def examine(case: int) -> Evidence:
        seen.append(case)
        return agreement()

    return examine


def fill() -> None:
    found_by(at_most(255))
    assert len(stock_of(SEED, 1, 30).hands) == 30


def test_the_next_clause_sees_what_a_search_of_its_own_would_draw() -> None:
    alone, seen = list[int](), list[int]()
    search(into(alone), dealt(1, number, 100), examples=30, seed=SEED)
    fill()
    found = found_by(into(seen), 100)
    assert seen == alone
    assert (found.examples, found.decisive, found.evidence) == (30, 30, None)


def test_a_violation_is_shrunk_as_in_a_search_of_its_own() -> None:
    alone = search(at_most(90), dealt(1, number, 100), examples=30, seed=SEED)
    fill()
    found = found_by(at_most(90), 100)
    assert (found.case, found.examples, found.evidence) == (alone.case, alone.examples, alone.evidence)
    assert found.case == 91
    assert not found.unsteady


def test_no_case_before_the_violation_is_examined_twice() -> None:
    fill()
    seen = list[int]()

    def examine(case: int) -> Evidence:
        seen.append(case)
        return at_most(90)(case)

    examples = found_by(examine, 100).examples
    assert examples > 2
    assert all(case > 90 for case in seen[examples - 1 : examples + 1])


def test_a_violation_that_does_not_come_again_is_still_told() -> None:
    fill()
    told = list[int]()

    def examine(case: int) -> Evidence:
        told.append(case)
        return violation("once") if len(told) == 12 else agreement()

    found = found_by(examine)
    assert found.unsteady
    assert found.evidence is not None
    assert found.evidence.reason == "once"


def test_nothing_is_kept_of_a_search_that_ended_early() -> None:
    found_by(at_most(3))
    assert stock_of(SEED, 1, 30).hands == []


def test_our_own_exception_is_a_finding() -> None:
    fill()

    def examine(case: int) -> Evidence:
        raise ZeroDivisionError

    assert "ZeroDivisionError" in (found_by(examine).bug or "")


def test_without_shrinking_the_first_violation_is_returned() -> None:
    alone = search(at_most(90), dealt(1, number, 100), examples=30, seed=SEED, shrink=False)
    fill()
    found = found_by(at_most(90), 100, shrink=False)
    assert (found.case, found.examples) == (alone.case, alone.examples)


def test_only_a_few_stocks_are_kept() -> None:
    for seed in range(KEPT_STOCKS + 1):
        stock_of(seed, 1, 30)
    assert len(stocks._STOCKS) == KEPT_STOCKS


def test_random_numbers_begin_alike_in_every_example() -> None:
    fill()
    found = set[float]()

    def examine(case: int) -> Evidence:
        found.add(random.random())
        return agreement()

    found_by(examine)
    assert len(found) == 1


def test_a_clause_alone_and_after_others_gives_one_verdict() -> None:
    names = ["gradient.matches-loss", "gradient.pure", "sequential.first-block", "sequential.diverges"]
    settings = Settings(seed=2, reference_examples=4)
    items = [Item(catalogue()[name], About.REFERENCE) for name in names]
    together = [_counts(item, settings) for item in items]
    for item, seen in zip(items, together, strict=True):
        stocks._STOCKS.clear()
        assert _counts(item, settings) == seen


def _counts(item: Item, settings: Settings) -> tuple[Any, ...]:
    found = run_item(gdprops.optimizer("torch.optim:SGD", lr=0.1), item, settings)
    return found.status, found.examples, found.decisive
