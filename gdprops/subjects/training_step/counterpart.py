"""The model on which what is expected is computed: like the one that ``build`` leaves behind, and never that one.

``build`` may change the model that it is handed: replace or resize a layer, tie weights, put adapters in, wrap
``forward``. So our gradients are computed on a copy of what it leaves behind, without hooks. The copy has to give the
loss and the gradients of the original to the byte; where it does not (a ``forward`` that was wrapped reaches into the
original) or where there is none (``weight_norm`` and locks cannot be copied), a second build from the same random
numbers takes its place. The optimizer that makes the expected update is always that second build's, because copies of
optimizers are broken in many ways.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from gdprops.errors import CannotFollow, SubjectCrash
from gdprops.numerics.decisions import LARGE_MODEL
from gdprops.subjects.training_step.derivatives import derivatives, holds_functions, leaves_of
from gdprops.subjects.training_step.network_modules import Recomputed
from gdprops.subjects.training_step.returned import Returned, returned
from gdprops.subjects.user_code.isolation import RandomState

if TYPE_CHECKING:
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.tasks import Task

FORWARD_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
UNLIKE = (
    "what build makes of the model cannot be computed beside it: neither a copy of it nor a second build gives the "
    "loss and the gradients of the first; let models= return the model as build would leave it"
)


class Counterpart(NamedTuple):
    """A model of ours to look at, the parameters that U moves in the order of the user's, and the optimizer's twin.

    ``optimizer`` is None where the expected update is not that of a returned optimizer. ``copied``: the model is a copy
    without hooks of the one that ``build`` has left. ``built``: what the second build has returned, None without one.
    """

    model: nn.Module
    moved: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer | None
    copied: bool
    built: Returned | None = None


class _Form(NamedTuple):
    """What a model consists of; the objects are held, so that none is taken for another one later."""

    objects: tuple[Any, ...]
    plain: tuple[Any, ...]

    def is_that_of(self, other: _Form) -> bool:
        return self.plain == other.plain and [*map(id, self.objects)] == [*map(id, other.objects)]


def _form_of(model: nn.Module) -> _Form:
    parts = (*model.modules(), *model.parameters(), *model.buffers())
    names = (tuple(dict(found).keys()) for found in (model.named_modules(), model.named_parameters()))
    return _Form(parts, (*names, *(tuple(_settings_of(module)) for module in model.modules())))


def _settings_of(module: nn.Module) -> Iterator[Any]:
    for key, value in vars(module).items():
        if key in FORWARD_HOOKS:
            yield len(value)
        elif not key.startswith("_") and key != "training":
            yield key, value if isinstance(value, bool | int | float | str | None) else id(value)


@final
class Counterparts:
    """Made before ``build`` is called with a model; says afterwards on what is computed what is expected."""

    def __init__(self, declared: Declaration, task: Task, model: nn.Module) -> None:
        self._declared, self._task, self._model = declared, task, model
        self._handed = task.handed(model)
        self._before, self._random = _form_of(model), RandomState()
        self._theirs, self._moved = list[nn.Parameter](), list[nn.Parameter]()

    def counterpart(self, *, has_optimizer: bool) -> Counterpart:
        """Return the counterpart of what ``build`` has left; ``has_optimizer``: it has returned an optimizer.

        Raises `CannotFollow` where there is none.
        """
        self._theirs = list(self._model.parameters())
        own_rule = self._declared.rule_factory is None and self._declared.lr is None and has_optimizer
        try:
            return self._beside(own_rule=own_rule)
        except CannotFollow:  # a copy that was handed over may reach into the model that it is a copy of
            anew = self._task.anew()
            if anew is None:
                raise
            self._handed = anew
            return self._beside(own_rule=own_rule)

    def _beside(self, *, own_rule: bool) -> Counterpart:
        second = self._second() if own_rule else None
        model = self._ours(second)
        moved = (
            self._moved if second is not None else [nn.Parameter(p.data, p.requires_grad) for p in model.parameters()]
        )
        optimizer = None if second is None else second.optimizer
        return Counterpart(model, moved, optimizer, model is not self._handed, second)

    def _second(self) -> Returned:
        """Build once more, from the random numbers of the first time; return what that returns.

        Raises `CannotFollow` where the model has then other parameters.
        """
        after = RandomState(like=self._random)
        self._random.put()
        try:
            with self._declared.calls.to(f"{self._declared.name}(model, loss_fn)"):
                built = self._declared.build(self._handed, self._task.criterion())
        finally:
            after.put()
        if _shapes(self._handed) != _shapes(self._model):
            raise CannotFollow("build gives the model other parameters when it is called once more with such a model")
        self._moved = list(self._handed.parameters())
        return returned(built, self._declared.name, self._declared.phases)

    def _ours(self, second: Returned | None) -> nn.Module:
        unchanged = _form_of(self._model).is_that_of(self._before)
        fresh = self._task.fresh() if unchanged else None
        if fresh is not None:
            return fresh
        hooked = any(getattr(module, key) for module in self._model.modules() for key in FORWARD_HOOKS)
        copied = self._copied(dict(self._handed.named_parameters()) if second is not None else {})
        if copied is not None and not hooked and self._is_like(copied):
            return copied
        if second is None:
            self._second()
        return self._twin(copied, hooked=hooked)

    def _twin(self, copied: nn.Module | None, *, hooked: bool) -> nn.Module:
        """Return the model of the second build, or a copy that gives what that one gives with its hooks.

        Hooks of the user's are not run on the original: they may keep what they see.
        """
        twin = self._handed
        _overwrite(twin, self._model)
        held = _put_fresh_parameters(twin)
        if hooked:
            seen = self._look(twin)
            if seen is None:
                raise CannotFollow(UNLIKE)
            return copied if copied is not None and self._look(copied) == seen else twin
        if self._is_like(twin):
            return twin
        _put_back(held)
        if self._is_like(twin):
            return twin
        raise CannotFollow(UNLIKE)

    def _copied(self, shared: Mapping[str, nn.Parameter]) -> nn.Module | None:
        """Return a copy of the model without hooks, None where there is none.

        ``shared`` are parameters whose memory it takes over; optimizers that the model holds are not copied.
        """
        memo: dict[int, Any] = {
            id(value): value
            for module in self._model.modules()
            for value in vars(module).values()
            if isinstance(value, torch.optim.Optimizer)
        }
        for name, p in self._model.named_parameters():
            if name in shared and type(p) is nn.Parameter:
                memo[id(p)] = nn.Parameter(shared[name].data, p.requires_grad)
        with _without_hooks(self._model):
            try:
                found = copy.deepcopy(self._model, memo)
            except Exception:  # whatever its parts raise: then it is built again
                return None
        _overwrite(found, self._model)
        for module in found.modules():
            if isinstance(module, Recomputed):
                module.recomputes = False
        return found

    def _is_like(self, ours: nn.Module) -> bool:
        """Say whether a model of ours gives the original's loss and gradients of the first batch, to the byte.

        Two more looks take time: of large models what the trial has shown is taken as known.
        """
        large = sum(p.numel() for p in ours.parameters()) > LARGE_MODEL
        known = large and self._declared.habits.copies and ours is not self._handed
        seen = b"" if known else self._look(ours)
        return known or (seen is not None and seen == self._look_at_original())

    def _look_at_original(self) -> bytes | None:
        """Return what the user's model gives; it is left as it was.

        Its own parameters are looked at, and hooks on them run, only where the loss reaches them by another way.
        """
        named = {name: nn.Parameter(p.detach(), p.requires_grad) for name, p in self._model.named_parameters()}
        buffers = {name: b.detach().clone() for name, b in self._model.named_buffers()}
        places = {f"model.{name}": t for name, t in (*named.items(), *buffers.items())}
        seen: bytes | None = torch.func.functional_call(
            _Holder(self._model), places, (lambda: self._digest(self._model, list(named.values())),)
        )
        return self._look(self._model) if seen is None else seen

    def _look(self, model: nn.Module) -> bytes | None:
        return self._digest(model, list(model.parameters()))

    def _digest(self, model: nn.Module, parameters: list[nn.Parameter]) -> bytes | None:
        """Return a digest of the loss and of every gradient, or what was raised; None for what reaches elsewhere."""
        data, random, found = self._task.whole(0), RandomState(), hashlib.blake2b()
        with _as_it_was(model), torch.enable_grad():
            try:
                loss = self._task.objective(model, data)
                if self._reaches_elsewhere(loss, parameters):
                    return None
                grads = derivatives(loss, [p for p in parameters if p.requires_grad])
            except SubjectCrash as crash:
                return type(crash.error).__name__.encode()
            finally:
                random.put()
        for part in (loss.detach(), *grads):
            found.update(b"none" if part is None else part.detach().to_dense().contiguous().numpy().tobytes())
        return found.digest()

    def _reaches_elsewhere(self, loss: Tensor, parameters: Sequence[nn.Parameter]) -> bool:
        """Say whether a loss depends on parameters of the original or of the second build that are none of these.

        Where a part of the graph differentiates for itself it would move those of the original that have hooks.
        """
        own, theirs = set(map(id, parameters)), set(map(id, self._theirs))
        others = (theirs | set(map(id, self._moved))) - own
        return any(id(leaf) in others for leaf in leaves_of(loss)) or (own == theirs and holds_functions(loss))


@final
class _Holder(nn.Module):
    """Holds a model whose parameters are replaced while something else is called."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, look: Callable[[], bytes | None]) -> bytes | None:
        """Return what it returns."""
        return look()


