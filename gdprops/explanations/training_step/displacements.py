"""What the displacement itself is made of: this step's gradient, the last one's, the weights, the last move.

Unlike the gradient at the optimizer's door, this needs no rule: a momentum that was meant and does not act shows as
"the step moves by -0.18 times this step's gradient", at every step, whatever state the declared rule would have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gdprops.explanations.training_step.around_the_update import of_the_move
from gdprops.explanations.training_step.explanation_wording import number
from gdprops.explanations.training_step.gradient_regression import fit
from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.explanations.training_step.hypothesis import Failure, Moment
    from gdprops.model.arrays import Array

OWN, LAST_GRADIENT, WEIGHTS, LAST_MOVE = "this step's gradient", "the last step's", "the weights", "the last move"
SETS = (
    (OWN,),
    (OWN, WEIGHTS),
    (OWN, LAST_GRADIENT),
    (OWN, LAST_MOVE),
    (OWN, LAST_GRADIENT, WEIGHTS),
    (OWN, LAST_MOVE, WEIGHTS),
)
"""The terms that are tried together, the fewest first."""


def displacements(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return what a displacement is a combination of, with the coefficients that the most telling wrong step shows.

    At step 2 the last move is a multiple of the last gradient: both are offered, and later steps decide.
    """
    starts = _starts(failures)
    wrong = [m for f in failures for m in (f.moments if f.anchored else (f.first,)) if m.step.wrong]
    wrong.sort(key=lambda m: (m.step.number == 1, -sum(w.size for w in m.step.before)))
    if not wrong:
        return []
    seen, terms = _moved(wrong[0].step), _terms(wrong[0].step, starts)
    found: dict[frozenset[str], Mapping[str, float]] = {}
    for names in SETS:
        if all(name in terms for name in names) and not any(known <= set(names) for known in found):
            fitted = fit(seen, {name: terms[name] for name in names})
            if fitted is not None and OWN in fitted:
                found[frozenset(fitted)] = fitted
    return [_combined(fitted, failures, starts) for fitted in found.values()]


def _combined(
    fitted: Mapping[str, float], failures: Sequence[Failure], starts: Mapping[int, Sequence[Array] | None]
) -> Hypothesis:
    forgets = not {LAST_GRADIENT, LAST_MOVE} & set(fitted) and any(not failure.anchored for failure in failures)
    parts = " plus ".join(f"{number(c)} times {name}" for name, c in fitted.items())
    memory = "; nothing of earlier steps enters: the declared rule's memory (momentum, averages) has no effect"

    def rival(moment: Moment) -> Weights | None:
        terms, moved = _terms(moment.step, starts), [np.zeros_like(w) for w in moment.step.before]
        for name, c in fitted.items():
            if name not in terms and moment.step.number == 1:
                continue  # before the first step there was none
            if name not in terms:
                return None
            moved = [m if part is None else m + c * part for m, part in zip(moved, terms[name], strict=True)]
        return [w + m for w, m in zip(moment.step.before, moved, strict=True)]

    text = f"the step moves by {parts}{memory if forgets else ''}"
    return of_the_move(Hypothesis(text, rival, len(fitted), broad=3, about_rest=True, stateless=True))


def _starts(failures: Sequence[Failure]) -> dict[int, Sequence[Array] | None]:
    """Return for every step the weights that the step before it started from."""
    return {
        id(moment.step): failure.moments[k - 1].step.before
        if k and failure.moments[k - 1].step.number == moment.step.number - 1
        else None
        for failure in failures
        for k, moment in enumerate(failure.moments)
    }


def _moved(step: Watched) -> Grads:
    pairs = zip(step.after, step.before, step.gradients, strict=True)
    return [None if g is None else a - b for a, b, g in pairs]


def _terms(step: Watched, starts: Mapping[int, Sequence[Array] | None]) -> Mapping[str, Grads]:
    found: dict[str, Grads] = {OWN: step.gradients}
    if step.earlier:
        found[LAST_GRADIENT] = step.earlier[-1]
    found[WEIGHTS] = [None if g is None else w for w, g in zip(step.before, step.gradients, strict=True)]
    start = starts.get(id(step))
    if start is not None:
        triples = zip(step.before, start, step.gradients, strict=True)
        found[LAST_MOVE] = [None if g is None else b - a for b, a, g in triples]
    return found
