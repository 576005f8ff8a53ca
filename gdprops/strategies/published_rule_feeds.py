"""Cases of the published chapter: gradients around 1, around ε and falling steeply, with the rule's options on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gdprops.model.case import UpdateCase
from gdprops.strategies.dealing import dealt
from gdprops.strategies.gradient_feeds import SHAPES
from gdprops.strategies.optimizer_setups import plan
from gdprops.strategies.values import Deck, as_precision, decimals, decks, dyadics

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from gdprops.model.arrays import Array
    from gdprops.model.domain import Domain

_MATRICES = ((3, 2), (2, 3))
_TALL = (3, 1)
_FALLS = (1.0, 1.0, 2.0**-8)
"""The factors by which a gradient changes from the first step to the second: a kept maximum shows where it falls."""
_SIZES = (1.0, 1.0, 2.0**-6, 2.0**6)


def rule_feeds(domain: Domain, steps: tuple[int, int]) -> SearchStrategy[UpdateCase]:
    """Return a strategy for three or four tensors and their gradients; ``steps`` are the fewest and the most steps.

    The rule's options are on in four of five cases. In the others the user's own hyperparameters stay as they are, and
    the gradients have sizes at which these matter. Shrinks towards vectors of ones.
    """
    return dealt(2, _rule_feed, domain, steps)


def _rule_feed(draw: DrawFn, domain: Domain, steps: tuple[int, int]) -> UpdateCase:
    head, values = draw(decks()), draw(decks())
    precision = domain.precisions[head.happens(3) * (len(domain.precisions) - 1)]
    count, own = steps[0] + head.choose(steps[1] - steps[0] + 1), head.happens(5) or not domain.rule_options
    shapes = _shapes(head, domain)
    numbers = decimals(2.0) if head.happens(3) else dyadics(2, 2.0)
    tensors = tuple(as_precision(values.numbers(numbers, s), precision) for s in shapes)
    fed = _gradients(values, numbers, shapes, count, head, domain.rule_scales if own else _SIZES, precision)
    setup = plan(head, replace(domain, options={}), len(shapes), own_rate=own)
    setup = setup if own else replace(setup, options=dict(domain.rule_options))
    return UpdateCase(tensors, fed, setup, precision)


def _shapes(deck: Deck, domain: Domain) -> tuple[tuple[int, ...], ...]:
    """Return three or four shapes, one a matrix; where not all dimensions are accepted, one is a tall matrix."""
    allowed = [s for s in SHAPES if (domain.dimensions is None or len(s) in domain.dimensions) and 0 not in s]
    chosen = [allowed[deck.choose(len(allowed))] for _ in range(2 + deck.choose(2))]
    matrix = _MATRICES[deck.choose(2)]
    return (*chosen, matrix) if domain.dimensions is None else (_TALL, *chosen[1:], matrix)


def _gradients(
    values: Deck,
    numbers: Array,
    shapes: tuple[tuple[int, ...], ...],
    count: int,
    deck: Deck,
    sizes: tuple[float, ...],
    precision: int,
) -> tuple[tuple[Array, ...], ...]:
    start = [sizes[deck.choose(len(sizes))] for _ in shapes]
    falls = [_FALLS[deck.choose(len(_FALLS))] for _ in shapes]
    fed = []
    for t in range(count):
        scales = [size * (fall if t else 1.0) for size, fall in zip(start, falls, strict=True)]
        step = [np.asarray(values.numbers(numbers, s) * k) for s, k in zip(shapes, scales, strict=True)]
        fed.append(tuple(as_precision(g, precision) for g in step))
    return tuple(fed)
