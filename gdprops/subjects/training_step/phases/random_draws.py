"""Random numbers that a step has drawn, recorded, and dealt again to the objective that is computed beside it.

A GAN draws its noise outside the model, SAC its actions inside it. Whatever op of torch draws numbers is seen, with the
shape of what it returns. The objective draws too: it is dealt the recorded numbers of that kind and shape, in order.
Numbers that do not fit are never guessed: then the step is not decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, permutations, product
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gdprops.numerics.decisions import MOST_DEALS
from gdprops.subjects.training_step.op_arguments import bound, unwatched

if TYPE_CHECKING:
    from collections.abc import Mapping

NORMAL, UNIFORM = "normal", "uniform"
KINDS = {"randn": NORMAL, "randn_like": NORMAL, "rand": UNIFORM, "rand_like": UNIFORM, "random": "integers"}
KINDS |= {"randint": "integers", "randint_like": "integers"}
SEEDED = torch.Tag.nondeterministic_seeded
MIXED = ("native_dropout", "rrelu_with_noise", "rrelu_with_noise_functional")
"""Ops that draw numbers and return them mixed with what they are given: these cannot be dealt."""

Key = tuple[str, tuple[int, ...]]


class Draw(NamedTuple):
    """Numbers that were drawn at once: their kind and shape, and where the place and the width of the distribution."""

    key: Key
    values: Tensor
    form: tuple[float, float] | None
    segment: int


def is_random(func: Any) -> bool:
    """Say whether an op draws random numbers."""
    return SEEDED in func.tags


def drawn(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], found: Any, segment: int) -> Draw | None:
    """Return what an op has drawn, None where its numbers cannot be told from what it was given."""
    name = func.overloadpacket.__name__.rstrip("_").removesuffix("_functional")
    if name in MIXED or not isinstance(found, Tensor):
        return None
    kind = KINDS.get(name, name)
    with unwatched():
        return Draw((kind, tuple(found.shape)), found.detach().clone(), _form(kind, func, args, kwargs), segment)


def _form(kind: str, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return mean and deviation of normal numbers, or the bounds of uniform ones."""
    if kind not in (NORMAL, UNIFORM):
        return None
    given = {argument.name: value for argument, value in bound(func, args, kwargs)}
    names = ("mean", "std") if kind == NORMAL else ("from", "to")
    first, second = (_single(given.get(name, usual)) for name, usual in zip(names, (0.0, 1.0), strict=True))
    return None if first is None or second is None else (first, second)


def _single(value: Any) -> float | None:
    """Return a number, or that of which all entries of a tensor are."""
    if not isinstance(value, Tensor):
        return float(value)
    return float(value.min()) if value.numel() and bool(value.min() == value.max()) else None


@final
class Dealer(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's own
    """Deals recorded numbers in order to what draws inside; ``fits`` says whether there were enough of each kind."""

    def __init__(self, draws: Iterable[Draw]) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # likewise
        self._left: dict[Key, list[Draw]] = {}
        for draw in draws:
            self._left.setdefault(draw.key, []).append(draw)
        self.fits, self.wanted = True, Counter[Key]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if is_random(func):
            self._deal(drawn(func, args, kwargs or {}, found, 0), found)
        return found

    def _deal(self, asked: Draw | None, found: Any) -> None:
        left = [] if asked is None else self._left.get(asked.key, [])
        if asked is None or not left:
            self.fits = False
            return
        self.wanted[asked.key] += 1
        with unwatched():
            found.copy_(_in_form(left.pop(0), asked.form))


def _in_form(draw: Draw, form: tuple[float, float] | None) -> Tensor:
    """Return recorded numbers with another mean and deviation, or other bounds, than they were drawn with."""
    if form is None or draw.form is None or form == draw.form:
        return draw.values
    wide, now = ((b - a if draw.key[0] == UNIFORM else b) if b else 1.0 for a, b in (draw.form, form))
    return (draw.values - draw.form[0]) / wide * now + form[0]


def deals(draws: Sequence[Draw], segment: int) -> Iterator[list[Draw]]:
    """Yield the orders in which recorded numbers may be dealt to the objective of a phase, the likeliest first.

    ``segment``: the number of the phase's step within the call. Its own numbers come first; or all from the start,
    where one noise serves several phases; or from the last one on.
    """
    own = [draw for draw in draws if draw.segment == segment]
    earlier = [draw for draw in draws if draw.segment < segment]
    yield [*own, *earlier]
    if earlier:
        yield [*earlier, *own]
        if len({draw.segment for draw in earlier}) > 1:
            for last in sorted({draw.segment for draw in earlier}, reverse=True):
                yield [draw for draw in earlier if draw.segment >= last] + own


def other_deals(draws: Sequence[Draw], wanted: Mapping[Key, int]) -> Iterator[list[Draw]]:
    """Yield every other way of dealing numbers of one kind and shape, up to a limit."""
    by_key = {key: [draw for draw in draws if draw.key == key] for key in wanted}
    ways = (permutations(by_key[key], min(count, len(by_key[key]))) for key, count in wanted.items())
    yield from ([draw for some in way for draw in some] for way in islice(product(*ways), MOST_DEALS))


def are_ambiguous(draws: Sequence[Draw], wanted: Mapping[Key, int]) -> bool:
    """Say whether there are more ways of dealing than are tried."""
    ways = 1
    for key, count in wanted.items():
        many = sum(draw.key == key for draw in draws)
        for k in range(min(count, many)):
            ways *= many - k
    return ways > MOST_DEALS
