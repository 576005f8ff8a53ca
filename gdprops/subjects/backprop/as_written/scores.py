"""Networks of one layer whose only output is a decision: the scores x·W + b behind it.

``predict`` returns classes, so that its derivative is zero everywhere. What is learned is learned on the scores: a
perceptron, a logistic regression, a linear unit with a threshold behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.backprop.as_written.observations import Seen
    from gdprops.subjects.backprop.as_written.reading import Reading


def decides_only(seen: Seen) -> bool:
    """Say whether the output is a decision, which small changes of the parameters leave as it is."""
    flat = all(not j.any() for j in seen.jacobian.values())
    return flat and bool(np.isin(seen.output, (-1.0, 0.0, 1.0)).all()) and len(seen.params) in (1, 2)


ROWS = 24
"""So many samples must be decided by the scores as the code decides them."""


def of_scores(reading: Reading, seen: Seen) -> Reading | None:
    """Return the reading whose outputs are the scores; None where the parameters are no weights and a bias."""
    x = np.concatenate([seen.x + 0.37 * k - 1.1 for k in range(-(-ROWS // len(seen.x)))])
    decided = np.asarray(reading.output(seen.params, x))
    for scores in _scores(seen):
        found = scores(seen.params, x)
        if found.shape == decided.shape and ((found > 0) == (decided > 0)).all():
            kind = "signed scores" if reading.signed else "scores"
            told = (*reading.told, "its output is a decision: the scores x·W + b behind it are what it learns")
            return replace(reading, output=scores, outputs_are=kind, told=told)
    return None


def _scores(seen: Seen) -> Iterator[Callable[[Mapping[str, Any], Array], Any]]:
    """Yield the scores that parameters may give: weights and a bias, or a bias as the first or last weight."""
    n_in, names = seen.x.shape[1], list(seen.params)
    for weight in names:
        others = [name for name in names if name != weight]
        size = seen.params[weight].shape
        if n_in in size:
            yield partial(_linear, weight, others)
        if n_in + 1 in size and not others:
            yield partial(_with_bias, weight, 0)
            yield partial(_with_bias, weight, n_in)


def _linear(weight: str, biases: list[str], params: Mapping[str, Any], x: Array) -> Any:
    w = params[weight]
    w = w.reshape(-1, 1) if np.ndim(w) == 1 else w if np.shape(w)[0] == np.shape(x)[1] else w.T
    found = x @ w
    for bias in biases:
        found = found + params[bias]
    return found


def _with_bias(weight: str, at: int, params: Mapping[str, Any], x: Array) -> Any:
    w = params[weight]
    w = w.reshape(-1, 1) if np.ndim(w) == 1 else w if np.shape(w)[0] == np.shape(x)[1] + 1 else w.T
    return np.insert(x, at, 1.0, axis=1) @ w
