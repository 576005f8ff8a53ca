"""Draws how an optimizer is set up: one or two parameter groups, learning rates, further hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from gdprops.model.case import Plan
from gdprops.model.optional_hyperparameters import with_required
from gdprops.strategies.values import Deck

if TYPE_CHECKING:
    from gdprops.model.domain import Domain

T = TypeVar("T")

RATES = (0.5, 0.25, 0.125, 1.0, 0.75, 0.375)
"""Dyadic learning rates up to 1, none below 1/8; the most readable first."""

SLOW = 2.0**-8
"""The factor on learning rates in long loops, which would otherwise diverge before anything late can happen."""
LONG, VERY_LONG = 12, 100
"""The steps of a long and a very long run: known rules switch once at the sixth step, or at the hundredth."""
_LONG_RUNS = (0,) * 20 + (LONG, LONG, LONG, VERY_LONG)


def long_run(deck: Deck, most: int) -> int:
    """Return how many steps a long run has, 0 for a short one: one run in eight is long, one in 24 very long."""
    return min(_LONG_RUNS[deck.last(2).choose(len(_LONG_RUNS))], most)


def repeated(parts: Sequence[T], steps: int) -> tuple[T, ...]:
    """Return the parts over and over again, one for each step."""
    return tuple(parts[t % len(parts)] for t in range(steps))


def plan(
    deck: Deck,
    domain: Domain,
    tensors: int,
    *,
    groups: bool = True,
    options: bool = True,
    own_rate: bool = True,
    frozen: frozenset[int] = frozenset(),
    slow: bool = False,
) -> Plan:
    """Return a plan for this number of tensors, decided by a deck.

    One plan in five leaves the user's own learning rate untouched, and so do all where it cannot be set. Shrinks
    towards one group at eta = ½ with nothing else switched on.
    """
    untouched, split, at = deck.happens(5), deck.happens(3), deck.choose(251)
    first, second = deck.choose(len(RATES)), deck.choose(len(RATES))
    chosen = [name for name in sorted(domain.options) if deck.happens(3)]
    everything = tuple(range(tensors))
    cut = 1 + at % (tensors - 1) if tensors > 1 and split and groups and domain.groups else tensors
    parts = tuple(part for part in (everything[:cut], everything[cut:]) if part)
    rates = tuple(rate * (SLOW if slow else 1) for rate in (RATES[first], RATES[second])[: len(parts)])
    switched = {name: domain.options[name] for name in with_required(chosen)} if options else {}
    return Plan(parts, None if (untouched and own_rate) or not domain.rate else rates, switched, frozen)
