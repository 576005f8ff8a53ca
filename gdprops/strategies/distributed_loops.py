"""Cases of the chapter distributed: short training loops whose batches are dealt to ranks.

Every rank has other rows, and gradients that are not zero: a step that reduces nothing would otherwise pass. Numbers
are short, and the rows of all ranks together a power of two where the world is one, so that most first steps are exact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gdprops.model.case import WITNESS, OwnCase, Plan, RanksCase, TrainCase
from gdprops.model.rank_mesh import PIPELINE, TENSOR, size_of
from gdprops.numerics.decisions import DOUBLE
from gdprops.numerics.reached_rows import branched
from gdprops.strategies.certified_cases import Drawn
from gdprops.strategies.networks import Filling, Style
from gdprops.strategies.optimizer_setups import RATES
from gdprops.strategies.own_model_loops import FIRST
from gdprops.strategies.training_loops import moderate
from gdprops.strategies.values import CARDS, Deck, decks

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gdprops.model.domain import Domain
    from gdprops.model.rank_mesh import Mesh

LOSS = "half-sse-per-row"
SIZES = (1, 2, 4)
"""How many rows of a micro-batch each rank has, where all have equally many."""
MOST_STEPS = 4
SAVED_ROWS = 2
"""So many micro-batches' rows each rank has at least of a training that is saved: twice as many ranks may load it."""
PIPELINED_SIZES = (4, 8)
"""How many rows ranks of a pipeline have: schedules divide them into two or four micro-batches."""
SHORT, EXACT = Filling(1, 2.0), Filling(2, 1.0)


def distributed_loops(domain: Domain) -> st.SearchStrategy[RanksCase]:
    """Return a strategy for networks with 1 to 4 batches, dealt to the ranks of a world; in one of two a tensor rests.

    In two of three there is a witness, by whose buffers and random numbers ranks are compared.

    Shrinks towards one step of two layers of one weight 1 on the smallest world, one row for each rank.
    """

    @st.composite
    def build(draw: DrawFn) -> RanksCase:
        deck = draw(decks())
        world = domain.worlds[deck.choose(len(domain.worlds))]
        parts = _parts(deck, world, domain)
        steps = 1 + deck.choose(MOST_STEPS)
        if domain.own_rows:
            return _own_loop(draw, deck, domain, (world, domain.own_parts(world)), steps)
        case = _loop(draw, deck, domain, (world, parts), steps)
        return replace(case, added=WITNESS if deck.choose(3) and not _is_pipelined(domain) else "")

    return build()


def resumed_loops(domain: Domain) -> st.SearchStrategy[RanksCase]:
    """Return a strategy for networks with 2 to 4 batches: after 1 or 2 of them the smallest world saves the training.

    Shrinks towards two steps, loaded on as many ranks.
    """

    @st.composite
    def build(draw: DrawFn) -> RanksCase:
        deck = draw(decks())
        loads_on = domain.loads_on[deck.choose(len(domain.loads_on))]
        saved_after = 1 + deck.choose(2)
        world = min(domain.worlds)
        counts = [domain.count_of_parts(n) for n in (world, loads_on)]
        rows = _least_saved(domain) * counts[0] * domain.window * (1 + deck.choose(2))
        steps = saved_after + 1 + deck.choose(2)
        make = _own_loop if domain.own_rows else _loop
        if domain.own_rows:
            whole = domain.window * max(map(domain.count_of_parts, (world, *domain.loads_on)))
            rows = domain.own_rows // whole * whole
        case = make(draw, deck, domain, (world, dealt(rows, counts[0])), steps)
        loading = dealt(rows, counts[1])
        return replace(case, saved_after=saved_after, resumed=loading, resumed_mesh=domain.mesh_of(loads_on))

    return build()


