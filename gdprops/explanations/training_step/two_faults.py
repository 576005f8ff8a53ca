"""Two faults at once, one of which multiplies all displacements: divided out, the other one is explained as usual."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import GdpropsError
from gdprops.explanations.training_step.explanation_wording import number
from gdprops.explanations.training_step.factors import fitted_factors
from gdprops.explanations.training_step.factors import rows as rows_of
from gdprops.explanations.training_step.hypothesis import Moment
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis, Weights

Factor = Callable[["Moment"], float]


def and_scaled(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses whose displacements are parallel to those seen, multiplied by the factor between them."""
    if not all(failure.anchored for failure in failures):
        return []
    found: list[Hypothesis] = []
    for one in hypotheses:
        if not one.dated:
            found += (_scaled(one, text, factor, constants) for text, factor, constants in _factors(one, failures))
    return found


def in_scaled_worlds(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses with an update that moves k times as far, for the k that a first wrong parameter shows.

    A sweep at 0.3 of the rate moves its first layer 0.3 times as far, and looks again at weights that moved so.
    """
    if not all(failure.anchored for failure in failures):
        return []
    shown = [k for k in fitted_factors(failures) if k > 0]
    return [_in_world(one, k) for k in shown for one in hypotheses if not one.dated]


def _in_world(one: Hypothesis, k: float) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        step = moment.step
        run: Any = ScaledRun(step.run, k)
        expected = [b + k * (e - b) for b, e in zip(step.before, step.expected, strict=True)]
        return one.rival(Moment(replace(step, run=run, expected=expected), moment.seen))

    text = f"two faults: all parameters move {number(k)} times as far, and beside that {one.text}"
    return replace(one, text=text, rival=rival, constants=one.constants + 1, broad=one.broad + 2, threads=False)


@final
class ScaledRun:
    """A run whose updates move k times as far."""

    def __init__(self, run: Any, k: float) -> None:
        self._run, self._k = run, k

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def update(self, weights: Any, gradients: Any, state: Any, settings: Any = None) -> Any:
        """Return w + k (U(w, g, s) - w)."""
        start = [w.copy() for w in weights]
        moved = self._run.update(weights, gradients, state, settings)
        return [b + self._k * (m - b) for b, m in zip(start, moved, strict=True)]


def _factors(one: Hypothesis, failures: Sequence[Failure]) -> Iterator[tuple[str, Factor, int]]:
    """Yield the factors that the first wrong steps show: a constant, or what changes with the number of rows."""
    moments = [failure.first for failure in failures]
    shown = [k for moment in moments[:2] if (k := _factor(one, moment)) is not None]
    if len(shown) < min(2, len(moments)) or abs(shown[0] - 1) < decisions.NEARLY_PARALLEL:
        return
    rows = [float(moment.step.run.rows(moment.step.batch)) for moment in moments[: len(shown)]]
    if all(abs(k - shown[0]) <= decisions.SIMPLE_SHARE * abs(k) for k in shown):
        k = shown[0]
        yield f"all parameters move {number(k)} times as far", lambda moment: k, 1
    elif all(abs(k - n) <= decisions.SIMPLE_SHARE * n for k, n in zip(shown, rows, strict=True)):
        yield "all parameters move farther by the number of rows", rows_of, 0
    elif all(abs(k * n - 1) <= decisions.SIMPLE_SHARE for k, n in zip(shown, rows, strict=True)):
        yield "all parameters move less far by the number of rows", lambda moment: 1 / rows_of(moment), 0


def _factor(one: Hypothesis, moment: Moment) -> float | None:
    """Return k where everything moves k times as far as a hypothesis says, None where there is no such number."""
    try:
        with np.errstate(all="ignore"):
            rival = one.rival(moment)
    except (GdpropsError, ArithmeticError, ValueError, TypeError, LookupError, np.linalg.LinAlgError):
        return None
    if rival is None:
        return None
    step = moment.step
    moved, wanted = (
        np.concatenate([(w - b).ravel() for w, b in zip(weights, step.before, strict=True)])
        for weights in (step.after, rival)
    )
    length = float(wanted @ wanted)
    if not np.isfinite(length) or not length or np.count_nonzero(wanted) < 2:
        return None
    k = float(moved @ wanted) / length
    return k if k and np.abs(moved - k * wanted).max() <= decisions.NEARLY_PARALLEL * np.abs(moved).max() else None


def _scaled(one: Hypothesis, text: str, factor: Factor, constants: int) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        wanted, k = one.rival(moment), factor(moment)
        return None if wanted is None else [b + k * (w - b) for w, b in zip(wanted, moment.step.before, strict=True)]

    return replace(
        one,
        text=f"two faults: {one.text}, and beside that {text}",
        rival=rival,
        constants=one.constants + constants,
        broad=one.broad + 2,
        threads=False,
    )
