"""Cases of the optimizer chapter: tensors of several shapes, and the gradients that are fed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from gdprops.model.case import UpdateCase
from gdprops.strategies.dealing import dealt
from gdprops.strategies.optimizer_setups import VERY_LONG, long_run, plan, repeated
from gdprops.strategies.values import Deck, as_precision, decimals, decks, dyadics

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from gdprops.model.arrays import Array
    from gdprops.model.domain import Domain

SHAPES: tuple[tuple[int, ...], ...] = ((2,), (2, 2), (1,), (3, 2), (3,), (1, 3), (), (2, 3), (1, 2, 1, 2), (0,))
_FALLBACK = ((2, 2), (3, 2), (1, 3), (2, 3))
_LAPS = (1.0, 0.5, 0.25)
Fed = tuple[tuple["Array | None", ...], ...]
_SCALES = (1.0, 1.0, 1.0, 2.0**-8, 2.0**6)
MOST_TENSORS = 5


@final
@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed may contain.

    ``missing``: some gradients are None at some step. ``absent``: in every case some gradients are missing, at the
    first step, at the second, at all steps, or all of one step. ``zeros``: dead entries and tensors. ``options``:
    further hyperparameters are switched on. ``own_rate``: now and then the user's own learning rate stays. ``frozen``:
    one tensor has requires_grad=False. ``unusual``: empty tensors, and tensors of 0 and 4 dimensions, occur too.
    ``mixed``: every other tensor is in float32, now and then or (``mixed_always``) always, where the subject takes both
    dtypes. ``transposed``: some matrices are not contiguous (a crash on these would break every clause, so most feeds
    have none). ``longest``: some feeds are long, up to so many steps, with repeated or constant gradients.
    ``often_long``: one feed in eight is as long as that.
    """

    least_steps: int = 2
    most_steps: int = 4
    missing: bool = False
    zeros: bool = True
    options: bool = True
    groups: bool = True
    own_rate: bool = True
    frozen: bool = False
    unusual: bool = True
    transposed: bool = False
    mixed: bool = False
    mixed_always: bool = False
    absent: bool = False
    longest: int = 0
    often_long: bool = False


def feeds(domain: Domain, feed: Feed = Feed()) -> SearchStrategy[UpdateCase]:
    """Return a strategy for three to five tensors, two of them of equal shape, and the gradients of 2 to 4 steps.

    Shrinks towards three vectors of two ones, gradients of ones, eta = ½.
    """
    return dealt(2, _feed, domain, feed)


def _feed(draw: DrawFn, domain: Domain, feed: Feed) -> UpdateCase:
    head = draw(decks())
    precision = domain.precisions[head.happens(3) * (len(domain.precisions) - 1)]
    shapes, steps = (
        _shapes(head, domain, feed),
        domain.waits + feed.least_steps + head.choose(feed.most_steps - feed.least_steps + 1),
    )
    numbers = decimals(2.0) if head.happens(3) else dyadics(2, 2.0)
    values = draw(decks())
    tensors = _tensors(values, numbers, shapes, precision, transposed=head.happens(6) and feed.transposed)
    fed = _prolonged(_gradients(values, numbers, shapes, steps, head, feed, domain, precision), head, feed)
    frozen = frozenset({head.choose(len(shapes))}) if feed.frozen else frozenset[int]()
    setup = plan(
        head, domain, len(shapes), groups=feed.groups, options=feed.options, own_rate=feed.own_rate, frozen=frozen
    )
    order = tuple(head.take(MOST_TENSORS))
    factor = (2.0, 8.0, 10.0, 100.0)[head.choose(4)]
    case = UpdateCase(tensors, fed, setup, precision, order, factor)
    both = feed.mixed_always or (head.last().happens(5) and feed.mixed)
    return _mixed(case) if both and len(domain.precisions) > 1 else case


def _mixed(case: UpdateCase) -> UpdateCase:
    """Return the case with every other tensor, and its gradients, in float32, and the others in float64."""
    precisions = [24 if i % 2 else 53 for i in range(len(case.tensors))]
    tensors = tuple(as_precision(w, p) for w, p in zip(case.tensors, precisions, strict=True))
    fed = tuple(
        tuple(None if g is None else as_precision(g, p) for g, p in zip(step, precisions, strict=True))
        for step in case.gradients
    )
    return replace(case, tensors=tensors, gradients=fed, precision=min(precisions))


def _shapes(deck: Deck, domain: Domain, feed: Feed) -> tuple[tuple[int, ...], ...]:
    """Return three to five shapes, the first two equal."""
    allowed = [
        shape
        for shape in (SHAPES if feed.unusual else SHAPES[:6])
        if (domain.dimensions is None or len(shape) in domain.dimensions) and (0 not in shape or domain.empty)
    ] or list(_FALLBACK)
    more, first, *others = 1 + deck.choose(3), *(allowed[deck.choose(len(allowed))] for _ in range(4))
    first = allowed[0] if 0 in first else first
    return (first, first, *others[:more])


def _tensors(
    values: Deck, numbers: Array, shapes: Sequence[tuple[int, ...]], precision: int, *, transposed: bool
) -> tuple[Array, ...]:
    tensors = [as_precision(values.numbers(numbers, shape), precision) for shape in shapes]
    return tuple(np.asfortranarray(w) if transposed and w.ndim == 2 else w for w in tensors)


def _gradients(
    values: Deck,
    numbers: Array,
    shapes: Sequence[tuple[int, ...]],
    steps: int,
    deck: Deck,
    feed: Feed,
    domain: Domain,
    precision: int,
) -> tuple[tuple[Array | None, ...], ...]:
    scale = _SCALES[deck.choose(len(_SCALES))]
    dead, which, late = deck.happens(4), deck.choose(251), deck.choose(251)
    absent = deck.happens(2)
    fed = []
    for t in range(steps):
        step: list[Array | None] = [as_precision(values.numbers(numbers, s) * scale, precision) for s in shapes]
        if feed.zeros and dead:
            step[which % len(shapes)] = as_precision(np.zeros(shapes[which % len(shapes)]), precision)
        if feed.missing and domain.missing and absent and (late + t) % 3 == 0:
            step[late % len(shapes)] = None
        fed.append(tuple(step))
    return _with_absent(fed, late, which) if feed.absent else tuple(fed)


def _with_absent(fed: Sequence[tuple[Array | None, ...]], tensor: int, how: int) -> Fed:
    """Remove gradients: of one tensor at the first, the second or all steps, or all gradients of the second step."""
    i, manner = tensor % len(fed[0]), how % 4
    gone = {0: {(0, i)}, 1: {(1, i)}, 2: {(t, i) for t in range(len(fed))}, 3: {(1, k) for k in range(len(fed[0]))}}
    return tuple(tuple(None if (t, k) in gone[manner] else g for k, g in enumerate(step)) for t, step in enumerate(fed))


def _prolonged(fed: Fed, deck: Deck, feed: Feed) -> Fed:
    """Make some feeds long: repeat all gradients at 1, 1/2 and 1/4 of their size, or only the first step's."""
    long = long_run(deck, feed.longest, often=feed.often_long)
    if long == VERY_LONG:
        return repeated(fed[:1], long)
    return tuple(
        tuple(None if g is None else np.asarray(g * g.dtype.type(_LAPS[t // len(fed) % 3])) for g in step)
        for t, step in enumerate(repeated(fed, max(long, len(fed))))
    )
