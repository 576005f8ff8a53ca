"""Cases of the step chapter: a network, the batches of a short training loop, and how the optimizer is set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from hypothesis import strategies as st

from gdprops.model.case import TrainCase
from gdprops.model.network import Batch, Point
from gdprops.numerics.losses import LOSSES
from gdprops.strategies import networks
from gdprops.strategies.certified import Drawn, liven
from gdprops.strategies.networks import FILLING, Filling, Style, blueprint, fill_batch
from gdprops.strategies.plans import PLAN_CARDS, plan
from gdprops.strategies.values import Deck, cards, choices

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gdprops.model.subject import Domain


@final
@dataclass(frozen=True, slots=True)
class Loop:
    """What a training loop may contain."""

    least_steps: int = 2
    most_steps: int = 4
    least_depth: int = 2
    options: bool = False
    groups: bool = True
    own_rate: bool = True
    same_batch: bool = False
    smooth: bool = False
    double: bool = False


def loops(domain: Domain, loop: Loop = Loop()) -> st.SearchStrategy[TrainCase]:
    """Return a strategy for networks with 2 to 4 batches.

    Shrinks towards two layers of one weight 1, x = 1, y = 0, eta = ½.
    """

    @st.composite
    def build(draw: DrawFn) -> TrainCase:
        exact = loop.smooth is False and draw(choices(2)) == 0
        precision = 53 if loop.double else domain.precisions[(draw(choices(4)) == 3) * (len(domain.precisions) - 1)]
        style = _style(loop, exact=exact)
        drawn, filling = Drawn(draw, style), FILLING if exact else Filling(decimal=True)
        point = drawn.point(style, filling, precision)
        steps = loop.least_steps + draw(choices(loop.most_steps - loop.least_steps + 1))
        batches = [point.batch] * steps if loop.same_batch else _batches(draw, drawn, point, filling, steps, precision)
        deck, moving = Deck(draw(cards(PLAN_CARDS))), len(point.tensors)
        frozen = frozenset(i for i, trains in enumerate(point.network.trainable) if not trains)
        setup = plan(
            deck, domain, moving, groups=loop.groups, options=loop.options, own_rate=loop.own_rate, frozen=frozen
        )
        return TrainCase(point.network, point.tensors, tuple(batches), setup, precision)

    return build()


def _style(loop: Loop, *, exact: bool) -> Style:
    style = Style(least_depth=loop.least_depth, most_depth=3, kink_free=loop.smooth)
    if exact:
        return style
    return replace(style, activations=networks.SMOOTH if loop.smooth else networks.ROUNDED, losses=LOSSES)


def _batches(
    draw: DrawFn, drawn: Drawn, point: Point, filling: Filling, steps: int, precision: int
) -> Sequence[Batch]:
    """Return the point's batch and further ones of the same form."""
    form = blueprint(Deck(drawn.cards), drawn.style)
    data = draw(cards(form.batch_cards * (steps - 1)))
    size = form.batch_cards
    more = [fill_batch(form, Deck(data[t * size : (t + 1) * size]), filling, precision) for t in range(steps - 1)]
    return [point.batch, *(liven(point.on(batch)).batch for batch in more)]

