"""A pure update rule over NumPy arrays as a subject: it has no framework, no object and no parameter groups."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import Unsupported, UsageError
from gdprops.model.identity import NO_ORIGIN, Identity, Origin
from gdprops.model.optional_hyperparameters import RATE_NAMES
from gdprops.model.subject import Calling, Delivery, Gradients, Look, Stepped
from gdprops.model.traits import Measured, Traits, declared
from gdprops.subjects.declared_rule import check_rule
from gdprops.subjects.update_rule import NAME
from gdprops.subjects.update_rule.script import RuleScript
from gdprops.subjects.user_code.calling import Calls
from gdprops.subjects.user_code.framework_names import require_home
from gdprops.subjects.user_code.identities import identity_of, origin, values_of
from gdprops.subjects.user_code.importing import label, spec_of
from gdprops.subjects.user_code.isolation import seed_random_numbers
from gdprops.subjects.user_code.signatures import defaults_of, parameters_of, require_keywords

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan

Rule = Callable[..., tuple[Mapping[str, Any], Any]]


@final
@dataclass(frozen=True, slots=True)
class UpdateRule:
    """``rule(params, grads, state, **hyperparameters) -> (params, state)`` over dictionaries of arrays.

    ``numbers``: the dtype in which the rule keeps its own numbers, such as the learning rate. ``prelude``: the script
    lines that define ``update``, for a rule of another framework. ``framework``: the framework that computes its
    gradients. ``adapted``: the optimizer of a framework that ``function`` steps with.
    """

    function: Rule
    hyperparameters: Mapping[str, Any]
    name: str
    rule: str | None = None
    declared: Mapping[str, Measured] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)
    calls: Calling = field(default_factory=Calls)
    kind: str = NAME
    spec: str = ""
    prelude: str = ""
    numbers: str = "float64"
    framework: str = ""
    adapted: Any = None
    origin: Origin = NO_ORIGIN

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the subject is made of, by name."""
        stated = {"rule": self.rule, "traits": values_of(self.declared), "framework": self.framework}
        return {"function": self.adapted or self.function, "hyperparameters": self.hyperparameters, **stated}

    @property
    def identity(self) -> Identity:
        """What tells the subject from all others, whichever way it is named."""
        return identity_of(self)

    @property
    def rate_name(self) -> str | None:
        """The name of the keyword by which the rule takes its learning rate, None where it takes none."""
        taken = parameters_of(self.function) or {}
        return next((name for name in RATE_NAMES if name in taken), None)

    @property
    def without_objects(self) -> str:
        """Why clauses about parameter objects, closures and autograd gradients do not apply."""
        return "an update rule has no parameter objects, closures or autograd gradients"

    @property
    def own_rate(self) -> float | None:
        """The learning rate among the user's hyperparameters, or the rule's default."""
        given = None if self.rate_name is None else self.settings.get(self.rate_name)
        return None if given is None else float(given)

    def prepared(self, traits: Traits, calls: Calling) -> UpdateRule:
        """Return this subject with its measured traits, and with a budget of time for its code."""
        return replace(self, traits=traits, calls=calls)

    def accepts(self, option: str) -> bool:
        """Say whether the rule takes a hyperparameter that the user has not set."""
        return option not in self.hyperparameters and option in self.settings

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyperparameter by name, as the user gave it or by default."""
        return {**defaults_of(self.function), **self.hyperparameters}

    @property
    def user_object(self) -> Rule:
        """The user's own function."""
        return self.function

    @property
    def script(self) -> RuleScript:
        """What writes a run of the rule as plain Python."""
        return RuleScript(self.spec, self.hyperparameters, self.rate_name, self.prelude)

    def start(self, tensors: Sequence[Array], plan: Plan) -> RuleRun:
        """Begin a run with copies of the tensors and without a state."""
        if len(plan.groups) > 1 and plan.rates is not None and len(set(plan.rates)) > 1:
            raise Unsupported("an update rule has one learning rate")
        if plan.dtype or plan.layout or plan.of_groups:
            raise Unsupported("an update rule takes plain NumPy arrays, without parameter groups")
        seed_random_numbers(plan.seed)
        hyperparameters = {**self.hyperparameters, **plan.options}
        if plan.rates is not None and self.rate_name is not None:
            hyperparameters[self.rate_name] = plan.rates[0]
        return RuleRun(self, [w.copy(order="K") for w in tensors], plan, hyperparameters, None)


