"""Find the hypotheses that reproduce the observed weights in every failing example that was kept.

A hypothesis predicts the weights after a step. It matches if all its predictions agree with the weights that the
user's step left, and at least one of them clearly differs from the right weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.hypothesis import Moment
from gdprops.numerics.comparison import is_clearly_other

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis, Weights
    from gdprops.model.arrays import Array


def matching(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses that reproduce every failing example and have the best rank among those; ties are kept."""
    found: list[Hypothesis] = []
    for hypothesis in sorted(hypotheses, key=lambda h: h.rank):
        if found and hypothesis.rank > found[0].rank:
            break
        if reproduces(hypothesis, failures):
            found.append(hypothesis)
    return found


def reproduces(hypothesis: Hypothesis, failures: Sequence[Failure]) -> bool:
    """Say whether a hypothesis predicts the observed weights of every step.

    At one step at least, the prediction must clearly differ from the right weights. A step to which the hypothesis does
    not apply must be right.
    """
    told = False
    for failure in failures:
        for moment, rival in _rivals(hypothesis, failure):
            if rival is None:
                if moment.step.wrong:
                    return False
                continue
            if not _ends_at(moment.step, rival, hypothesis):
                return False
            told = told or _is_told(moment.step, rival, hypothesis)
    return told


def _rivals(hypothesis: Hypothesis, failure: Failure) -> Iterator[tuple[Moment, Weights | None]]:
    """Yield every step at which a hypothesis can be tested, with the weights that it predicts there."""
    if failure.anchored or not hypothesis.threads:
        for moment in failure.moments if failure.anchored or hypothesis.stateless else failure.until_wrong:
            yield moment, _rival(hypothesis, moment)
        return
    state = failure.moments[0].step.state
    for step, seen in failure.moments:
        run: Any = Threaded(step.run)
        held = (state[0], step.state[1]) if isinstance(state, tuple) else state
        yield Moment(step, seen), _rival(hypothesis, Moment(replace(step, run=run, state=held), seen))
        state = run.left if run.used else run.advance(step.before, step.gradients, held, step.settings)[1]


@final
class Threaded:
    """A run that keeps the state left by its last update: a hypothesis continues from that state at the next step."""

    def __init__(self, run: Any) -> None:
        self._run, self.left, self.used = run, None, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def update(self, weights: Any, gradients: Any, state: Any, settings: Any = None) -> Any:
        """Return U(w, g, s), and keep the state that the update leaves."""
        moved, self.left = self._run.advance(weights, gradients, state, settings)
        self.used = True
        return moved


def _rival(hypothesis: Hypothesis, moment: Moment) -> Weights | None:
    """Return the weights that a hypothesis predicts; None where it does not apply or its computation fails."""
    step = moment.step
    stand_at(moment)
    try:
        if getattr(step.run, "looks_again", False):  # at the batch of this step, and not of the last one that was taken
            step.run.gradients(step.before, step.batch)
        with np.errstate(all="ignore"):
            return hypothesis.rival(moment)
    except (GdpropsError, ArithmeticError, ValueError, TypeError, LookupError, np.linalg.LinAlgError):
        return None


def stand_at(moment: Moment) -> None:
    """Let gdprops' own passes meet what the user's met at a step: masks of dropout, running averages, modes."""
    recall = getattr(moment.step.run, "recall", None)
    if recall is not None:
        recall(moment.step.batch)


def _ends_at(step: Watched, rival: Weights, hypothesis: Hypothesis) -> bool:
    return step.is_at(rival if hypothesis.about_rest else at_rest(step, rival))


def _is_told(step: Watched, rival: Weights, hypothesis: Hypothesis) -> bool:
    if hypothesis.about_rest:
        return is_clearly_other(rival, step.expected, step.allowed)
    return is_clearly_other(at_rest(step, rival), at_rest(step, step.expected), step.allowed)


def at_rest(step: Watched, weights: Weights) -> list[Array]:
    """Return the weights, except that parameters which wrongly did not move at all keep their old values."""
    rests = step.resting()
    return [b if i in rests else w for i, (b, w) in enumerate(zip(step.before, weights, strict=True))]


def resting(told: Sequence[Hypothesis], failures: Sequence[Failure]) -> str:
    """Return a clause of the sentence that names the parameters that do not move although U moves them.

    It is empty where a hypothesis already accounts for them.
    """
    kinds = set[str]()
    for failure in failures:
        for step, seen in failure.wrong:
            rivals = [_rival(h, Moment(step, seen)) for h in told]
            if not any(r is not None and step.is_at(r) for r in rivals):
                kinds |= {step.names[i].rpartition(".")[2] for i in step.resting()}
    return f"; besides, these parameters do not move at all: {', '.join(sorted(kinds))}" if kinds else ""
