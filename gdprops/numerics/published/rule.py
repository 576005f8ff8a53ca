"""What a published rule consists of: one step of one tensor, its dialects, and the known mistakes.

For example, `gradient_descent.sgd` is ``w - lr * (g + weight_decay * w)``. A dialect is another legitimate form, such
as Keras' Adam, whose epsilon stands elsewhere. Clauses compare a subject with the declared form and name the form that
it really has.
"""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

State = defaultdict[str, Any]
"""What a rule remembers of one tensor. Every quantity is 0 before the first step."""

Step = Callable[..., Any]
"""``step(w, g, s, *, lr, …) -> w'``: one tensor, its gradient, its state (changed in place), hyperparameters."""


def fresh() -> State:
    """Return the state before the first step."""
    return defaultdict(float)


@final
@dataclass(frozen=True, slots=True)
class Dialect:
    """Another form of a rule.

    ``says`` is what it does differently, as a sentence without its full stop. ``source`` names who publishes this form;
    it is empty for a known mistake. ``within_rounding``: it differs from the rule's own form by no more than the
    rounding that the own form asks for, so that whoever declares the own form may do either. ``shared``: what all
    tensors, or those of one group or shape, remember together: ``clock`` and ``group``, their numbers, or ``shape``,
    everything.
    """

    key: str
    step: Step
    says: str
    source: str = ""
    within_rounding: bool = False
    shared: str = ""


@final
@dataclass(frozen=True, slots=True)
class Published:
    """A rule in its own form and in other forms, and the hyperparameters that tell them apart.

    ``options`` are hyperparameters that a case may set where the user has not. ``steps`` are the fewest and the most
    steps of a case, enough for everything that the rule does to happen.
    """

    name: str
    step: Step
    dialects: tuple[Dialect, ...] = ()
    options: Mapping[str, float | bool] = field(default_factory=dict)
    steps: tuple[int, int] = (3, 5)

    def form(self, key: str) -> Step:
        """Return the step of a published dialect; for an empty key, that of the rule's own form."""
        return next(d.step for d in self.dialects if d.key == key and d.source) if key else self.step

    def published(self) -> tuple[str, ...]:
        """Return the keys of the dialects that can be declared."""
        return tuple(d.key for d in self.dialects if d.source)

    def scales(self, shown: Mapping[str, Any]) -> tuple[float, ...]:
        """Return sizes of gradients at which an epsilon makes a difference: its own, its square root, and 1."""
        value = next((shown[name] for name in ("eps", "epsilon") if name in shown), None)
        first = next((v for v in value if v), None) if isinstance(value, (tuple, list)) else value
        if not isinstance(first, float) or not 0 < first < 1:
            return (1.0,)
        return (1.0, 2.0 ** round(math.log2(first)), 2.0 ** round(math.log2(first) / 2))

    def rivals(self, key: str) -> tuple[Dialect, ...]:
        """Return every form but the declared one, with the known mistakes."""
        own = Dialect("", self.step, "it is the rule's own form", "the rule itself")
        others = tuple(d for d in self.dialects if d.key != key and (key or not d.within_rounding))
        return ((own, *others) if key else others) + mistakes_of(self.form(key))


def hyperparameters_of(step: Step) -> dict[str, Any]:
    """Return the names of a rule's hyperparameters and their defaults; a learning rate has no default."""
    taken = inspect.signature(step).parameters.values()
    return {p.name: p.default for p in taken if p.kind is inspect.Parameter.KEYWORD_ONLY}


def mistakes_of(step: Step) -> tuple[Dialect, ...]:
    """Return the mistakes that can be made with any rule that keeps a state."""
    return (
        Dialect("forgetful", _forgetful(step), "its state is zero again at every step"),
        Dialect("ahead", _ahead(step), "its state has seen a gradient of zeros before the first step"),
    )


def from_the_second_step_on(step: Step, other: Step) -> Step:
    """Return a rule that makes its first step by one form and all others by another one."""

    def begin_as_told(w: Any, g: Any, s: State, **settings: Any) -> Any:
        if s["begun"]:
            return other(w, g, s, **settings)
        s["begun"] = 1
        return step(w, g, s, **settings)

    return begin_as_told


ADVANCES = "and advances once for each of them"


def shared_forms(step: Step) -> tuple[Dialect, ...]:
    """Return the mistakes in which tensors remember together what each should remember for itself."""
    return (
        Dialect("one-clock", step, f"one clock counts for all tensors, {ADVANCES}", shared="clock"),
        Dialect("clock-of-group", step, f"one clock counts for all tensors of a group, {ADVANCES}", shared="group"),
        Dialect("one-state", step, "tensors of one shape share one state", shared="shape"),
    )


def _forgetful(step: Step) -> Step:
    def forget(w: Any, g: Any, s: State, **settings: Any) -> Any:
        return step(w, g, fresh(), **settings)

    return forget


def _ahead(step: Step) -> Step:
    def begin_early(w: Any, g: Any, s: State, **settings: Any) -> Any:
        if not s["begun"]:
            step(w, 0 * g, s, **settings)
            s["begun"] = 1
        return step(w, g, s, **settings)

    return begin_early
