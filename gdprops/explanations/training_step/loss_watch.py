"""Watching what a step makes of the loss: what the loss is given, and which scalar backward starts from.

``loss_fn(out.squeeze(1), y).backward()`` is seen as a loss call with outputs of shape (12,) and targets of shape
(12, 1), and a call of backward that starts from 1 times this loss. Both come with their line in the user's code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from gdprops.explanations.training_step.observation import LossCall, Root
from gdprops.subjects.training_step.op_arguments import unwatched

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

NOT_THE_USERS = (
    str(Path(torch.__file__).parent),
    *(str(Path(__file__).parents[2] / part) for part in ("explanations", "subjects", "clauses")),
)


@final
@dataclass(slots=True)
class _Called:
    """A call of a loss as it is watched: the tensors themselves; ``factor`` is None where it cannot be had."""

    outputs: Tensor
    targets: Tensor
    loss: Tensor
    place: str
    factor: float | None = 0.0


@final
class LossWatch(TorchFunctionMode):
    """Logs the calls of losses outside the model, and the roots of backward; ``gradients`` copies what is in .grad."""

    def __init__(self, model: nn.Module, gradients: Callable[[], list[Array | None]]) -> None:
        super().__init__()
        self._own, self._gradients = {id(module) for module in model.modules()}, gradients
        self._called: list[_Called] = []
        self._inside = 0
        self.roots: list[Root] = []

    def hooks(self) -> Iterator[Callable[[], None]]:
        """Watch modules that are no part of the model; yield what ends that."""
        yield register_module_forward_pre_hook(self._enters).remove
        yield register_module_forward_hook(self._leaves, always_call=True).remove

    @property
    def losses(self) -> tuple[LossCall, ...]:
        """The calls of losses so far."""
        return tuple(
            LossCall(_numbers(one.outputs), _numbers(one.targets), float(one.loss.detach()), one.place, one.factor)
            for one in self._called
        )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.backward:
            return self._backward(func, args, kwargs, kwargs.get("gradient"))
        if func is torch.autograd.grad:
            outputs, weights = args[0], kwargs.get("grad_outputs")
            self._starts(_only(outputs), _only(weights))
            return func(*args, **kwargs)
        if self._inside or not _is_named_a_loss(func):
            return func(*args, **kwargs)
        self._inside += 1
        try:
            found = func(*args, **kwargs)
        finally:
            self._inside -= 1
        self._adds(args, found)
        return found

    def _backward(self, func: Any, args: Any, kwargs: Any, weights: Tensor | None) -> Any:
        root, place = args[0], place_of_the_call()
        self._starts(root, weights)
        before = self._gradients()
        found = func(*args, **kwargs)
        if root.numel() == 1:
            self.roots.append(Root(float(root.detach()), place, _growth(before, self._gradients())))
        return found

    def _starts(self, root: Tensor | None, weights: Tensor | None) -> None:
        """Add to every loss's factor what it is multiplied by in a root of backward."""
        for one in self._called:
            try:
                with unwatched():
                    found = _slope(root, one.loss, weights)
            except RuntimeError:  # what torch cannot differentiate twice
                one.factor = None
            else:
                one.factor = None if one.factor is None else one.factor + found

    def _enters(self, module: nn.Module, args: Any) -> None:
        self._inside += self._is_a_loss(module, args)

    def _leaves(self, module: nn.Module, args: Any, found: Any) -> None:
        if self._is_a_loss(module, args):
            self._inside -= 1
            if not self._inside:
                self._adds(args, found)

    def _is_a_loss(self, module: nn.Module, args: Any) -> bool:
        return id(module) not in self._own and _are_outputs_and_targets(args)

    def _adds(self, args: Any, loss: Any) -> None:
        if _are_outputs_and_targets(args) and isinstance(loss, Tensor) and loss.numel() == 1 and loss.requires_grad:
            self._called.append(_Called(args[0], args[1], loss, place_of_the_call()))


def _slope(root: Tensor | None, loss: Tensor, weights: Tensor | None) -> float:
    if root is None or not root.requires_grad:
        return 0.0
    (found,) = torch.autograd.grad(root, [loss], weights, retain_graph=True, allow_unused=True)
    return 0.0 if found is None else float(found.sum())


def _only(value: Any) -> Tensor | None:
    """Return a tensor, or the only one of a sequence."""
    if isinstance(value, tuple | list):
        value = value[0] if len(value) == 1 else None
    return value if isinstance(value, Tensor) else None


def _is_named_a_loss(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    return getattr(func, "__module__", "") == "torch.nn.functional" and ("loss" in name or "cross_entropy" in name)


def _are_outputs_and_targets(args: Any) -> bool:
    tensors = len(args) == 2 and all(isinstance(a, Tensor) for a in args)
    return tensors and args[0].requires_grad and not args[1].requires_grad


def _numbers(t: Tensor) -> Array:
    return t.detach().numpy().copy()


def _growth(before: list[Array | None], after: list[Array | None]) -> list[Array | None]:
    return [a if b is None or a is None else a - b for b, a in zip(before, after, strict=True)]


def place_of_the_call() -> str:
    """Return the file and line of the innermost frame that is the user's own, empty where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((*NOT_THE_USERS, "<frozen")):
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment] # None at the end
    return ""
