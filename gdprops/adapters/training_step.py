"""The training step of somebody's project as a subject.

gdprops gives it a model, watches, and computes what one simultaneous update would have been.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import nn

from gdprops.adapters import script
from gdprops.adapters.calling import Calls
from gdprops.adapters.expected import Expected, settings_of, snapshot_of, tensors_of
from gdprops.adapters.isolation import seed_random_numbers
from gdprops.adapters.modules import criterion, module_of, script_module
from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.case import Plan, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.model.subject import Calling, Live
from gdprops.model.traits import Measured, Traits
from gdprops.numerics.decisions import DOUBLE

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

Step = Callable[..., Any]
Build = Callable[[nn.Module, nn.Module], Any]
Factory = Callable[..., torch.optim.Optimizer]


@final
@dataclass(frozen=True, slots=True)
class TrainingStep:
    """``build(model, loss_fn)`` returns ``step``, or ``(step, optimizer)``; ``step(inputs, targets)`` trains once."""

    build: Callable[[nn.Module, nn.Module], Any]
    name: str
    rule_factory: Factory | None = None
    lr: float | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    traits: Traits = field(default_factory=Traits)
    calls: Calling = field(default_factory=Calls)
    declared: Mapping[str, Measured] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "training-step"
    spec: str = ""

    @property
    def rule(self) -> str | None:
        """``"sgd"`` where plain gradient descent at a declared rate is expected."""
        return "sgd" if self.lr is not None and self.rule_factory is None else None

    def prepared(self, traits: Traits, calls: Calling) -> TrainingStep:
        """Return the same subject with what was measured of it, and a budget of time."""
        return replace(self, traits=traits, calls=calls)

    def script(self, case: TrainCase) -> str:
        """Return a plain script that builds the model of a case and trains it."""
        lines = [*script.import_lines(self.spec), *script_module(case.network, case.tensors)]
        lines.append(f"built = {self.spec.rpartition(':')[2]}(model, loss_fn)")
        lines.append("step = built[0] if isinstance(built, tuple) else built")
        for batch in case.batches:
            x, y = (f"torch.tensor({script.literal(a)}, dtype=torch.{a.dtype})" for a in (batch.inputs, batch.targets))
            lines += [f"step({x}, {y})", "print(*(p.data.tolist() for p in model.parameters()))"]
        return "\n".join(["import torch", *lines]) + "\n"

    def begin(self, case: TrainCase) -> Training:
        """Build a fresh model and the user's step on it."""
        seed_random_numbers(case.plan.seed)
        model, loss = module_of(case.network, case.tensors), criterion(case.network)
        with self.calls.to(f"{self.name}(model, loss_fn)"):
            built = self.build(model, loss)
        step, optimizer = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
        if not callable(step) or not isinstance(optimizer, torch.optim.Optimizer | None):
            raise UsageError(
                f"{self.name} returned {_describe(built)}; expected step(inputs, targets), or (step, optimizer)"
            )
        return Training(self, case, model, loss, step, optimizer)


def _describe(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in built)}"
    return f"a {type(built).__name__}"


