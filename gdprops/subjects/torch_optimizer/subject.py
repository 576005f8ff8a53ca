"""Any factory ``(params, **hyperparameters) -> torch.optim.Optimizer`` as a subject.

gdprops builds the optimizer anew for every run, over copies of the tensors, and feeds it gradients. For example,
``optimizer(torch.optim.SGD, lr=0.1, rule="sgd")`` is the subject that ``gdprops check torch.optim:SGD -p lr=0.1 --rule
sgd`` examines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from gdprops.errors import SubjectCrash, Unsupported, UsageError, text_of
from gdprops.model.case import Plan
from gdprops.model.identity import NO_ORIGIN, Identity, Origin
from gdprops.model.subject import Calling
from gdprops.model.traits import Measured, Traits, declared
from gdprops.model.wording import class_or_type, on_one_line, plural, type_of
from gdprops.subjects.declared_rule import check_rule
from gdprops.subjects.torch_optimizer import NAME
from gdprops.subjects.torch_optimizer.run import TorchRun
from gdprops.subjects.torch_optimizer.script import TorchScript
from gdprops.subjects.torch_optimizer.tensors import default_dtype, parameter_of
from gdprops.subjects.user_code.calling import REFUSALS, Calls
from gdprops.subjects.user_code.framework_names import require_home
from gdprops.subjects.user_code.identities import identity_of, origin, values_of
from gdprops.subjects.user_code.importing import import_name, label, label_of, spec_of
from gdprops.subjects.user_code.isolation import isolated, seed_random_numbers
from gdprops.subjects.user_code.signatures import defaults_of, require_keywords

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

OptimizerFactory = Callable[..., torch.optim.Optimizer]
DRAWS = ("global", "private")
"""The values of the trait ``randomness`` that mean that a step draws random numbers."""


@final
@dataclass(frozen=True, slots=True)
class TorchOptimizer:
    """A torch optimizer that gdprops feeds: built afresh for every run, never copied."""

    factory: OptimizerFactory
    hyperparameters: Mapping[str, Any]
    name: str
    rule: str | None = None
    declared: Mapping[str, Measured] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)
    calls: Calling = field(default_factory=Calls)
    kind: str = NAME
    spec: str = ""
    origin: Origin = NO_ORIGIN

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the subject is made of, by name."""
        stated = {"rule": self.rule, "traits": values_of(self.declared)}
        return {"factory": self.factory, "hyperparameters": self.hyperparameters, **stated}

    @property
    def identity(self) -> Identity:
        """What tells the subject from all others, whichever way it is named."""
        return identity_of(self)

    @property
    def framework(self) -> str:
        """The framework that computes the gradients: empty, gdprops computes them itself."""
        return ""

    @property
    def without_objects(self) -> str:
        """Why parameter objects, closures and autograd gradients are missing: empty, a torch optimizer has them."""
        return ""

    @property
    def own_rate(self) -> float | None:
        """The learning rate among the user's hyperparameters, or the factory's default."""
        given = self.settings.get("lr")
        return None if given is None else float(given)

    def prepared(self, traits: Traits, calls: Calling) -> TorchOptimizer:
        """Return this subject with its measured traits, and with a budget of time for its code."""
        return replace(self, traits=traits, calls=calls)

    def start(self, tensors: Sequence[Array], plan: Plan) -> TorchRun:
        """Build the optimizer anew, over copies of the tensors."""
        parameters = [parameter_of(w, plan, frozen=i in plan.frozen) for i, w in enumerate(tensors)]
        optimizer = self._build(parameters, plan)
        run = TorchRun(
            optimizer,
            parameters,
            plan,
            start=self.start,
            calls=self.calls,
            is_class=isinstance(self.factory, type),
            needs_closure=self.traits["inputs"] == "closure",
        )
        run.adopt_rates()
        run.train()
        return run

    def _build(self, parameters: Sequence[torch.Tensor], plan: Plan) -> torch.optim.Optimizer:
        seed_random_numbers(plan.seed)
        groups = [[parameters[i] for i in group] for group in plan.groups]
        own = plan.of_groups or ({},) * len(groups)
        one = len(groups) == 1 and not plan.of_groups
        handed: list[Any] = groups[0] if one else [{"params": g, **o} for g, o in zip(groups, own, strict=True)]
        optimizer = self._constructed(handed, {**self.hyperparameters, **plan.options}, plan)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UsageError(f"{self.name} returned {type_of(optimizer)}; expected a torch.optim.Optimizer")
        return optimizer

    def _constructed(self, handed: Any, given: Mapping[str, Any], plan: Plan) -> Any:
        """Call the factory. Raises `Unsupported` where it refuses options that gdprops has added: that is not a bug."""
        try:
            with self.calls.to(f"{self.name} on {plural(len(plan.groups), 'parameter group')}"), default_dtype(plan):
                return self.factory(handed, **given)
        except SubjectCrash as crash:
            ours = {**plan.options, **{k: v for own in plan.of_groups for k, v in own.items()}}
            if ours and isinstance(crash.error, REFUSALS):
                raise Unsupported(f"refuses {ours}: {text_of(crash.error)}") from crash
            raise

    @property
    def user_object(self) -> OptimizerFactory:
        """The user's own class or function."""
        return self.factory

    @property
    def script(self) -> TorchScript:
        """What writes a run of the subject as plain Python."""
        has_modes = callable(getattr(self.factory, "train", None))
        return TorchScript(self.spec, self.hyperparameters, has_modes, self.traits["randomness"] in DRAWS)

    def accepts(self, option: str) -> bool:
        """Say whether the factory takes a hyperparameter that the user has not set."""
        return option not in self.hyperparameters and option in self.settings

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every hyperparameter that the factory's signature names, as the user gave it or by default."""
        return {**defaults_of(self.factory), **self.hyperparameters}


