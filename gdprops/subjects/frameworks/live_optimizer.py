"""Optimizers that own their variables (Keras, TensorFlow 1) as update rules.

An update rule is a function ``(params, grads, state) -> (params, state)``. Here the state is the live optimizer itself:
a step puts the params into its variables, steps, and reads the variables.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, final

import numpy as np

from gdprops.errors import UsageError
from gdprops.model.wording import on_one_line
from gdprops.subjects.update_rule.subject import UpdateRule
from gdprops.subjects.user_code.signatures import signature_of_rule

Tree = dict[str, Any]
RATE = "learning_rate"

PRELUDE = """import numpy as np
from gdprops.script_imports import resolve  # it keeps the optimizer and its variables alive from step to step

update = resolve({spec!r}, hyperparameters={given!r}).function
"""


class Live(Protocol):
    """One optimizer over its own variables, in any framework."""

    def place(self, weights: Sequence[Any], rate: float) -> None:
        """Overwrite the variables and the learning rate."""

    def apply(self, gradients: Sequence[Any]) -> None:
        """Take one step; None stands for a missing gradient."""

    def weights(self) -> list[Any]:
        """Return copies of the variables."""

    def remember(self, other: Any) -> None:
        """Copy another live optimizer's state into this one, as from a checkpoint."""


Begin = Callable[[Any, Sequence[Any], Mapping[str, Any]], Live]


@final
class Kept:
    """A run's live optimizer, kept as the state of an update rule.

    A deep copy of it is a fresh optimizer that has taken over the state.
    """

    def __init__(self, begin: Callable[[Sequence[Any]], Live], names: Sequence[str], weights: Sequence[Any]) -> None:
        self._begin, self.names = begin, tuple(names)
        self.live = begin(weights)

    def __deepcopy__(self, memo: Any) -> Kept:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copied = Kept(self._begin, self.names, self.live.weights())
            copied.live.remember(self.live)
        return copied


@final
class LiveRule:
    """``(params, grads, state, **hyperparameters) -> (params, state)`` by an optimizer class that owns its variables.

    These frameworks keep learning rates and other numbers in float32, even where the weights are float64; so their
    optimizers are checked in float32.
    """

    def __init__(self, factory: Any, begin: Begin) -> None:
        self.factory, self._begin = factory, begin
        self.__signature__ = signature_of_rule(factory)

    def __deepcopy__(self, memo: Any) -> LiveRule:
        """Return this rule: it has no state of its own."""
        return self

    def __call__(self, params: Tree, grads: Tree, state: Kept | None, **given: Any) -> tuple[Tree, Kept]:
        """Take one step. Raises `TypeError` for weights that are not float32."""
        if any(w.dtype != np.float32 for w in params.values()):
            raise TypeError(
                "the optimizer is checked in float32: it keeps its own numbers in float32, whatever the weights are"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about missing gradients, and about NumPy's next version
            return self._stepped(params, grads, state, given)

    def _stepped(self, params: Tree, grads: Tree, state: Kept | None, given: Tree) -> tuple[Tree, Kept]:
        weights = list(params.values())
        kept = state or Kept(lambda held: self._begin(self.factory, held, given), tuple(params), weights)
        kept.live.place([params[name] for name in kept.names], float(given[RATE]))
        if grads:
            kept.live.apply([grads.get(name) for name in kept.names])
        return dict(zip(kept.names, kept.live.weights(), strict=True)), kept


def live_subject(
    factory: Any, begin: Begin, given: Mapping[str, Any], *, rule: str | None, name: str, spec: str, framework: str
) -> UpdateRule:
    """Return an optimizer class as a subject. Raises `UsageError` where it cannot be built."""
    function = LiveRule(factory, begin)
    taken = function.__signature__.parameters
    if RATE not in taken or (RATE not in given and taken[RATE].default is inspect.Parameter.empty):
        raise UsageError(f"{name} needs its learning rate: -p learning_rate=0.1")
    rate = given.get(RATE, taken[RATE].default)
    ones = {"w": np.ones(2, np.float32)}
    try:
        function(ones, ones, None, **{**given, RATE: rate})
    except Exception as error:
        raise UsageError(f"{name} cannot be built: {type(error).__name__}: {on_one_line(error)}") from error
    prelude = PRELUDE.format(spec=spec, given=dict(given))
    made = UpdateRule(function, dict(given), name, rule, spec=spec, prelude=prelude, numbers="float32")
    return replace(made, framework=framework, adapted=factory)
