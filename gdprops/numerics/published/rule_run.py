"""A published rule at work on several tensors, and how far rounding may carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from gdprops.model.arrays import Array
from gdprops.numerics import decisions
from gdprops.numerics.published.rule import Step, fresh
from gdprops.numerics.published.shaken_arrays import Shaken, shaken

Gradients = Sequence["Array | None"]
Settings = Sequence[Mapping[str, Any]]
"""For each tensor, the hyperparameters in force."""


@final
class Player:
    """One form of a rule, its state for every tensor, in the tensors' own dtypes."""

    def __init__(self, step: Step, count: int, *, shaking: bool = False) -> None:
        self._step, self._shaking = step, shaking
        self._states = [fresh() for _ in range(count)]

    def step(self, weights: Sequence[Array], gradients: Gradients, settings: Settings) -> list[Array]:
        """Return the weights after one step from the given ones; a missing gradient leaves its tensor alone."""
        parts = zip(weights, gradients, self._states, settings, strict=True)
        return [w if g is None else self._moved(w, g, state, given) for w, g, state, given in parts]

    def _moved(self, w: Array, g: Array, state: Any, settings: Mapping[str, Any]) -> Array:
        """Rules see no scalars: NumPy widens float32 scalars, but not arrays of one entry."""
        given = dict(settings)
        sign = -1 if given.pop("maximize", False) else 1
        w_, g_ = (np.atleast_1d(x) for x in (w, sign * g))
        if self._shaking:
            w_, g_ = shaken(w_), shaken(g_)
        with np.errstate(all="ignore"):
            moved = self._step(w_, g_, state, **given)
        return np.asarray(moved).view(np.ndarray).reshape(w.shape)


@final
class Bounded:
    """A form of a rule with the bound on its rounding: the same steps again and again, every operation shaken."""

    def __init__(self, step: Step, count: int) -> None:
        self._plain = Player(step, count)
        self._shaking = [Player(step, count, shaking=True) for _ in range(decisions.PERTURBATIONS)]

    def step(self, weights: Sequence[Array], gradients: Gradients, settings: Settings) -> tuple[list[Array], list[Any]]:
        """Return the weights after one step, and how far another correct computation of it may be off."""
        Shaken.generator = np.random.default_rng(0)
        expected = self._plain.step(weights, gradients, settings)
        others = [player.step(weights, gradients, settings) for player in self._shaking]
        moved = ([o[i] for o in others] for i in range(len(expected)))
        triples = zip(expected, moved, gradients, strict=True)
        allowed = [np.zeros(e.shape) if g is None else _spread(e, several) for e, several, g in triples]
        return expected, [decisions.SHAKEN_FLOORS * room for room in allowed]


def _spread(expected: Array, others: Sequence[Array]) -> Array:
    """Return the largest change, an ulp at least: that of the last operation, which others may undo in all of them."""
    with np.errstate(invalid="ignore"):
        apart = np.max([np.spacing(np.abs(expected)), *(np.abs(o.astype(float) - expected) for o in others)], axis=0)
    return np.asarray(np.where(np.isnan(apart), np.inf, apart))
