"""Wrong update rules over NumPy arrays, and the correct ones that they are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.faults.fault import Fault
from gdprops.subjects.update_rule.subject import update_rule

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

Arrays = Mapping[str, "Array"]
Updated = tuple[dict[str, Any], Any]
Rule = Callable[..., Updated]


def sgd(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """W <- w - eta g."""
    return {name: w - lr * grads[name] if name in grads else w for name, w in params.items()}, state


def momentum(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """V <- v / 2 + g, w <- w - eta v."""
    v = dict(state or {})
    for name, g in grads.items():
        v[name] = 0.5 * v[name] + g if name in v else g
    return {name: w - lr * v[name] if name in grads else w for name, w in params.items()}, v


def adam(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """Adam with a clock for every tensor; beta = (0.75, 0.875), epsilon = 2^-10."""
    state, moved = dict(state or {}), dict(params)
    for name, g in grads.items():
        m, v, t = state.get(name, (0.0, 0.0, 0))
        m, v, t = 0.75 * m + 0.25 * g, 0.875 * v + 0.125 * g * g, t + 1
        state[name] = m, v, t
        moved[name] = moved[name] - lr * (m / (1 - 0.75**t)) / (np.sqrt(v / (1 - 0.875**t)) + 2.0**-10)
    return moved, state


def rule_decays_moved_weights(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """Moves by -eta g, then decays what has moved."""
    moved, state = sgd(params, grads, state, lr)
    for name in grads:
        moved[name] = moved[name] - lr * 0.001 * moved[name]
    return moved, state


def rule_with_one_counter(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """Divides by a counter of steps that is advanced once per tensor."""
    moved, step = dict(params), int(state or 0)
    for name, g in grads.items():
        step += 1
        moved[name] = moved[name] - lr * g / step
    return moved, step


def rule_reads_its_updated_neighbour(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """Averages every tensor with the mean of the one before it, which has moved already."""
    moved, mean = dict(params), 0.0
    for name, g in grads.items():
        moved[name] = moved[name] - lr * (g + 0.125 * mean)
        mean = float(moved[name].mean()) if g.size else mean
    return moved, state


def rule_forgets_the_last(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """Goes over one tensor too few."""
    moved = dict(params)
    for name in list(grads)[:-1]:
        moved[name] = moved[name] - lr * grads[name]
    return moved, state


_VELOCITIES: dict[tuple[int, ...], Any] = {}


def rule_remembers_in_a_global(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """The last gradient of each shape lives in the module, not in the state."""
    moved = dict(params)
    for name, g in grads.items():
        moved[name] = moved[name] - lr * (g + 0.5 * _VELOCITIES.get(g.shape, 0.0))
        _VELOCITIES[g.shape] = g
    return moved, state


def rule_adds_the_last_gradient(params: Arrays, grads: Arrays, state: Any, lr: float = 0.5) -> Updated:
    """The gradients of the step before are still in the sum."""
    last = dict(state or {})
    both = {name: g + last.get(name, 0.0) for name, g in grads.items()}
    return sgd(params, both, {**last, **grads}, lr)


def _fault(function: Rule, summary: str, *, rule: str | None = None, source: str = "") -> Fault:
    name = function.__name__.replace("_", "-")
    return Fault(name, summary, source, lambda: update_rule(function, rule=rule, name=name, lr=0.5))


FAULTS = (
    _fault(
        rule_decays_moved_weights,
        "The weights decay after they have moved.",
        rule="sgd",
        source="huggingface/transformers#14539",
    ),
    _fault(
        rule_with_one_counter,
        "One counter of steps for all tensors, advanced once per tensor.",
        source="DiffSharp/DiffSharp#292",
    ),
    _fault(
        rule_reads_its_updated_neighbour,
        "Every tensor is pulled towards the one before it, which has moved already.",
        source="keras-team/keras#10769",
    ),
    _fault(
        rule_forgets_the_last,
        "The last tensor never moves.",
        rule="sgd",
    ),
    _fault(
        rule_remembers_in_a_global,
        "The last gradients live in the module, not in the state.",
    ),
    _fault(
        rule_adds_the_last_gradient,
        "The last step's gradient is added to this one's.",
        rule="sgd",
        source="karpathy/llm.c#548",
    ),
)
