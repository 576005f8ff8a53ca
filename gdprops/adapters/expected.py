"""The simultaneous update U(w, g(w), s), computed on a model of our own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor, nn

from gdprops.adapters.modules import criterion, module_of
from gdprops.errors import Unsupported
from gdprops.numerics.decisions import CLIP_GUARD
from gdprops.numerics.floor import perturbed

if TYPE_CHECKING:
    from gdprops.adapters.training_step import TrainingStep
    from gdprops.model.arrays import Array
    from gdprops.model.case import TrainCase


def settings_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter group's hyperparameters."""
    return {key: value for key, value in group.items() if key != "params"}


def tensors_of(case: TrainCase, t: int, rows: slice) -> tuple[Tensor, Tensor]:
    """Return (some rows of) batch t as fresh tensors."""
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
        inputs, targets = tensors_of(self._case, t, rows)
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
        return None if self._rule is None else snapshot_of(self._rule)


def snapshot_of(optimizer: torch.optim.Optimizer) -> Any:
    """Return copies of every parameter's state and every group's settings: loading a ``state_dict`` loses dtypes."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    states = [copy.deepcopy(optimizer.state.get(p)) for p in parameters]
    return states, [copy.deepcopy(settings_of(group)) for group in optimizer.param_groups]


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
