"""Find out what the gradient handed to the optimizer is a combination of, by least squares over all entries.

The terms are the gradients of single rows, of earlier steps and of other batches, and the weights themselves. Example:
"the gradient handed over is this batch's gradient plus the last step's gradient times 0.5". There is no answer if there
are fewer equations than twice the unknowns, if the terms are linearly dependent, or if a residual remains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.explanations.training_step.explanation_wording import fraction, number, rows_text
from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.explanations.training_step.hypothesis import Failure
    from gdprops.model.arrays import Array

Basis = Mapping[str, "Grads"]

MOST_WEIGHTS = 3
"""If the rows have more different weights than this, the weights are no explanation."""
OWN = "this batch's gradient"
NAMES = {
    "last": "the last step's gradient",
    "before-last": "the gradient of the step before the last",
    "last-batch": "the gradient of the last step's batch",
    "next-batch": "the gradient of the next step's batch",
    "weights": "the weights themselves",
    "signs": "the signs of the weights",
    "directions": "the weights divided by the norm of their tensor (what a norm in the loss gives that is not squared)",
}


def regressions(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses on the gradient handed over: a combination of terms, or rows with different weights.

    The coefficients of a combination must be the same in all examples; those of rows belong to each step.
    """
    moments = _largest([moment for failure in failures for moment in failure.wrong])
    fitted = _first_fit(moments, handed_over)
    found = [] if fitted is None else [_combined(fitted)]
    if fitted is not None and fitted != {OWN: 1.0}:  # a declared decay may be missing beside what was handed over
        again = _first_fit(moments, lambda moment: inverted(moment.step))
        found += [] if again is None else [_combined(again)]
    rows = _by_row(failures)
    return found if rows is None else [*found, rows]


def _first_fit(moments: Sequence[Moment], used: Callable[[Moment], Grads | None]) -> dict[str, float] | None:
    """Return what a gradient is a combination of, in the first moment in which that can be told."""
    return next((f for moment in moments if (f := fit(used(moment), _terms(moment.step)))), None)


def _largest(moments: Sequence[Moment]) -> list[Moment]:
    """Sort moments, the most informative first: those with earlier steps, then those with large networks."""
    return sorted(moments, key=lambda m: (-min(len(m.step.earlier), 2), -sum(w.size for w in m.step.before)))


def handed_over(moment: Moment) -> Grads | None:
    """Return the gradient that was handed to the optimizer.

    Where it was not seen, return the gradient that explains the displacement; None if the rule is not affine in it.
    """
    if moment.seen is not None and (door := moment.seen.door()) is not None:
        return door
    return inverted(moment.step)


def inverted(step: Watched) -> Grads | None:
    """Return the gradient with which U ends at the weights of the user's step, None where U is not affine in it."""
    g = step.gradients
    still, one = step.update(_like(g, np.zeros_like)), step.update(_like(g, np.ones_like))
    slopes = [a - b for a, b in zip(one, still, strict=True)]
    affine = [s if x is None else s + k * x for s, k, x in zip(still, slopes, g, strict=True)]
    near = zip(affine, step.expected, step.allowed, still, strict=True)
    if not all((np.abs(a - e) <= room + 1e-12 * np.abs(e - s)).all() for a, e, room, s in near):
        return None
    triples = zip(g, step.after, still, slopes, strict=True)
    return [None if x is None or not k.all() else (a - s) / k for x, a, s, k in triples]


def _like(g: Grads, make: Callable[[Any], Any]) -> list[Array | None]:
    return [None if x is None else make(x) for x in g]


def _terms(step: Watched) -> Basis:
    """Return the terms of which the gradient handed over may be a combination, by name."""
    run, at = step.run, step.before
    found: dict[str, Grads] = {OWN: step.gradients}
    for name, k in (("last", 1), ("before-last", 2)):
        if len(step.earlier) >= k:
            found[name] = step.earlier[-k]
    for name, other in (("last-batch", step.batch - 1), ("next-batch", step.batch + 1)):
        if 0 <= other < run.batches:
            found[name] = run.gradients(at, other)
    found["weights"] = [None if g is None else w for w, g in zip(at, step.gradients, strict=True)]
    found["signs"] = [None if g is None else np.sign(w) for w, g in zip(at, step.gradients, strict=True)]
    found["directions"] = [
        None if g is None or not w.any() else w / np.linalg.norm(w) for w, g in zip(at, step.gradients, strict=True)
    ]
    return found


