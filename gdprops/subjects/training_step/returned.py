"""What ``build`` returns: the step, and what else is to be looked at.

``step``; ``(step, optimizer)``; or one dict or object with ``step`` and, as there are, ``optimizer``, ``scheduler``,
``scaler``, ``average``, ``save`` and ``load``. Several optimizers, in a list, a tuple or a dict by name, share one
loss: what they do together is ONE simultaneous step. All of them move by the gradient at the weights that the step has
found, so that a step which looks again after the first optimizer has moved is a sweep. Where ``phases=`` are declared,
each optimizer has a loss of its own instead, and stands in a dict under the name that the phases give it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.wording import plural, type_of
from gdprops.subjects.torch_optimizer.state import held_by, needs_closure, settings_of
from gdprops.subjects.training_step.forward_passes import FORWARD

if TYPE_CHECKING:
    from gdprops.subjects.training_step.phase_declaration import Phases

KEYS = ("step", "optimizer", "scheduler", "scaler", "average", "save", "load")
EXPECTED = (
    "expected step(inputs, targets), (step, optimizer), or a dict or object with step and, as there are, optimizer, "
    "scheduler, scaler, average, save and load; several optimizers stand in a list or a dict"
)

ALONE = "return the step alone, and say with rule= what they do together"
SKIPPED = (
    "not called in a step that calls another one: they share one loss here, so that a step in which only some of them "
    "move is not decided"
)


@final
@dataclass(frozen=True, slots=True)
class Returned:
    """The step and the optimizer that ``build`` has returned, and what else it has.

    ``at``: how the step is reached from what was returned. ``named``: the optimizers by the names that ``phases=`` give
    them. ``beside``: what else was returned, by key. ``forward_by``: the method of the model that runs a forward pass.
    """

    step: Any
    optimizer: Any
    at: str = ""
    named: Mapping[str, torch.optim.Optimizer] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    forward_by: str = FORWARD


@final
@dataclass(frozen=True, slots=True)
class Driven:
    """What a trainer's ``build`` returns: a step that hands the trainer one batch, and the optimizer that it moves.

    ``forward_by``: the method of the model that the trainer calls for a forward pass.
    """

    step: Any
    optimizer: Any
    forward_by: str = FORWARD


@final
class SeveralOptimizers:
    """Several optimizers of one loss as one: it has all groups and all states, and lets each take its step."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self.optimizers = tuple(optimizers)
        self.defaults = {key: value for one in optimizers for key, value in one.defaults.items()}
        self.state = _States(self.optimizers)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of all optimizers, one after the other."""
        return [group for one in self.optimizers for group in one.param_groups]

    def step(self, closure: Any = None) -> None:
        """Let each optimizer step by the gradients that are there: a closure would look where the first has moved."""
        for one in self.optimizers:
            one.step()

    def register_step_pre_hook(self, hook: Any) -> None:
        """Register a hook on each optimizer; it is called with that optimizer."""
        for one in self.optimizers:
            one.register_step_pre_hook(hook)


@final
class _States(MutableMapping[Any, Any]):
    """The states of several optimizers by parameter; each parameter's is that of the optimizer that holds it."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self._optimizers = optimizers

    def _of(self, p: Any) -> Any:
        found = (one.state for one in self._optimizers if any(p is held for held in held_by(one)))
        return next(found, self._optimizers[0].state)

    def __getitem__(self, p: Any) -> Any:
        state = self._of(p)
        if p not in state:
            raise KeyError(p)
        return state[p]

    def __setitem__(self, p: Any, state: Any) -> None:
        self._of(p)[p] = state

    def __delitem__(self, p: Any) -> None:
        del self._of(p)[p]

    def __iter__(self) -> Iterator[Any]:
        return (p for one in self._optimizers for p in one.state)

    def __len__(self) -> int:
        return sum(len(one.state) for one in self._optimizers)


def in_force(optimizer: Any, called: Sequence[tuple[Any, list[dict[str, Any]]]]) -> list[dict[str, Any]] | None:
    """Return the hyperparameters with which the optimizer was first called, None if it was not.

    ``called``: for each call, the optimizer that was called and its hyperparameters.
    """
    if not called or not isinstance(optimizer, SeveralOptimizers):
        return called[0][1] if called else None
    first = {id(one): settings for one, settings in reversed(called)}
    return [group for one in optimizer.optimizers for group in first.get(id(one)) or settings_of(one)]


