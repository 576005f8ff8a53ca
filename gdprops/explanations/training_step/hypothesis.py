"""The data of an explanation: failing examples, their steps, and hypotheses about what a wrong step does instead.

A hypothesis pairs a sentence with a function that predicts the weights after a step. Example: "the gradient is added to
the last step's" predicts U(w, g1 + g2, s) at step 2.
"""

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
    """One logical step of a failing example.

    ``seen`` is the log of what the step did while it was watched, None where it cannot be watched.
    """

    step: Watched
    seen: Observation | None


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """A failing example with all its steps, right and wrong.

    ``anchored``: every step can be judged by itself, because U starts from the state that the user's step left. If not,
    the state of the declared rule differs from the user's after the first wrong step, and later steps tell nothing.
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
    """A possible description of a wrong training step, and a function that predicts the weights from it.

    Attributes:
        text: The sentence.
        rival: Returns the predicted weights after a step, or None where the hypothesis does not apply.
        constants: How many constants were fitted to the observed weights.
        clause: The id of the clause that the described behavior violates (empty: any).
        broad: 0 for a narrow hypothesis; a broader one is only told where no narrower one matches.
        about_rest: Whether the hypothesis itself says which parameters do not move.
        threads: Whether its last call of U leaves the rule's state as it is after the user's step.
        dated: Whether the hypothesis itself names certain steps ("only the first step").
        stateless: Whether it needs no state of U, so that every step can be judged by itself.
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
        """The sort key: hypotheses with the fewest constants come first, then the narrowest ones."""
        return self.constants, self.broad


def on_steps(rival: Callable[[Watched], Weights | None]) -> Rival:
    """Return the rival that uses only the step and not the log of what was seen."""
    return lambda moment: rival(moment.step)