def _shapes(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(p.shape)) for name, p in model.named_parameters()]


@torch.no_grad()
def _overwrite(ours: nn.Module, theirs: nn.Module) -> None:
    """Give a model the numbers of another of the same form."""
    pairs = ((ours.named_parameters(), theirs.named_parameters()), (ours.named_buffers(), theirs.named_buffers()))
    for mine, others in pairs:
        held = dict(mine)
        for name, t in others:
            if name in held and held[name].shape == t.shape:
                held[name].copy_(t)


def _put_fresh_parameters(model: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    """Give a model other parameters with the same memory: without the hooks that were registered on them."""
    held, fresh = list[tuple[nn.Module, str, nn.Parameter]](), dict[int, nn.Parameter]()
    for module in model.modules():
        for name, p in module._parameters.items():
            if type(p) is nn.Parameter:
                held.append((module, name, p))
                fresh[id(p)] = fresh.get(id(p), nn.Parameter(p.data, p.requires_grad))
    for module, name, p in held:
        module._parameters[name] = fresh[id(p)]
    return held


def _put_back(held: Sequence[tuple[nn.Module, str, nn.Parameter]]) -> None:
    for module, name, p in held:
        module._parameters[name] = p


@contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """Take every hook off a model for a while: hooks hold whatever the user's code holds."""
    held = [
        (module, key, value)
        for module in model.modules()
        for key, value in vars(module).items()
        if "_hooks" in key and isinstance(value, dict) and value
    ]
    for module, key, value in held:
        setattr(module, key, type(value)())
    try:
        yield
    finally:
        for module, key, value in held:
            setattr(module, key, value)


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Put back what a forward pass changes in a model: attributes and buffers."""
    held = [(module, dict(vars(module))) for module in model.modules()]
    buffers = [(b, b.detach().clone()) for b in model.buffers()]
    try:
        yield
    finally:
        for module, attributes in held:
            vars(module).clear()
            vars(module).update(attributes)
        for b, value in buffers:
            b.data.copy_(value)
