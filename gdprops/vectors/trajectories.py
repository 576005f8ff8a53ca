"""Where every form of a published rule goes on a feed, computed exactly, and how far an implementation may be off.

The rule itself runs, on exact numbers; each weight is rounded once, at the end. The bound is for an implementation
that runs freely, from its own weights: the rule runs eight times in the dtype with each operation moved by one ulp.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import numpy as np

from gdprops.model.arrays import Array
from gdprops.numerics import decisions
from gdprops.numerics.comparison import is_clearly_other
from gdprops.numerics.published.dialect_feed import forms_of
from gdprops.numerics.published.exact_numbers import Exact, each, exact, exact_number, nearest
from gdprops.numerics.published.rule import Dialect, Published, Step
from gdprops.numerics.published.rule_run import Player
from gdprops.numerics.published.shaken_arrays import Shaken
from gdprops.vectors.feeds import Feed

Steps = tuple[tuple[Array, ...], ...]
"""Tensors after each step."""


class Unsettled(ArithmeticError):
    """400 bits do not say how a weight rounds."""


@final
@dataclass(frozen=True, slots=True)
class Trajectory:
    """One form of a rule: the weights after each step, rounded once, and by how much a right computation may be off."""

    form: Dialect
    weights: Steps
    bounds: Steps

    @property
    def result(self) -> str:
        """What it means to move like this form: ``valid``, ``acceptable`` (a published dialect) or ``invalid``."""
        return ("acceptable" if self.form.key else "valid") if self.form.source else "invalid"

    def tells(self, other: Trajectory) -> bool:
        """Say whether another form's weights are at some step at least twice as far as the bound."""
        return any(map(is_clearly_other, other.weights, self.weights, self.bounds))

    def same_as(self, other: Trajectory) -> bool:
        """Say whether another form is the same rule on this feed."""
        pairs = zip(self.weights, other.weights, strict=True)
        return not any((a != b).any() for x, y in pairs for a, b in zip(x, y, strict=True))


def trajectories(rule: Published, feed: Feed) -> tuple[Trajectory, ...]:
    """Return the trajectory of every form of a rule; a mistake that changes nothing on this feed is left out."""
    own, *others = (_trajectory(form, feed) for form in forms_of(rule))
    return (own, *(t for t in others if t.form.source or not t.same_as(own)))


def blurred(found: tuple[Trajectory, ...]) -> list[tuple[str, str]]:
    """Return the pairs of keys that these vectors do not tell apart: a form that may be, and one that it looks like."""
    allowed = [t for t in found if t.result != "invalid"]
    return [(t.form.key, o.form.key) for t in allowed for o in found if o is not t and not t.tells(o)]


def _trajectory(form: Dialect, feed: Feed) -> Trajectory:
    weights = tuple(tuple(_rounded(a, feed.dtype) for a in step) for step in _exactly(form.step, feed))
    return Trajectory(form, weights, _bounds(form.step, feed, weights))


def _exactly(step: Step, feed: Feed) -> Iterator[tuple[Array, ...]]:
    """Yield the weights after each step as exact numbers."""
    states = [defaultdict[str, Any](lambda: Exact(Fraction(0))) for _ in feed.weights]
    weights, settings = tuple(map(exact, feed.weights)), exactly_given(feed.settings)
    for gradients, rate in zip(feed.gradients, feed.rates, strict=True):
        parts = zip(weights, gradients, states, strict=True)
        weights = tuple(step(w, exact(g), s, lr=exact_number(rate), **settings) for w, g, s in parts)
        yield weights


def exactly_given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyperparameters with their numbers exact; counts, switches and words stay as they are."""
    return {name: _exactly_given(value) for name, value in settings.items()}


def _exactly_given(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_exactly_given, value))
    return exact_number(value) if isinstance(value, float) else value


def _rounded(numbers: Array, dtype: Any) -> Array:
    """Return exact numbers, each rounded once to a dtype."""
    if not all(exact_number(n).settles(dtype) for n in numbers.ravel()):
        raise Unsettled(f"400 bits do not say how {numbers!r} rounds to {np.dtype(dtype).name}")
    return each(numbers, lambda n: float(nearest(n.value, dtype))).astype(dtype)


def _bounds(step: Step, feed: Feed, expected: Steps) -> Steps:
    """Return how far an implementation may be off after each step, at least four ulps."""
    Shaken.generator = np.random.default_rng(0)
    plain = _freely(step, feed, shaking=False)
    runs = [plain, *(_freely(step, feed, shaking=True) for _ in range(decisions.PERTURBATIONS))]
    return tuple(
        tuple(_spread(w, [run[t][i] for run in runs]) for i, w in enumerate(weights))
        for t, weights in enumerate(expected)
    )


def _freely(step: Step, feed: Feed, *, shaking: bool) -> list[list[Array]]:
    """Return the weights after each step of a run in the feed's dtype, each step from the weights of the last."""
    player, weights, seen = Player(step, len(feed.weights), shaking=shaking), list(feed.weights), []
    for gradients, rate in zip(feed.gradients, feed.rates, strict=True):
        weights = player.step(weights, gradients, [{**feed.settings, "lr": rate}] * len(weights))
        seen.append(weights)
    return seen


def _spread(expected: Array, seen: list[Array]) -> Array:
    off = [np.abs(s.astype(float) - expected.astype(float)) for s in seen]
    ulps = np.spacing(np.abs(expected)).astype(float)
    return np.asarray(decisions.SHAKEN_FLOORS * np.max([ulps, *off], axis=0))
