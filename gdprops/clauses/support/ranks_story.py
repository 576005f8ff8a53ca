"""What the clauses of the chapter distributed compare in the story of a case that all ranks have run.

What every rank holds after a step is compared with one process on the whole batch. Where no operation can round, it
must be the same number; elsewhere 16 noise floors are allowed, measured on gdprops' own model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from gdprops.clauses.support.noise_floor import noise_floors
from gdprops.model.evidence import Evidence, vacuous
from gdprops.numerics import decisions
from gdprops.numerics.comparison import alike, compare, is_clearly_other
from gdprops.numerics.reached_rows import reaching
from gdprops.subjects.distributed_step.observed import ON_RANK, Step, Story, alone, observed

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import RanksCase
    from gdprops.subjects.distributed_step.declaration import Distributed

Arrays = Sequence["Array"]
Grads = list["Array | None"]


def is_near_a_kink(story: Story) -> bool:
    """Say whether rounding may decide the first wrong step: it is not exact, and an activation is at its kink."""
    wrong = first_wrong(story)
    if wrong is None or wrong.step.is_exact:
        return False
    return wrong.step.single.is_near_a_kink(wrong.step.before, wrong.step.t)


def is_right_alone(declared: Distributed, case: RanksCase) -> bool:
    """Say whether the step, on one process with all rows of a case, makes the expected update at every step."""
    return _is_right(alone(declared, case))


def is_right_uninterrupted(declared: Distributed, case: RanksCase) -> bool:
    """Say whether the ranks that load a training make the expected updates where they take all steps themselves."""
    return _is_right(observed(declared, case.uninterrupted()))


def is_right_where_all_reach(declared: Distributed, case: RanksCase) -> bool:
    """Say whether the ranks make the expected updates where the rows of all of them reach every parameter."""
    return _is_right(observed(declared, reaching(case, range(case.world))))


def _is_right(control: Story) -> bool:
    return bool(control.steps) and first_wrong(control) is None


class Entry(NamedTuple):
    """What is compared: a whole parameter, or the part of it that one rank holds."""

    name: str
    parameter: int
    rank: int | None = None
    slices: tuple[slice, ...] = ()

    def of(self, arrays: Sequence[Any]) -> Any:
        """Return the entry's part of one array per parameter."""
        found = arrays[self.parameter]
        return found if self.rank is None or np.ndim(found) == 0 else found[self.slices]