def optimizer(
    factory: OptimizerFactory | str,
    /,
    *,
    rule: str | None = None,
    traits: Mapping[str, str] | None = None,
    name: str | None = None,
    **hyperparameters: Any,
) -> TorchOptimizer:
    """Return a torch optimizer as a subject.

    Args:
        factory: a class or function ``(params, **hyperparameters) -> torch.optim.Optimizer``, or the name of one,
            ``"package.module:Name"``. It is called afresh for every run.
        rule: the published update rule that the subject declares to be; ``"sgd"`` is plain gradient descent.
        traits: declared traits; a trait that measures as something else is a violation.
        name: the subject's name in reports.
        **hyperparameters: passed to the factory as they are.

    Raises:
        UsageError: for an unknown name, rule, trait or hyperparameter, or a factory that fails.
    """
    made_by = origin(name)
    made = build_optimizer(factory, rule=rule, traits=declared(traits), name=name, hyperparameters=hyperparameters)
    return replace(made, origin=made_by)


def build_optimizer(
    factory: Any,
    *,
    rule: str | None,
    traits: Mapping[str, Measured],
    name: str | None,
    hyperparameters: Mapping[str, Any],
    source: str | None = None,
) -> TorchOptimizer:
    """Return the subject, after building its optimizer once to check the factory and its hyperparameters."""
    spec = factory if isinstance(factory, str) else None
    built = import_name(spec) if spec else factory
    called = name or (label_of(spec, hyperparameters) if spec else label(built, hyperparameters))
    require_home(built, "optimizer", ("torch",))
    if not callable(built):
        raise UsageError(f"{called} is {class_or_type(built)}; expected a class or function that returns an optimizer")
    require_keywords(built, hyperparameters, called)
    _require_rate(hyperparameters)
    where = spec or source or spec_of(built)
    subject = TorchOptimizer(
        built, dict(hyperparameters), called, check_rule(rule, hyperparameters), dict(traits), spec=where
    )
    _try_to_build(subject)
    return subject


def _try_to_build(subject: TorchOptimizer) -> None:
    try:
        with isolated():
            subject.start([np.ones((2, 2)), np.ones((2, 2))], Plan(((0, 1),)))
    except SubjectCrash as crash:
        raise UsageError(
            f"{subject.name} cannot be built: {type(crash.error).__name__}: {on_one_line(crash.error)}"
        ) from crash


def _require_rate(hyperparameters: Mapping[str, Any]) -> None:
    rate = hyperparameters.get("lr")
    if rate is None:
        return
    try:
        number = float(rate)
    except (TypeError, ValueError) as error:
        raise UsageError(f"lr={rate!r}; expected a number") from error
    if math.isnan(number) or number < 0 or math.isinf(number):
        raise UsageError(f"lr={rate!r}; expected a finite number of at least 0")


def is_optimizer_class(found: Any) -> bool:
    """Say whether something is a class of torch optimizers."""
    return isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