@final
class Training:
    """A model that the user's step trains, and beside it a model of ours on which U(w, g(w), s) is computed."""

    def __init__(
        self,
        subject: TrainingStep,
        case: TrainCase,
        model: nn.Module,
        loss: nn.Module,
        step: Step,
        optimizer: torch.optim.Optimizer | None,
    ) -> None:
        self._subject, self._step, self._optimizer = subject, step, optimizer
        self._model, self._inputs = model, torch.empty(0)
        self._parameters = dict(model.named_parameters())
        self.names = tuple(self._parameters)
        self.layers = _layers_of(model)
        self._case, self._loss = case, criterion(case.network)
        self._expected = Expected(subject, case, optimizer is not None)
        self._called: list[dict[str, Any]] = []
        self._expected.mirror(self.trainable)
        if optimizer is not None:
            optimizer.register_step_pre_hook(self._remember)

    def _remember(self, optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        """Hyperparameters count as they are in force when the optimizer is called: a scheduler may step first."""
        self._called.append([copy.deepcopy(settings_of(group)) for group in optimizer.param_groups])  # type: ignore[arg-type] # a list

    @property
    def has_optimizer(self) -> bool:
        """Whether the user returned an optimizer beside the step."""
        return self._optimizer is not None

    @property
    def holds_the_model(self) -> bool:
        """Whether the user's optimizer, where there is one, holds any of the model's parameters."""
        if self._optimizer is None:
            return True
        held = {id(p) for group in self._optimizer.param_groups for p in group["params"]}
        return any(id(p) in held for p in self._parameters.values())

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Which of the parameters require gradients."""
        return tuple(p.requires_grad for p in self._parameters.values())

    def weights(self) -> list[Array]:
        """Return copies of all parameters, in the order of ``named_parameters()``."""
        return [p.detach().numpy().copy() for p in self._parameters.values()]

    def state(self) -> Any:
        """Return a copy of the state that U starts from: the user's optimizer's, or the declared rule's."""
        if self._optimizer is None or self._expected.is_declared:
            return self._expected.adopted
        return snapshot_of(self._optimizer)

    def step(self, t: int, rows: slice = slice(None)) -> Any:
        """Let the user's step train on (some rows of) batch t; return what it returns."""
        self._called.clear()
        inputs, targets = tensors_of(self._case, t, rows)
        self._inputs = inputs
        with self._subject.calls.to("step(inputs, targets)"):
            return self._step(inputs, targets)

    def hyperparameters(self) -> Any:
        """Return each group's hyperparameters as they were when the optimizer was called last, None if it was not."""
        return self._called[0] if self._called else None

    def gradients(
        self,
        weights: Sequence[Array],
        t: int,
        *,
        rows: slice = slice(None),
        shaken: bool = False,
        clipped: bool = True,
    ) -> list[Array | None]:
        """Return our own gradients of (some rows of) batch t; ``shaken`` moves the inputs by an ulp."""
        found = self._expected.gradients(weights, t, rows=rows, shaken=shaken)
        return self._expected.clipped(found) if clipped else found

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""
        return len(self._case.batches[t].inputs)

    def loss(self, weights: Sequence[Array], t: int) -> float:
        """Return J of batch t at some weights, on our own model."""
        return self._expected.loss(weights, t)

    def allowed(self, weights: Sequence[Array], t: int) -> None:
        """Noise floors must be measured: nothing is known of the model's operations."""

    def adopt(self) -> None:
        """Keep the state that the last update left: a declared rule goes on from it."""
        self._expected.adopt()

    @property
    def live(self) -> Live:
        """The user's model and its parameters, to be watched."""
        return Live(self._model, tuple(self._parameters.values()), self._inputs)

    @property
    def is_anchored(self) -> bool:
        """Whether U's state is the user's optimizer's, or there is none: a declared rule keeps its own."""
        return not self._expected.is_declared

    def advance(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> tuple[list[Array], Any]:
        """Return U(w, g, s) and the state after it."""
        return self._expected.update(weights, gradients, state, settings), self._expected.snapshot()

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any = None
    ) -> list[Array]:
        """Return U(w, g, s)."""
        return self._expected.update(weights, gradients, state, settings)


def _layers_of(model: nn.Module) -> tuple[tuple[int, ...], ...]:
    """Return the parameters' indices module by module; a shared one stands in every module that uses it."""
    index = {id(p): i for i, p in enumerate(model.parameters())}
    found: dict[str, list[int]] = {}
    for name, p in model.named_parameters(remove_duplicate=False):
        found.setdefault(name.rpartition(".")[0], []).append(index[id(p)])
    return tuple(tuple(layer) for layer in found.values())


def training_step(
    build: Build | None = None,
    /,
    *,
    rule: Factory | None = None,
    lr: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    name: str | None = None,
) -> Any:
    """Return a training step as a subject; without ``build``, a decorator that does.

    Args:
        build: ``build(model, loss_fn)``, called with a fresh random model and its criterion for every example, returns
            ``step`` or ``(step, optimizer)``. ``step(inputs, targets)`` performs one logical step. With an optimizer
            returned, the expected update is that optimizer's own, on gdprops' gradients at the frozen weights.
        rule: ``(params) -> optimizer``: the expected update where no optimizer is returned, or another is declared.
        lr: the rate of plain gradient descent, where neither is given.
        clip_norm: the global norm that gradients are clipped to, as ``torch.nn.utils.clip_grad_norm_`` does.
        clip_value: the bound that every entry of the gradients is clipped to.
        name: what reports call it.

    Raises:
        UsageError: for something that cannot be called, or an update that is not declared in any way.
    """
    from gdprops.adapters.resolve import spec_of

    declared: dict[str, Any] = {"rule": rule, "lr": lr, "clip_norm": clip_norm, "clip_value": clip_value, "name": name}
    if build is None:
        return partial(training_step, **declared)
    if not callable(build):
        raise UsageError(f"training_step: {build!r} is not callable; expected build(model, loss_fn) -> step")
    for key, value in (("lr", lr), ("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not (isinstance(value, int | float) and np.isfinite(value) and value >= 0):
            raise UsageError(f"{key}={value!r}; expected a finite number of at least 0")
    subject = TrainingStep(build, name or spec_of(build), rule, lr, clip_norm, clip_value, spec=spec_of(build))
    _require_expectation(subject)
    return subject


def _require_expectation(subject: TrainingStep) -> None:
    """Build the step once on a small network: it must say what update is expected of it."""
    from gdprops.adapters.isolation import isolated

    network = Network(((Layer(0, None, "tanh"), Layer(1, None, "identity")),), ("W1", "W2"), (True, True), "half-sse")
    ones = np.ones((1, 1))
    case = TrainCase(network, (ones, ones), (Batch(ones, ones),), Plan(((0, 1),)), DOUBLE)
    try:
        with isolated():
            returned = subject.begin(case).has_optimizer
    except SubjectCrash as crash:
        raise UsageError(f"{subject.name} cannot be used: {crash}") from crash
    if not returned and subject.rule_factory is None and subject.lr is None:
        raise UsageError(
            f"{subject.name} returns no optimizer; say what update is expected with rule=…, or lr=… for plain descent"
        )