def fit(seen: Grads | None, basis: Basis) -> dict[str, float] | None:
    """Return the coefficients of the terms that ``seen`` is a combination of, None if there is no answer.

    Terms with a negligible coefficient are dropped, and the others are fitted again.
    """
    if seen is None:
        return None
    columns = {name: _flat(part, seen) for name, part in basis.items()}
    target = _flat(seen, seen)
    solved = _solve(target, columns)
    if solved is None:
        return None
    needed = {name: c for name, c in solved.items() if abs(c) > decisions.SIMPLE_SHARE}
    again = _solve(target, {name: columns[name] for name in needed}) if needed else None
    return again if again is None else {name: _simple(c) for name, c in again.items()}


def _simple(value: float) -> float:
    near = fraction(value)
    return value if near is None else float(near)


def _flat(part: Grads, like: Grads) -> Array:
    """Return all entries as one vector, or every n-th entry of a very large model.

    Only the fit uses this selection; the hypothesis is then tested on all entries.
    """
    pairs = zip(part, like, strict=True)
    flat = np.concatenate(
        [np.zeros(x.size) if p is None else np.asarray(p, dtype=float).ravel() for p, x in pairs if x is not None]
        or [np.zeros(0)]
    )
    return flat[:: -(-flat.size // decisions.MOST_EQUATIONS) or 1]


def _solve(target: Array, columns: Mapping[str, Array]) -> dict[str, float] | None:
    kept = {name: c for name, c in columns.items() if c.any()}
    if not kept or target.size < decisions.EQUATIONS_PER_UNKNOWN * len(kept) or not target.any():
        return None
    lengths = np.array([np.linalg.norm(c) for c in kept.values()])
    matrix = np.stack(list(kept.values()), axis=1) / lengths
    solution, _, rank, _ = np.linalg.lstsq(matrix, target, rcond=decisions.REGRESSION_RANK)
    left = np.abs(target - matrix @ solution).max()
    if rank < len(kept) or left > decisions.REGRESSION_RESIDUAL * np.abs(target).max():
        return None
    found = solution / lengths
    found[np.abs(found) < decisions.SIMPLE_SHARE * np.abs(found).max()] = 0.0
    return dict(zip(kept, found.tolist(), strict=True))


def _combined(fitted: Mapping[str, float]) -> Hypothesis:
    own = fitted.get(OWN, 0.0)
    others = [f"{NAMES[name]} times {number(c)}" for name, c in fitted.items() if name != OWN]
    text = f"the gradient handed over is {_whole(own, others)}"

    def rival(moment: Moment) -> Weights | None:
        terms = _terms(moment.step)
        if any(name not in terms for name in fitted):
            return None
        parts = [[None if x is None else c * x for x in terms[name]] for name, c in fitted.items()]
        return moment.step.update([_total(column) for column in zip(*parts, strict=True)])

    constants = sum(c not in (0.0, 1.0) for c in fitted.values())
    return Hypothesis(text, rival, constants, broad=2, about_rest=True, threads=True)


def _whole(own: float, others: Sequence[str]) -> str:
    mine = [] if own == 0 else [OWN] if own == 1 else [f"{number(own)} of {OWN}"]
    return " plus ".join([*mine, *others])


def _total(parts: Sequence[Array | None]) -> Array | None:
    held = [p for p in parts if p is not None]
    return np.asarray(sum(held[1:], held[0])) if held else None


def by_row(moment: Moment) -> list[float] | None:
    """Return the weight of each row of the batch in the gradient handed over, None where there is no answer."""
    step, seen = moment.step, handed_over(moment)
    rows = step.run.rows(step.batch)
    if seen is None:
        return None
    each = {
        str(r): step.run.gradients(step.before, step.batch, rows=slice(r, r + 1), clipped=False) for r in range(rows)
    }
    solved = _solve(_flat(seen, seen), {name: _flat(g, seen) for name, g in each.items()})
    return None if solved is None or len(solved) < rows else [_simple(solved[str(r)]) for r in range(rows)]


def _by_row(failures: Sequence[Failure]) -> Hypothesis | None:
    """Return "rows weigh so much", where one law gives what the rows weigh in every example that can be told.

    The weights of one example alone prove nothing: with one output any gradient at all is a sum of weighed rows.
    """
    wrong = [(failure, moment) for failure in failures for moment in failure.wrong]
    told = [(m, weights) for f, m in wrong if _outputs(f, m) > 1 and (weights := by_row(m)) is not None]
    if len({id(m.step.run) for m, _ in told}) < 2 or any(not 1 < len(set(w)) <= MOST_WEIGHTS for _, w in told):
        return None
    law = next((law for law in map(_law, LAWS, [told] * len(LAWS)) if law is not None), None)
    if law is None:
        return None
    weights = max((w for _, w in told), key=len)

    def rival(moment: Moment) -> Weights | None:
        step = moment.step
        return _weighted(step, [law(r, step.run.rows(step.batch)) for r in range(step.run.rows(step.batch))])

    return Hypothesis(
        f"the rows of the batch weigh differently: {row_weights(weights)}",
        rival,
        len(set(weights)),
        clause="step.accumulation",
        broad=2,
        about_rest=True,
    )


def _outputs(failure: Failure, moment: Moment) -> int:
    """Return how many numbers the model puts out for a row; 2 for classes, which are told by one number."""
    seen = moment.seen
    if seen is not None and seen.learning and (outputs := seen.learning[-1].outputs) is not None:
        return outputs.size // max(len(outputs), 1) if outputs.ndim else 1
    targets = getattr(failure.case.batches[moment.step.batch], "targets", None)
    if targets is None or not np.issubdtype(targets.dtype, np.floating):
        return 2
    return int(targets.size // max(len(targets), 1))


LAWS: Sequence[tuple[Callable[[int, int], int], Callable[[int], float]]] = (
    (lambda r, n: r, lambda n: 1.0),
    (lambda r, n: r, lambda n: 1.0 / n),
    (lambda r, n: n - 1 - r, lambda n: 1.0),
    (lambda r, n: n - 1 - r, lambda n: 1.0 / n),
)
"""What row r of n may weigh by: its place, counted from the first or from the last one; of the sum, or of the mean."""


def _law(
    kind: tuple[Callable[[int, int], int], Callable[[int], float]], told: Sequence[tuple[Moment, list[float]]]
) -> Callable[[int, int], float] | None:
    """Return what any row of any batch weighs by a law, None where two examples contradict it."""
    (place, unit), table = kind, dict[int, float]()
    for _, weights in told:
        n = len(weights)
        for r, weight in enumerate(weights):
            share = weight / unit(n)
            if abs(table.setdefault(place(r, n), share) - share) > decisions.SIMPLE_SHARE * max(1.0, abs(share)):
                return None
    return lambda r, n: table[place(r, n)] * unit(n)


def _weighted(step: Watched, weights: Sequence[float]) -> Weights:
    run, w = step.run, step.before
    each = [run.gradients(w, step.batch, rows=slice(r, r + 1), clipped=False) for r in range(len(weights))]
    parts = [[None if x is None else c * x for x in g] for c, g in zip(weights, each, strict=True)]
    return step.update([_total(column) for column in zip(*parts, strict=True)])


def row_weights(weights: Sequence[float]) -> str:
    """Return the weights of rows in words, with rows of equal weight together: ``rows 0-9 1/15, row 10 1/6``."""
    groups: dict[float, list[int]] = {}
    for row, weight in enumerate(weights):
        groups.setdefault(weight, []).append(row)
    return ", ".join(f"{rows_text([r])} {number(w)}" for w, r in groups.items())
