"""Hypotheses about the update rule itself: its hyperparameters, its weight decay and its state.

A log of ops cannot show wrong arithmetic. Each known fault of a rule is therefore tried. Example: "momentum enters
twice" predicts the weights of the declared rule with its momentum doubled.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights, on_steps
from gdprops.explanations.training_step.sweeps import weights_then_biases

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Grads, Watched
    from gdprops.explanations.training_step.hypothesis import Failure

Settings = list[dict[str, Any]]
NOT_HYPERPARAMETERS = ("lr", "initial_lr", "foreach", "fused", "capturable", "differentiable", "maximize")
CHANGES = ((0.0, "is not applied"), (2.0, "enters twice"), (0.5, "enters by half"))
LONG_AGO = 1e9
"""A step count so large that the bias correction of averages (as in Adam) has no effect any more."""


def rules(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return the hypotheses about the rule of the failing examples; none for plain gradient descent."""
    step = failures[0].first.step
    settings = settings_of(step)
    if settings is None:
        return []
    others = [
        Hypothesis(MOVED_DECAY, on_steps(_decay_at_moved(everything=False))),
        Hypothesis(f"{MOVED_DECAY}, and to frozen ones", on_steps(_decay_at_moved(everything=True)), broad=1),
        Hypothesis(DECAYS_THE_REST, on_steps(_decay_of_the_rest), clause="step.frozen-untouched", about_rest=True),
        Hypothesis(OTHER_RATE, on_steps(_at_the_rate_in_force)),
        *(Hypothesis(text, on_steps(_decay_by_rate(power)), threads=True) for text, power in RATED_DECAYS),
    ]
    return [*_changed(settings), *STATEFUL, *others]


def settings_of(step: Watched) -> Settings | None:
    """Return the hyperparameters of each parameter group; None for plain gradient descent.

    They are those in force when the optimizer was called, or else those of the declared rule.
    """
    if step.settings:
        return list(step.settings)
    return list(step.state[1]) if isinstance(step.state, tuple) else None