def skipped_optimizers(optimizer: Any, called: Sequence[tuple[Any, Any]]) -> str:
    """Return why a step is not decided that calls some of several optimizers and not all; an empty text otherwise."""
    if not (called and isinstance(optimizer, SeveralOptimizers)):
        return ""
    left = len(optimizer.optimizers) - len({id(one) for one, _ in called})
    told = f"{plural(left, 'optimizer')} of those that build returns {'is' if left == 1 else 'are'} {SKIPPED}"
    return told if left else ""


def returned(built: Any, name: str, phases: Phases | None = None, *, more: tuple[str, ...] = ()) -> Returned:
    """Return the parts of what ``build`` has returned. Raises `UsageError` in one line for anything else.

    ``more``: what may stand beside the step besides.
    """
    step, optimizer, at = _parts(built, name, (*KEYS, *more))
    if not callable(step):
        raise UsageError(f"{name} returned {_described(built)}; {EXPECTED}")
    beside = {key: value for key in (*KEYS[2:], *more) if (value := _part(built, key)) is not None}
    by = built.forward_by if isinstance(built, Driven) else FORWARD
    if phases is None:
        return Returned(step, _optimizer(optimizer, built, name), at, beside=beside, forward_by=by)
    named = _named(phases, optimizer, name)
    return Returned(step, SeveralOptimizers(list(named.values())), at, named, beside)


def _part(built: Any, key: str) -> Any:
    if isinstance(built, Mapping):
        return built.get(key)
    plain = callable(built) or isinstance(built, torch.optim.Optimizer)
    return None if plain or (isinstance(built, tuple) and not hasattr(built, "_fields")) else getattr(built, key, None)


def _named(phases: Phases, found: Any, name: str) -> dict[str, torch.optim.Optimizer]:
    """Return the optimizers by the names that ``phases=`` give them. Raises `UsageError` where they do not fit."""
    names = phases.optimizers
    alone = isinstance(found, torch.optim.Optimizer) and len(names) == 1
    given: Mapping[str, Any] = {names[0]: found} if alone else found if isinstance(found, Mapping) else {}
    if any(n not in given for n in names):
        what = f"a dict with {', '.join(map(repr, given))}" if given else "no dict of optimizers"
        raise UsageError(
            f"{name}: phases= names the optimizers {', '.join(names)}, and build returns {what}; expected "
            "(step, {name: optimizer})"
        )
    other = next((key for key, value in given.items() if not isinstance(value, torch.optim.Optimizer)), None)
    if other is not None:
        raise UsageError(f"{name}: build returns {type_of(given[other])} as the optimizer {other!r}")
    extra = next((key for key in given if key not in names), None)
    if extra is not None:
        raise UsageError(f"{name}: build returns the optimizer {extra!r}, which stands in none of phases=")
    return dict(given)


def _parts(built: Any, name: str, keys: tuple[str, ...]) -> tuple[Any, Any, str]:
    if isinstance(built, Mapping):
        unknown = next((key for key in built if key not in keys), None)
        if unknown is not None:
            raise UsageError(f"{name} returned a dict with {unknown!r}{nearest(str(unknown), keys)}; {EXPECTED}")
        return built.get("step"), built.get("optimizer"), "['step']"
    if isinstance(built, tuple) and not hasattr(built, "_fields"):
        return (*built, "[0]") if len(built) == 2 else (None, None, "")
    if callable(built) or isinstance(built, torch.optim.Optimizer):
        return built, None, ""
    return getattr(built, "step", None), getattr(built, "optimizer", None), ".step"


def _optimizer(found: Any, built: Any, name: str) -> Any:
    """Return one optimizer, or several as one."""
    if found is None or isinstance(found, torch.optim.Optimizer):
        return found
    several = list(found.values()) if isinstance(found, Mapping) else found
    if not (
        isinstance(several, list | tuple) and several and all(isinstance(o, torch.optim.Optimizer) for o in several)
    ):
        raise UsageError(f"{name} returned {_described(built)}; {EXPECTED}")
    if len(several) == 1:
        return several[0]
    held = [p for one in several for p in held_by(one)]
    if len({id(p) for p in held}) < len(held):
        raise UsageError(f"{name} returned optimizers that hold one parameter twice; {ALONE}")
    if any(needs_closure(one) for one in several):
        raise UsageError(f"{name} returned several optimizers, one of which needs a closure; {ALONE}")
    return SeveralOptimizers(several)


def _described(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in built)}"
    return type_of(built)
