"""Runs a published rule on several tensors, and bounds how far rounding may carry its result."""

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
    """One form of a rule at work on several tensors, with a state for each, in the tensors' own dtypes.

    ``shared``: what they remember together, as a mistake (`Dialect.shared`). ``groups``: the group of each tensor.
    """

    def __init__(
        self, step: Step, count: int, *, shaking: bool = False, shared: str = "", groups: Sequence[int] = ()
    ) -> None:
        self._step, self._shaking, self._shared = step, shaking, shared
        self._states = [fresh() for _ in range(count)]
        self._groups = groups if shared == "group" else [0] * count
        self._together = dict[Any, Any]()

    def step(self, weights: Sequence[Array], gradients: Gradients, settings: Settings) -> list[Array]:
        """Return the weights after one step from the given ones; a tensor without a gradient stays as it is."""
        parts = enumerate(zip(weights, gradients, settings, strict=True))
        return [w if g is None else self._in_turn(i, w, g, given) for i, (w, g, given) in parts]

    def _in_turn(self, i: int, w: Array, g: Array, settings: Mapping[str, Any]) -> Array:
        """Return one tensor after the step, from its own state or what the tensors remember together."""
        if not self._shared:
            return self._moved(w, g, self._states[i], settings)
        state, group = self._states[i], self._groups[i]
        if self._shared == "shape":
            return self._moved(w, g, self._together.setdefault(w.shape, state), settings)
        state.update(self._together.get(group, {}))
        moved = self._moved(w, g, state, settings)
        self._together[group] = {key: value for key, value in state.items() if not np.ndim(value)}
        return moved

    def _moved(self, w: Array, g: Array, state: Any, settings: Mapping[str, Any]) -> Array:
        """Return one tensor after the step.

        A rule is never given scalars, because NumPy widens float32 scalars, but not arrays of one entry.
        """
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
    """A form of a rule with a bound on its rounding: it takes every step several times, with each operation shaken."""

    def __init__(self, step: Step, count: int, *, shared: str = "", groups: Sequence[int] = ()) -> None:
        self._plain = Player(step, count, shared=shared, groups=groups)
        self._shaking = [
            Player(step, count, shaking=True, shared=shared, groups=groups) for _ in range(decisions.PERTURBATIONS)
        ]

    def step(self, weights: Sequence[Array], gradients: Gradients, settings: Settings) -> tuple[list[Array], list[Any]]:
        """Return the weights after one step, and how far another correct computation of the step may be off."""
        Shaken.generator = np.random.default_rng(0)
        expected = self._plain.step(weights, gradients, settings)
        others = [player.step(weights, gradients, settings) for player in self._shaking]
        moved = ([o[i] for o in others] for i in range(len(expected)))
        triples = zip(expected, moved, gradients, strict=True)
        allowed = [np.zeros(e.shape) if g is None else _spread(e, several) for e, several, g in triples]
        return expected, [decisions.SHAKEN_FLOORS * bound for bound in allowed]


def _spread(expected: Array, others: Sequence[Array]) -> Array:
    """Return the largest change, at least one ulp: the last operation rounds too, even where no shaken run shows it."""
    with np.errstate(invalid="ignore"):
        apart = np.max([np.spacing(np.abs(expected)), *(np.abs(o.astype(float) - expected) for o in others)], axis=0)
    return np.asarray(np.where(np.isnan(apart), np.inf, apart))
