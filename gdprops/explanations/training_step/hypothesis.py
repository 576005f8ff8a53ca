"""A hypothesis: what a step might do instead, and the weights that this would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.observation import Observation
    from gdprops.model.arrays import Array

Weights = Sequence["Array"]


class Moment(NamedTuple):
    """One logical step of a failing example; ``seen`` is what it was watched doing, None where nothing can be."""

    step: Watched
    seen: Observation | None


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """A failing example: its steps, right and wrong ones.

    ``anchored``: each can be judged by itself; else the state of a declared rule goes its own way from a wrong one on.
    """

    case: Any
    moments: tuple[Moment, ...]
    anchored: bool

    @property
    def first(self) -> Moment:
        """The first wrong step."""
        return next(moment for moment in self.moments if moment.step.wrong)

    @property
    def wrong(self) -> tuple[Moment, ...]:
        """All wrong steps that can be judged by themselves."""
        return tuple(moment for moment in self.moments if moment.step.wrong) if self.anchored else (self.first,)

    @property
    def until_wrong(self) -> tuple[Moment, ...]:
        """The steps up to the first wrong one."""
        return tuple(moment for moment in self.moments if moment.step.number <= self.first.step.number)


Rival = Callable[[Moment], "Weights | None"]


@final
@dataclass(frozen=True, slots=True)
class Hypothesis:
    """``rival`` gives the weights after a step, or None where the hypothesis does not apply.

    ``constants`` are those fitted to what was seen; ``clause`` is the one that it is a violation of (empty: any);
    ``broad`` hypotheses are only told where no narrower one matches; ``about_rest``: it says itself what does not move;
    ``threads``: its last call of U leaves the rule's state as the user's rule would have it; ``dated``: it speaks of
    certain steps itself; ``stateless``: it needs no state of U, so that every step can be judged by itself.
    """

    text: str
    rival: Rival
    constants: int = 0
    clause: str = "step.simultaneous"
    broad: int = 0
    about_rest: bool = False
    threads: bool = False
    dated: bool = False
    stateless: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        """Fewest constants first, then narrowest."""
        return self.constants, self.broad


def on_steps(rival: Callable[[Watched], Weights | None]) -> Rival:
    """Return the rival that looks at the step alone and not at what was seen of it."""
    return lambda moment: rival(moment.step)
