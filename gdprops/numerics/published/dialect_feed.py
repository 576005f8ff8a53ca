"""A rich feed that tells the forms of a rule apart, and which of them reproduce what was seen on it.

The gradients lie around 1, around epsilon and around its square root, because forms differ in where epsilon stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gdprops.model.arrays import Array
from gdprops.numerics import decisions
from gdprops.numerics.comparison import is_clearly_other
from gdprops.numerics.published.rule import Dialect, Published, Step, mistakes_of
from gdprops.numerics.published.rule_run import Bounded, Player, Settings

STEPS = 8
MATRICES = ((2, 3), (3, 2), (2, 2))
SHAPES = ((2, 3), (3, 2), (3,))
NEAR, NEAR_ULPS = 0.01, 64
"""How near a form must come to be run with bounds: a share of the displacement, and ulps. They decide nothing."""


@final
@dataclass(frozen=True, slots=True)
class Story:
    """Steps that were seen: the weights before and after each, the gradients, and the hyperparameters in force.

    ``groups``: the parameter group of each tensor.
    """

    seen: Sequence[Sequence[Array]]
    gradients: Sequence[Sequence[Array | None]]
    settings: Sequence[Settings]
    groups: Sequence[int] = ()


def rich_tensors(*, matrices: bool = False, dtype: Any = np.float64) -> list[Array]:
    """Return three tensors without zeros."""
    shapes = MATRICES if matrices else SHAPES
    return [
        (np.sin(np.arange(1, np.prod(s) + 1) * (k + 1.1)) + k - 0.4).astype(dtype).reshape(s)
        for k, s in enumerate(shapes)
    ]


def rich_gradients(epsilon: float, *, matrices: bool = False, dtype: Any = np.float64) -> list[list[Array]]:
    """Return the gradients of eight steps: around 1 and falling steeply, around epsilon, and around its square root."""
    return [
        [
            ((np.cos(np.arange(w.size) * (k + 1.3) + t * 1.7 + k) + 0.3) * size).astype(dtype).reshape(w.shape)
            for k, (w, size) in enumerate(
                zip(rich_tensors(matrices=matrices), (2.0**-6 if t else 1.0, epsilon, epsilon**0.5), strict=True)
            )
        ]
        for t in range(STEPS)
    ]


def epsilon_of(settings: Mapping[str, Any]) -> float:
    """Return a rule's epsilon, 1 where it has none."""
    value = settings.get("eps")
    first = value[0] if isinstance(value, tuple) else value
    return float(first) if first else 1.0


def differ_in_principle(rule: Published, key: str, rival: Dialect, settings: Mapping[str, Any]) -> bool:
    """Say whether two forms of a rule differ at these hyperparameters: at mu = 0, say, many forms are equal."""
    return _differ(rule, Dialect(key, rule.form(key), ""), rival, settings)


def distinct(rule: Published, forms: Sequence[Dialect], settings: Mapping[str, Any]) -> list[Dialect]:
    """Return the forms without those that equal an earlier form at these hyperparameters."""
    kept = list[Dialect]()
    for form in forms:
        if all(_differ(rule, other, form, settings) for other in kept):
            kept.append(form)
    return kept


def _differ(rule: Published, first: Dialect, second: Dialect, settings: Mapping[str, Any]) -> bool:
    matrices = rule.name == "muon"
    gradients, weights = rich_gradients(epsilon_of(settings), matrices=matrices), rich_tensors(matrices=matrices)
    one, other = (
        Player(form.step, len(weights), shared=form.shared, groups=range(len(weights))) for form in (first, second)
    )
    for t, step in enumerate(gradients):
        rate = settings["lr"] / (2 if t == len(gradients) - 1 else 1)
        given = [{**settings, "lr": rate}] * len(weights)
        a, b = one.step(weights, step, given), other.step(weights, step, given)
        bounds = [decisions.PRINCIPLE * np.abs(x - w).max() for x, w in zip(a, weights, strict=True)]
        if is_clearly_other(b, a, bounds):
            return True
        weights = a
    return False


def reproduces(form: Dialect, story: Story) -> bool:
    """Say whether a form of a rule reproduces every step of a story, each from the weights that were seen before it."""
    player = Bounded(form.step, len(story.seen[0]), shared=form.shared, groups=story.groups)
    for t, gradients in enumerate(story.gradients):
        expected, allowed = player.step(story.seen[t], gradients, story.settings[t])
        for seen, e, bound in zip(story.seen[t + 1], expected, allowed, strict=True):
            if not bool((np.abs(seen.astype(float) - e) <= bound).all()):
                return False
    return True


def is_near(step: Step, story: Story) -> bool:
    """Say whether a form gives about what was seen, so that it is worth being run with bounds on its rounding."""
    player = Player(step, len(story.seen[0]))
    for t, gradients in enumerate(story.gradients):
        before, after = story.seen[t], story.seen[t + 1]
        found = player.step(before, gradients, story.settings[t])
        for w, seen, there in zip(before, after, found, strict=True):
            moved = float(np.abs(seen.astype(float) - w).max(initial=0.0))
            room = NEAR * moved + NEAR_ULPS * np.spacing(np.abs(w).max(initial=0.0))
            if there.shape != seen.shape or not bool((np.abs(seen.astype(float) - there) <= room).all()):
                return False
    return True


def forms_of(rule: Published) -> tuple[Dialect, ...]:
    """Return the rule's own form, its dialects, and the known mistakes."""
    return (Dialect("", rule.step, "its own form", "the rule itself"), *rule.dialects, *mistakes_of(rule.step))