def branched_loops(domain: Domain) -> st.SearchStrategy[RanksCase]:
    """Return a strategy for networks with 1 to 3 batches and a parameter that the rows of some ranks reach.

    In one of four examples no rank reaches it. Shrinks towards one step of which rank 0 alone reaches it.
    """

    @st.composite
    def build(draw: DrawFn) -> RanksCase:
        deck = draw(decks())
        world = domain.worlds[deck.choose(len(domain.worlds))]
        parts = _parts(deck, world, domain)
        steps = 1 + deck.choose(MOST_STEPS - 1)
        count, first = 1 + deck.choose(max(1, world - 1)), deck.choose(world)
        ranks = [] if deck.happens(4) else [(first + k) % world for k in range(count)]
        case = _loop(draw, deck, domain, (world, parts), steps)
        inputs = case.train.batches[0].inputs.shape[1]
        return branched(case, deck.numbers(SHORT.weights, (inputs,)), ranks)

    return build()


Dealt = tuple[int, tuple[int, ...]]
"""How many ranks there are, and the sizes of the parts of each batch."""


def _own_loop(draw: DrawFn, deck: Deck, domain: Domain, to: Dealt, steps: int) -> RanksCase:
    rate, first = RATES[deck.choose(len(RATES))], deck.choose(FIRST)
    plan = Plan((), (rate,) if domain.sets_rate else None)
    cards = draw(st.binary(min_size=CARDS, max_size=CARDS))
    train = OwnCase(cards, tuple((first + t,) for t in range(steps)), plan, DOUBLE)
    return RanksCase(train, to[1], domain.window, domain.sets_rate, mesh=domain.mesh_of(to[0]))


def dealt(rows: int, count: int) -> tuple[int, ...]:
    """Return so many parts with equally many rows."""
    return (rows // count,) * count


def _is_pipelined(domain: Domain) -> bool:
    return any(name == PIPELINE for name, _ in domain.mesh)


def _least_saved(domain: Domain) -> int:
    return max(SAVED_ROWS, PIPELINED_SIZES[0]) if _is_pipelined(domain) else SAVED_ROWS


def _meshed(style: Style, mesh: Mesh) -> Style:
    """Return the style of networks that every layout can share out.

    No layers share a parameter, or are left out of the chain; every width is a multiple of the ranks that share a
    layer, and there is a layer for every stage.
    """
    if not mesh:
        return style
    least = max(style.least_depth, size_of(mesh, PIPELINE))
    most = max(style.most_depth, least + 1)
    return replace(style, chain=True, multiple=size_of(mesh, TENSOR), least_depth=least, most_depth=most)


def _loop(draw: DrawFn, deck: Deck, domain: Domain, to: Dealt, steps: int) -> RanksCase:
    world, parts = to
    mesh = domain.mesh_of(world)
    rate, freeze = RATES[deck.choose(len(RATES))], deck.happens(2)
    style = Style(
        activations=("relu", "identity", "leaky-relu"),
        losses=(LOSS,),
        most_depth=3,
        least_depth=2,
        rows=1,
        least_rows=sum(parts),
        dimensions=domain.dimensions,
        freeze=freeze,
        unused=False,
    )
    style = _meshed(style, mesh)
    drawn, filling = Drawn(draw, style), (SHORT, EXACT)[deck.choose(2)]
    point = drawn.point(style, filling, DOUBLE)
    batches = drawn.batches(point, steps, filling, DOUBLE)
    frozen = frozenset(i for i, trains in enumerate(point.network.trainable) if not trains)
    plan = Plan((tuple(range(len(point.tensors))),), (rate,) if domain.sets_rate else None, frozen=frozen)
    case = TrainCase(point.network, point.tensors, tuple(batches), plan, DOUBLE)
    return RanksCase(moderate(case), parts, domain.window, domain.sets_rate, mesh=mesh)


def _parts(deck: Deck, world: int, domain: Domain) -> tuple[int, ...]:
    count, base = domain.count_of_parts(world), PIPELINED_SIZES if _is_pipelined(domain) else SIZES
    size = base[deck.choose(len(base))] * domain.window
    if not domain.ragged or count == 1:
        return (size,) * count
    sizes = [domain.window * base[0] * (1 + deck.choose(3)) for _ in range(count)]
    if len(set(sizes)) == 1:
        sizes[deck.choose(count)] += 2 * domain.window * base[0]
    return tuple(sizes)