@final
@dataclass(frozen=True)
class Compared:
    """What the ranks hold after a step, beside what is expected: one entry per parameter, or one for each rank.

    A parameter whose replicas agree is one entry, put together where it is sharded. Where they differ, each rank's part
    is an entry of its own.
    """

    step: Step
    places: list[Entry] = field(init=False)
    seen: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        places, seen = list[Entry](), list["Array"]()
        for i, name in enumerate(self.step.names):
            whole = self.step.whole(name)
            if whole is not None:
                places.append(Entry(name, i))
                seen.append(whole)
                continue
            for rank, piece in self.step.pieces(name).items():
                places.append(Entry(f"{name}{ON_RANK}{rank}", i, rank, piece.slices))
                seen.append(piece.values)
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "seen", seen)

    def laid(self, arrays: Sequence[Any]) -> list[Any]:
        """Return one number or array per entry from one per parameter."""
        return [one.of(arrays) for one in self.places]

    def laid_by_rank(self, ends: Sequence[Arrays]) -> list[Any]:
        """Return one array per entry from those of each rank; a sharded one is put together."""
        return [self._end(one, ends) for one in self.places]

    def _end(self, one: Entry, ends: Sequence[Arrays]) -> Array:
        if one.rank is not None:
            return np.asarray(one.of(ends[one.rank]))
        whole = np.array(ends[0][one.parameter])
        for rank, piece in self.step.pieces(self.step.names[one.parameter]).items():
            whole[piece.slices] = ends[rank][one.parameter][piece.slices]
        return whole

    @property
    def names(self) -> list[str]:
        """The names of the entries."""
        return [one.name for one in self.places]

    @cached_property
    def allowed(self) -> list[Any]:
        """How far each entry may be off: nothing where no operation can round."""
        step = self.step
        if step.is_exact:
            return [0.0] * len(self.places)
        whole = [step.whole(name) for name in step.names]
        after = [e if w is None else w for w, e in zip(whole, step.expected, strict=True)]
        clipped = step.single.clip(list(step.gradients))
        floors = noise_floors(
            step.single, step.t, step.before, after, step.expected, clipped, step.state, step.settings
        )
        own = self.laid(floors)
        return own if not step.earlier else self._with_earlier(own, Compared(step.earlier[-1]))

    def _with_earlier(self, own: list[Any], last: Compared) -> list[Any]:
        """Return what is allowed of a step whose rule remembers earlier ones: what was allowed of these, too.

        The state of the ranks is not seen, and may be off by what rounding has made of their earlier gradients.
        """
        step = self.step
        fresh = step.single.update(
            step.before, step.single.clip(list(step.gradients)), step.single.fresh, step.settings
        )
        if all(map(alike, fresh, step.expected)):
            return own
        room = {one.parameter: np.max(most, initial=0.0) for one, most in zip(last.places, last.allowed, strict=True)}
        return [most + room.get(one.parameter, 0.0) for one, most in zip(self.places, own, strict=True)]

    @cached_property
    def is_wrong(self) -> bool:
        """Whether any entry is off by more than allowed."""
        return any(self.wrong)

    def are_at(self, wanted: Sequence[Any], *, share: bool = True) -> list[bool]:
        """Say of each entry whether it is at these numbers, within what is allowed.

        ``share``: and within a tiny share of the way there, for what is wrong may end far away.
        """
        start, found = self.laid(self.step.before), list[bool]()
        for k, (s, w, b) in enumerate(zip(self.seen, wanted, start, strict=True)):
            if alike(s, w):
                found.append(True)
                continue
            room = self.allowed[k]
            if share:
                room = room + decisions.REPRODUCED_SHARE * float(np.abs(w - b).max(initial=0.0))
            found.append(s.shape == w.shape and bool((np.abs(s - w) <= room).all()))
        return found

    @cached_property
    def wrong(self) -> list[bool]:
        """Which entries are off by more than allowed."""
        return [not right for right in self.are_at(self.laid(self.step.expected), share=False)]

    def is_in_this_way(self, ends: Sequence[Arrays]) -> bool:
        """Say whether every wrong entry is at a rival's weights, which clearly differ from the expected ones."""
        wanted = self.laid_by_rank(ends)
        return self._is_at(wanted) and is_clearly_other(wanted, self.laid(self.step.expected), self.allowed)

    def may_be_in_this_way(self, ends: Sequence[Arrays]) -> bool:
        """Say whether every wrong entry is at a rival's weights, however little these differ."""
        return self._is_at(self.laid_by_rank(ends))

    def _is_at(self, wanted: Sequence[Any]) -> bool:
        return all(there for wrong, there in zip(self.wrong, self.are_at(wanted), strict=True) if wrong)

    def evidence(self, rivals: Iterable[Arrays], what: str = "") -> Evidence:
        """Compare all entries; the example is decisive if every rival can be told from what is expected."""
        return self._compared((self.laid(rival) for rival in rivals), what)

    def evidence_beside(self, rivals: Sequence[Sequence[Arrays]]) -> Evidence:
        """Compare all entries; a rival is the weights of each rank."""
        return self._compared(map(self.laid_by_rank, rivals), "")

    def _compared(self, rivals: Iterable[list[Any]], what: str) -> Evidence:
        return compare(
            self.seen,
            self.laid(self.step.expected),
            names=self.names,
            allowed=self.allowed,
            start=self.laid(self.step.before),
            rivals=rivals,
            step=self.step.number,
            what=what,
        )


def first_wrong(story: Story) -> Compared | None:
    """Return the first step that is wrong, None where all are right."""
    return next((one for step in story.steps if (one := Compared(step)).is_wrong), None)


def each_rank_alone(step: Step) -> Iterator[list[Array]]:
    """Yield the weights at which each rank would end that moves by its own rows only.

    Of ranks with the same rows, those at which what one of them holds would rest.
    """
    case = step.case
    if case.has_parts:
        firsts = {case.part_of(rank): rank for rank in reversed(range(case.world))}
        yield from (step.update(step.own_gradients(rank)) for part, rank in sorted(firsts.items()) if case.parts[part])
    if case.mesh:
        yield from (_resting_on(step, rank) for rank in range(case.world))


def _resting_on(step: Step, rank: int) -> list[Array]:
    found = [np.array(e) for e in step.expected]
    for name, end, before in zip(step.names, found, step.before, strict=True):
        piece = step.pieces(name).get(rank)
        if piece is not None:
            end[piece.slices] = before[piece.slices]
    return found


def frozen_evidence(step: Step) -> Evidence:
    """Compare what the ranks hold of frozen parameters with what these were; decisive if a gradient is not zero."""
    frozen = [i for i, trains in enumerate(step.single.trainable) if not trains]
    if not frozen:
        return vacuous("no parameter is frozen")
    compared = Compared(step)
    chosen = [k for k, one in enumerate(compared.places) if one.parameter in frozen]
    before = compared.laid(step.before)
    found = compare(
        [compared.seen[k] for k in chosen],
        [before[k] for k in chosen],
        names=[compared.names[k] for k in chosen],
        step=step.number,
        what="a frozen parameter moves",
    )
    pulls = step.single.gradients_unfrozen(step.before, step.t)
    is_pulled = any((g := pulls[i]) is not None and bool(np.any(g)) for i in frozen)
    return found if found.violated or is_pulled else vacuous("the frozen parameters have no gradient")
