"""Training loops on the user's own models and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gdprops.model.case import OwnCase, Plan
from gdprops.strategies.values import CARDS, Deck

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gdprops.model.domain import Domain, OwnSource
    from gdprops.strategies.loop import Loop

FIRST = 4
"""The first batch has one of the indices 0 to 3."""


def own_loops(domain: Domain, source: OwnSource, loop: Loop) -> st.SearchStrategy[OwnCase]:
    """Return a strategy for weights and batches of the user's own model; what ``loop`` says of networks is ignored.

    Shrinks towards the batches from index 0 on, and weights that lie a tenth of their spread above their mean.
    """

    @st.composite
    def build(draw: DrawFn) -> OwnCase:
        cards = draw(st.binary(min_size=CARDS, max_size=CARDS))
        deck = Deck(cards[::-1])
        model = None if source.models is None else draw(source.models)
        steps = loop.steps(deck)
        first = deck.choose(FIRST)
        windows = _windows(domain, deck, 1 if loop.same_batch else steps)
        batches = tuple(
            tuple(first + k if source.batches is None else draw(source.batches) for k in window) for window in windows
        )
        plan = Plan((), seed=deck.choose(251))
        return OwnCase(cards, batches * (steps if loop.same_batch else 1), plan, domain.precisions[0], model)

    return build()


def _windows(domain: Domain, deck: Deck, steps: int) -> list[range]:
    """Return the indices of every window's micro-batches; the last window may be short where steps are told of it."""
    sizes = [domain.window] * (steps - 1) + [domain.window - (domain.tells_last and deck.choose(2))]
    return [range(sum(sizes[:t]), sum(sizes[: t + 1])) for t in range(steps)]