@final
class RuleRun:
    """A run of an update rule: its weights and its state, step after step."""

    def __init__(
        self, subject: UpdateRule, weights: list[Array], plan: Plan, hyperparameters: dict[str, Any], state: Any
    ) -> None:
        self._subject, self._weights, self._plan = subject, weights, plan
        self._hyperparameters, self._state = hyperparameters, state
        self._fed: dict[str, Array] = {}

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Take one step with these gradients; a missing gradient is left out of the dictionary."""
        if delivery is not Delivery.ASSIGNED:
            raise Unsupported("an update rule takes its gradients as an argument")
        handed = [i for i in self._plan.indices if i not in self._plan.frozen]
        params = {f"w{i}": self._weights[i].copy(order="K") for i in handed}
        grads = {
            f"w{i}": np.array(g, dtype=self._weights[i].dtype, order="K")
            for i in handed
            if (g := gradients[i]) is not None
        }
        self._fed = grads
        with self._subject.calls.to("the update rule"):
            moved, self._state = self._subject.function(params, grads, self._state, **self._hyperparameters)
            for i in handed:
                self._weights[i] = np.asarray(moved[f"w{i}"]).copy(order="K")

    def draws_privately(self, gradients: Gradients) -> bool:
        """Take one step and return False: a generator that the function draws from is not seen."""
        self.step(gradients)
        return False

    def hand_over(self, gradients: Gradients) -> None:
        """Raise `Unsupported`: an update rule takes no closure."""
        raise Unsupported("an update rule takes no closure")

    def step_closure(self, look: Look) -> Stepped:
        """Raise `Unsupported`: an update rule takes no closure."""
        raise Unsupported("an update rule takes no closure")

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now."""
        return [w.copy(order="K") for w in self._weights]

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite all tensors with these weights."""
        self._weights = [w.copy(order="K") for w in weights]

    def rates(self) -> list[float | None]:
        """Return the learning rate in force, which is one for all tensors."""
        name = self._subject.rate_name
        rate = None if name is None else self._hyperparameters.get(name, self._subject.own_rate)
        return [None if rate is None else self._stored(rate)] * len(self._weights)

    def _stored(self, value: Any) -> float:
        """Return a number in the precision that the rule keeps: some rules keep their numbers in float32."""
        return float(np.dtype(self._subject.numbers).type(value))

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return the keywords that the function is called with, and its own defaults, for every tensor."""
        shown = {**defaults_of(self._subject.function), **self._hyperparameters}
        numbers = {k: self._stored(v) if isinstance(v, float) else v for k, v in shown.items()}
        return [numbers] * len(self._weights)

    def scale_rate(self, factor: float, also: Sequence[str] = ()) -> None:
        """Multiply the learning rate, and ``also`` other numbers among the hyperparameters."""
        rate, shown = self.rates()[0], self.hyperparameters()[0]
        self._hyperparameters.update({key: shown[key] * factor for key in also if key in shown})
        if self._subject.rate_name is not None and rate is not None:
            self._hyperparameters[self._subject.rate_name] = rate * factor

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> RuleRun:
        """Return a new run with deep copies of the weights and the state."""
        if plan is not None or through_file:
            raise Unsupported("an update rule has one implementation and saves no file")
        state = copy.deepcopy(self._state)
        return RuleRun(self._subject, self.weights(), self._plan, dict(self._hyperparameters), state)

    def cast_on_loading(self) -> str:
        """Return nothing: copying a state changes no dtype."""
        return ""

    def gradients(self) -> list[Array | None]:
        """Return the gradient arrays of the last step as they are now."""
        return [self._fed.get(f"w{i}") for i in range(len(self._weights))]

    def spoil_gradients(self) -> None:
        """Overwrite the gradient arrays of the last step with NaN."""
        for g in self._fed.values():
            g.fill(np.nan)

    def aliases(self) -> list[str]:
        """Return nothing: a pure function may keep the arrays that it was given."""
        return []

    def remembered(self) -> bytes:
        """Return a digest of the arrays in the state."""
        return b"".join(path.encode() + kept.tobytes() for path, kept in _arrays(self._state))

    def takes_closure(self) -> None:
        """Raise `Unsupported`: an update rule takes no closure."""
        raise Unsupported("an update rule takes no closure")

    def call_readers(self, hyperparameter: str) -> list[str]:
        """Return nothing: an update rule has no further methods."""
        return []

    def evaluate(self) -> bool:
        """Return False: an update rule has no modes."""
        return False

    def replaced(self) -> str:
        """Raise `Unsupported`: an update rule has no parameter objects."""
        raise Unsupported("an update rule has no parameter objects")

    def addresses(self) -> list[int]:
        """Raise `Unsupported`: an update rule returns new weights instead of keeping parameter objects."""
        raise Unsupported("an update rule has no parameter objects")

    def zero_gradients(self, *, set_to_none: bool) -> bool | None:
        """Raise `Unsupported`: an update rule holds no gradients."""
        raise Unsupported("an update rule holds no gradients")

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Raise `Unsupported`: an update rule has no parameter groups."""
        raise Unsupported("an update rule has no parameter groups")


def _arrays(kept: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Yield every array inside dictionaries, lists and tuples, with its path."""
    if isinstance(kept, np.ndarray):
        yield path, kept
    elif isinstance(kept, Mapping):
        for key, value in kept.items():
            yield from _arrays(value, f"{path}[{key!r}]")
    elif isinstance(kept, list | tuple):
        for number, value in enumerate(kept):
            yield from _arrays(value, f"{path}[{number}]")


def update_rule(
    rule_function: Rule,
    /,
    *,
    rule: str | None = None,
    traits: Mapping[str, str] | None = None,
    name: str | None = None,
    **hyperparameters: Any,
) -> UpdateRule:
    """Return a pure update rule as a subject.

    Args:
        rule_function: ``(params, grads, state, **hyperparameters) -> (params, state)``. ``params`` and ``grads`` are
            dictionaries of float arrays of equal shapes; a missing gradient is left out; ``state`` is None at first.
        rule: the published update rule that the subject declares to be; ``"sgd"`` is plain gradient descent.
        traits: declared traits.
        name: the subject's name in reports.
        **hyperparameters: passed to the rule by keyword, the learning rate as ``lr``, ``learning_rate`` or ``eta``.

    Raises:
        UsageError: for something that is not a function, or an unknown rule or trait.
    """
    made_by = origin(name)
    require_home(rule_function, "update_rule", ())
    if not callable(rule_function):
        raise UsageError(
            f"update_rule: {rule_function!r} is not callable; expected a function of (params, grads, state)"
        )
    called = name or label(rule_function, hyperparameters)
    require_keywords(rule_function, hyperparameters, called)
    made = UpdateRule(
        rule_function, hyperparameters, called, check_rule(rule, hyperparameters), declared(traits), origin=made_by
    )
    return replace(made, spec=spec_of(rule_function))