def _changed(settings: Settings) -> list[Hypothesis]:
    """Return the hypotheses that a hyperparameter is changed.

    A number is multiplied by 0, 2 and 1/2: for all parameters, for the biases, and for all others. A flag is switched.
    """
    keys = [
        k
        for k, v in settings[0].items()
        if k not in NOT_HYPERPARAMETERS and _is_number(v) and any(g[k] for g in settings)
    ]
    parts: tuple[tuple[str, int | None], ...] = (("", None), (" for the biases", 1), (" for all that is no bias", 0))
    flags = [k for k, v in settings[0].items() if isinstance(v, bool) and k not in NOT_HYPERPARAMETERS]
    switched = [Hypothesis(f"{k} is switched the other way", on_steps(_switched(k)), threads=True) for k in flags]
    return switched + [
        Hypothesis(f"{key} {told}{where}", on_steps(_with(key, by, part)), broad=int(not whole), threads=whole)
        for key in keys
        for by, told in CHANGES
        for where, part in parts
        for whole in [part is None]
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _with(key: str, factor: float, part: int | None) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        changed = _times(step, key, factor)
        if changed is None:
            return None
        members = set(range(len(step.names)) if part is None else weights_then_biases(step)[part])
        return [c if i in members else e for i, (c, e) in enumerate(zip(changed, step.expected, strict=True))]

    return rival


def _switched(key: str) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        changed = [{**copy.deepcopy(group), key: not group[key]} for group in settings_of(step) or []]
        return step.run.update(step.before, step.gradients, step.state, changed) if changed else None

    return rival


def _times(step: Watched, key: str, factor: float) -> Weights | None:
    """Return the weights after U with one hyperparameter multiplied by a factor; None if a group lacks it."""
    settings = settings_of(step)
    if settings is None or any(key not in group for group in settings):
        return None
    changed = [{**copy.deepcopy(group), key: factor * group[key]} for group in settings]
    return step.run.update(step.before, step.gradients, step.state, changed)


def _decay_of_all(step: Watched) -> float | None:
    """Return by which share of itself each weight decays, rate times decay; None where groups differ in it."""
    settings = settings_of(step)
    if settings is None or len({(g["lr"], g.get("weight_decay", 0.0)) for g in settings}) != 1:
        return None
    return float(settings[0]["lr"]) * float(settings[0].get("weight_decay", 0.0))


MOVED_DECAY = "the decay is applied to the weights that the step has already moved"


def _decay_at_moved(*, everything: bool) -> Callable[[Watched], Weights | None]:
    """Return the rival that decays moved weights; ``everything``: weights without a gradient and frozen ones too."""

    def rival(step: Watched) -> Weights | None:
        moved, rate = _times(step, "weight_decay", 0.0), _decay_of_all(step)
        if moved is None or rate is None:
            return None
        return [w - rate * w if everything or g is not None else w for w, g in zip(moved, step.gradients, strict=True)]

    return rival


DECAYS_THE_REST = "the decay moves frozen parameters, or those without a gradient, too; all others are right"


def _decay_of_the_rest(step: Watched) -> Weights | None:
    rate = _decay_of_all(step)
    ends = zip(step.expected, step.gradients, strict=True)
    return [e - rate * e if g is None else e for e, g in ends] if rate else None


RATED_DECAYS = (
    ("weight_decay is multiplied by the learning rate once more", 1),
    ("weight_decay is not multiplied by the learning rate", -1),
)


def _decay_by_rate(power: int) -> Callable[[Watched], Weights | None]:
    def rival(step: Watched) -> Weights | None:
        settings = settings_of(step)
        if not settings or not any(group.get("weight_decay") for group in settings):
            return None
        changed = [{**group, "weight_decay": group["weight_decay"] * group["lr"] ** power} for group in settings]
        return step.run.update(step.before, step.gradients, step.state, changed)

    return rival


OTHER_RATE = "the optimizer is called with another learning rate than the declared one (a scheduler has moved it)"


def _at_the_rate_in_force(step: Watched) -> Weights | None:
    """Make plain gradient descent at the learning rate of the user's optimizer.

    None where U depends on the optimizer's rate: only plain descent at a declared rate does not.
    """
    rates = {float(group["lr"]) for group in step.settings or [] if "lr" in group}
    if len(rates) != 1 or any(
        (a != e).any() for a, e in zip(_times(step, "lr", 2.0) or (), step.expected, strict=True)
    ):
        return None
    (rate,) = rates
    return [w if g is None else w - rate * g for w, g in zip(step.before, step.gradients, strict=True)]


def _positions(step: Watched) -> list[int] | None:
    """Return the index of the parameter to which each entry of the rule's state belongs; None if that is unknown.

    The entries belong to the trainable parameters in their order.
    """
    if not isinstance(step.state, tuple):
        return None
    trained = [i for i, trains in enumerate(step.trainable) if trains]
    return trained if len(step.state[0]) == len(trained) else None


def _only(gradients: Grads, i: int) -> Grads:
    return [g if k == i else None for k, g in enumerate(gradients)]


def _shared_by_shape(step: Watched) -> Weights | None:
    """Update parameter by parameter; each continues from the state that the last parameter of its shape left."""
    positions = _positions(step)
    if positions is None:
        return None
    v, state, left = list(step.before), copy.deepcopy(step.state), dict[tuple[int, ...], Any]()
    for j, i in enumerate(positions):
        if step.gradients[i] is None:
            continue
        shape = step.before[i].shape
        if shape in left:
            state[0][j] = left[shape]
        v, state = step.run.advance(v, _only(step.gradients, i), state, step.settings)
        left[shape] = copy.deepcopy(state[0][j])
    return v


def _buffer_by_shape(step: Watched) -> Weights:
    """Update as if there were one gradient buffer per shape, so that only the gradient written last counts."""
    last: dict[tuple[int, ...], Any] = {g.shape: g for g in step.gradients if g is not None}
    return step.update([None if g is None else last[g.shape] for g in step.gradients])


def _counted(count: Callable[[Watched, int, int], float]) -> Callable[[Watched], Weights | None]:
    """Return the rival in which the step counter of the j-th of n parameters is ``count(step, j, n)`` before a step."""

    def rival(step: Watched) -> Weights | None:
        positions = _positions(step)
        if positions is None:
            return None
        held = [i for i in positions if step.gradients[i] is not None]
        states, settings = copy.deepcopy(_started(step))
        for j, i in enumerate(held):
            own = states[positions.index(i)]
            if own is None or "step" not in own:
                return None
            own["step"] = own["step"] * 0 + count(step, j, len(held))
        return step.run.update(step.before, step.gradients, (states, settings), step.settings)

    return rival


def _started(step: Watched) -> Any:
    """Return the rule's state before a step; before the first step, the state that it allocates, set to zero."""
    if step.number > 1:
        return step.state
    _, state = step.run.advance(step.before, step.gradients, step.state, step.settings)
    states = [None if s is None else {k: v * 0 if _is_tensor(v) else v for k, v in s.items()} for s in state[0]]
    return states, state[1]


def _is_tensor(value: Any) -> bool:
    return not isinstance(value, bool | str | tuple | list | dict | None) and np.ndim(value) >= 0


def _forgotten(step: Watched) -> Weights | None:
    """Update from a fresh state; None at the first step, which starts from a fresh state anyway."""
    if not isinstance(step.state, tuple) or step.number == 1:
        return None
    return step.run.update(step.before, step.gradients, ([None] * len(step.state[0]), step.state[1]), step.settings)


def _averages_forgotten(step: Watched) -> Weights | None:
    """Update with all averages set to zero while the step counter goes on; None at the first step."""
    if not isinstance(step.state, tuple) or step.number == 1:
        return None
    states, settings = copy.deepcopy(step.state)
    emptied = [
        None if s is None else {k: v if k == "step" or not _is_tensor(v) else v * 0 for k, v in s.items()}
        for s in states
    ]
    return step.run.update(step.before, step.gradients, (emptied, settings), step.settings)


STATEFUL = (
    Hypothesis(
        "the optimizer's state starts anew each step (a new optimizer every time, or its state is cleared)",
        on_steps(_forgotten),
    ),
    Hypothesis("the rule's averages are forgotten after every step", on_steps(_averages_forgotten), broad=1),
    Hypothesis("parameters of equal shape share one state", on_steps(_shared_by_shape)),
    Hypothesis(
        "parameters of equal shape share one gradient buffer: the last one's gradient counts",
        on_steps(_buffer_by_shape),
    ),
    Hypothesis(
        "the step counter is advanced once per parameter instead of once per step",
        on_steps(_counted(lambda step, j, n: (step.number - 1) * n + j)),
    ),
    Hypothesis("the step counter stands still at the first step", on_steps(_counted(lambda step, j, n: 0))),
    Hypothesis("the step counter runs one step ahead", on_steps(_counted(lambda step, j, n: step.number))),
    Hypothesis("the bias of the averages is not corrected", on_steps(_counted(lambda step, j, n: LONG_AGO))),
)
BY_SHAPE = STATEFUL[3]
"""The shared gradient buffer needs no state of the rule: this hypothesis is tried for plain gradient descent too."""
