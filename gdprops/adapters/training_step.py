"""The training step of somebody's project as a subject.

gdprops gives it a model, watches, and computes what one simultaneous update would have been.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from gdprops.adapters.calling import Calls
from gdprops.adapters.modules import criterion, module_of
from gdprops.errors import UsageError
from gdprops.model.subject import Calling
from gdprops.model.traits import Measured, Traits

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import TrainCase

Step = Callable[..., Any]
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
    accumulate: int = 1
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

    def begin(self, case: TrainCase) -> Training:
        """Build a fresh model and the user's step on it."""
        torch.default_generator.manual_seed(case.plan.seed)
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


class Update(NamedTuple):
    """What U(w, g, s) gives: the weights after it, and its floor, how far rounding may move a correct one."""

    weights: list[Array]
    floors: list[float]


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
        self._parameters = dict(model.named_parameters())
        self.names = tuple(self._parameters)
        self._case, self._loss = case, criterion(case.network)
        self._expected = Expected(subject, case, optimizer is not None)
        self._called: list[dict[str, Any]] = []
        if optimizer is not None:
            optimizer.register_step_pre_hook(self._remember)

    def _remember(self, optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        """Hyperparameters count as they are in force when the optimizer is called: a scheduler may step first."""
        self._called.append([_settings(group) for group in optimizer.param_groups])  # type: ignore[arg-type] # a list

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Which of the parameters require gradients."""
        return tuple(p.requires_grad for p in self._parameters.values())

    def weights(self) -> list[Array]:
        """Return copies of all parameters, in the order of ``named_parameters()``."""
        return [p.detach().numpy().copy() for p in self._parameters.values()]

    def state(self) -> Any:
        """Return a copy of the optimizer's state, None where there is no optimizer."""
        return None if self._optimizer is None else copy.deepcopy(self._optimizer.state_dict())

    def step(self, t: int, rows: slice = slice(None)) -> Any:
        """Let the user's step train on (some rows of) batch t; return what it returns."""
        self._called.clear()
        inputs, targets = _tensors(self._case, t, rows)
        with self._subject.calls.to("step(inputs, targets)"):
            return self._step(inputs, targets)

    def hyperparameters(self) -> Any:
        """Return each group's hyperparameters as they were when the optimizer was called last, None if it was not."""
        return self._called[0] if self._called else None

    def gradients(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return our own gradients of batch t at some weights."""
        return self._expected.gradients(weights, t)

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any = None
    ) -> list[Array]:
        """Return U(w, g, s)."""
        return self._expected.update(weights, gradients, state, settings)


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

    def _optimizer(self, model: nn.Module, returned: bool) -> torch.optim.Optimizer | None:
        subject = self._subject
        if subject.rule_factory is not None:
            return subject.rule_factory([p for p in model.parameters() if p.requires_grad])
        if returned and subject.lr is None:
            with subject.calls.to(f"{subject.name}(model, loss_fn)"):
                _, optimizer = subject.build(model, criterion(self._case.network))
            return optimizer  # type: ignore[no-any-return] # begin() has checked it
        return None

    def gradients(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return autograd's gradients at the weights; None for frozen and unused parameters."""
        parameters = list(self._look_at.values())
        _place(parameters, weights)
        inputs, targets = _tensors(self._case, t, slice(None))
        loss = self._loss(self._looking(inputs), targets)
        wanted = [p for p in parameters if p.requires_grad]
        found = iter(torch.autograd.grad(loss, wanted, allow_unused=True))
        grads = [next(found) if p.requires_grad else None for p in parameters]
        return self._clipped([None if g is None else g.numpy().copy() for g in grads])

    def _clipped(self, gradients: list[Array | None]) -> list[Array | None]:
        most, each = self._subject.clip_norm, self._subject.clip_value
        if each is not None:
            return [None if g is None else np.clip(g, -each, each) for g in gradients]
        if most is None:
            return gradients
        norm = float(np.sqrt(sum(float((g * g).sum()) for g in gradients if g is not None)))
        c = min(1.0, most / (norm + 1e-6))
        return [None if g is None else c * g for g in gradients]

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return U(w, g, s) from the returned optimizer's twin, the declared rule, or plain descent."""
        if self._rule is None:
            return [w if g is None else w - self._subject.lr * g for w, g in zip(weights, gradients, strict=True)]
        parameters = list(self._moved.values())
        _place(parameters, weights)
        if state is not None:
            self._rule.load_state_dict(copy.deepcopy(state))
        for group, held in zip(self._rule.param_groups, settings or [], strict=False):
            group.update(held)
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = None if g is None else torch.from_numpy(np.array(g, dtype=str(p.dtype).removeprefix("torch.")))
        self._rule.step()
        return [p.detach().numpy().copy() for p in parameters]

    def state(self) -> Any:
        """Return a copy of the rule's state."""
        return None if self._rule is None else copy.deepcopy(self._rule.state_dict())


def _place(parameters: Sequence[nn.Parameter], weights: Sequence[Array]) -> None:
    with torch.no_grad():
        for p, w in zip(parameters, weights, strict=True):
            p.copy_(torch.from_numpy(w))
