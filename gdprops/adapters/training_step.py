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
from torch import Tensor, nn

from gdprops.adapters import script
from gdprops.adapters.calling import Calls
from gdprops.adapters.isolation import seed_random_numbers
from gdprops.adapters.modules import criterion, module_of, script_module
from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.case import Plan, TrainCase
from gdprops.model.network import Batch, Layer, Network
from gdprops.model.subject import Calling, Live
from gdprops.model.traits import Measured, Traits
from gdprops.numerics.decisions import CLIP_GUARD, DOUBLE
from gdprops.numerics.floor import perturbed

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
        self._called.append([copy.deepcopy(_settings(group)) for group in optimizer.param_groups])  # type: ignore[arg-type] # a list

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
        return _snapshot(self._optimizer)

    def step(self, t: int, rows: slice = slice(None)) -> Any:
        """Let the user's step train on (some rows of) batch t; return what it returns."""
        self._called.clear()
        inputs, targets = _tensors(self._case, t, rows)
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


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def _tensors(case: TrainCase, t: int, rows: slice) -> tuple[Tensor, Tensor]:
    batch = case.batches[t]
    return torch.from_numpy(batch.inputs[rows].copy()), torch.from_numpy(batch.targets[rows].copy())


@final
class Expected:
    """The simultaneous update on a model of our own: never on the user's."""

    def __init__(self, subject: TrainingStep, case: TrainCase, returned: bool) -> None:
        self._subject, self._case, self._loss = subject, case, criterion(case.network)
        self._looking = module_of(case.network, case.tensors)
        self._look_at = dict(self._looking.named_parameters())
        moved = module_of(case.network, case.tensors)
        self._moved = dict(moved.named_parameters())
        self._rule = self._optimizer(moved, returned)
        self.is_declared = subject.rule_factory is not None
        self.adopted: Any = None
        self.adopt()

    def _optimizer(self, model: nn.Module, returned: bool) -> torch.optim.Optimizer | None:
        subject = self._subject
        if subject.rule_factory is not None:
            return subject.rule_factory([p for p in model.parameters() if p.requires_grad])
        if returned and subject.lr is None:
            with subject.calls.to(f"{subject.name}(model, loss_fn)"):
                _, optimizer = subject.build(model, criterion(self._case.network))
            return optimizer  # type: ignore[no-any-return] # begin() has checked it
        return None

    def mirror(self, trainable: Sequence[bool]) -> None:
        """Require gradients where the user's model does after ``build``: freezing there is ordinary fine-tuning."""
        for p, trains in zip(self._look_at.values(), trainable, strict=True):
            p.requires_grad_(trains)

    def gradients(self, weights: Sequence[Array], t: int, *, rows: slice, shaken: bool) -> list[Array | None]:
        """Return autograd's gradients at the weights; None for frozen and unused parameters."""
        parameters = list(self._look_at.values())
        loss = self._loss_at(weights, t, rows=rows, shaken=shaken)
        wanted = [p for p in parameters if p.requires_grad]
        found = iter(
            torch.autograd.grad(loss, wanted, allow_unused=True) if loss.requires_grad else [None] * len(wanted)
        )
        grads = [next(found) if p.requires_grad else None for p in parameters]
        return [None if g is None else g.numpy().copy() for g in grads]

    def loss(self, weights: Sequence[Array], t: int) -> float:
        """Return J of batch t at some weights."""
        return float(self._loss_at(weights, t).detach())

    def _loss_at(self, weights: Sequence[Array], t: int, *, rows: slice = slice(None), shaken: bool = False) -> Tensor:
        _place(list(self._look_at.values()), weights)
        inputs, targets = _tensors(self._case, t, rows)
        if shaken:
            (moved,) = perturbed([inputs.numpy()], np.random.default_rng(t))
            inputs = torch.from_numpy(moved)
        loss: Tensor = self._loss(self._looking(inputs), targets)
        return loss

    def clipped(self, gradients: list[Array | None]) -> list[Array | None]:
        """Return the gradients clipped as the owner declares."""
        most, each = self._subject.clip_norm, self._subject.clip_value
        if each is not None:
            return [None if g is None else np.clip(g, -each, each) for g in gradients]
        if most is None:
            return gradients
        norm = float(np.sqrt(sum(float((g * g).sum()) for g in gradients if g is not None)))
        c = min(1.0, most / (norm + CLIP_GUARD))
        return [None if g is None else c * g for g in gradients]

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return U(w, g, s) from the returned optimizer's twin, the declared rule, or plain descent."""
        if self._rule is None:
            rate = self._subject.lr or 0.0
            return [np.asarray(w if g is None else w - rate * g) for w, g in zip(weights, gradients, strict=True)]
        parameters = list(self._moved.values())
        _place(parameters, weights)
        if state is not None:
            _restore(self._rule, state)
        if settings and len(settings) != len(self._rule.param_groups):
            raise Unsupported("the optimizer's parameter groups change during training: its update cannot be foretold")
        for group, held in zip(self._rule.param_groups, settings or [], strict=False):
            group.update(copy.deepcopy(held))
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = None if g is None else torch.from_numpy(np.array(g, dtype=str(p.dtype).removeprefix("torch.")))
        try:
            self._rule.step()
        except TypeError as error:
            raise Unsupported(f"the optimizer cannot be stepped with gradients alone: {error}") from error
        return [p.detach().numpy().copy() for p in parameters]

    def adopt(self) -> None:
        """Keep the rule's state as it is now."""
        self.adopted = self.snapshot()

    def snapshot(self) -> Any:
        """Return a copy of the rule's state as it is now."""
        return None if self._rule is None else _snapshot(self._rule)


def _snapshot(optimizer: torch.optim.Optimizer) -> Any:
    """Return copies of every parameter's state and every group's settings: loading a ``state_dict`` loses dtypes."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states = [copy.deepcopy(optimizer.state.get(p)) for p in parameters]
    return states, [copy.deepcopy(_settings(group)) for group in optimizer.param_groups]


def _restore(optimizer: torch.optim.Optimizer, snapshot: Any) -> None:
    """Give an optimizer of the same form the state that a snapshot holds."""
    states, settings = copy.deepcopy(snapshot)
    if len(settings) != len(optimizer.param_groups):
        raise Unsupported("the optimizer's parameter groups change during training: its update cannot be foretold")
    optimizer.state.clear()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.state.update({p: s for p, s in zip(parameters, states, strict=False) if s is not None})
    for group, held in zip(optimizer.param_groups, settings, strict=False):
        group.update(held)


def _place(parameters: Sequence[nn.Parameter], weights: Sequence[Array]) -> None:
    with torch.no_grad():
        for p, w in zip(parameters, weights, strict=True):
            p.copy_(torch.from_numpy(np.asarray(w)))


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
