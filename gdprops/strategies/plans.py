"""How an optimizer is set up: one or two parameter groups, learning rates, further hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model.case import Plan
from gdprops.strategies.values import Deck

if TYPE_CHECKING:
    from gdprops.model.subject import Domain

RATES = (0.5, 0.25, 0.125, 1.0, 0.75, 0.375)
"""Dyadic learning rates up to 1, none below 1/8; the most readable first."""


def plan(
    deck: Deck,
    domain: Domain,
    tensors: int,
    *,
    groups: bool = True,
    options: bool = True,
    own_rate: bool = True,
    frozen: frozenset[int] = frozenset(),
) -> Plan:
    """Return a plan for so many tensors, decided by a deck.

    One in five leaves the user's own learning rate untouched, and so do all where there is no access to it. Shrinks
    towards one group at eta = ½ with nothing else switched on.
    """
    untouched, split, at = deck.happens(5), deck.happens(3), deck.choose(251)
    first, second = deck.choose(len(RATES)), deck.choose(len(RATES))
    chosen = [name for name in sorted(domain.options) if deck.happens(3)]
    everything = tuple(range(tensors))
    cut = 1 + at % (tensors - 1) if tensors > 1 and split and groups and domain.groups else tensors
    parts = tuple(part for part in (everything[:cut], everything[cut:]) if part)
    rates = tuple((RATES[first], RATES[second])[: len(parts)])
    switched = {name: domain.options[name] for name in chosen} if options else {}
    return Plan(parts, None if (untouched and own_rate) or not domain.rate else rates, switched, frozen)
