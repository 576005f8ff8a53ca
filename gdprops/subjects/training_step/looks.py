"""Steps that look twice: at the weights, and again where a first move has led.

SAM climbs first, ``first_step()``, looks there, and descends from where it began, ``second_step()``; extragradient
looks where a first step would end. Which methods of its optimizer a step calls is watched, with the forward pass before
each. The expected update is then the same calls on a copy of the optimizer, with gdprops' own gradient at each place
that is looked at. Two looks around a plain optimizer must be declared: ``looks="extragradient"``.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

import torch

from gdprops.errors import UsageError
from gdprops.numerics.decisions import WATCHED_WEIGHTS
from gdprops.subjects.torch_optimizer.state import held_by, restore, settings_of, snapshot

if TYPE_CHECKING:
    from gdprops.subjects.training_step.forward_passes import Pass
    from gdprops.subjects.training_step.forward_state import ForwardState

EXTRAGRADIENT = "extragradient"
STEP = "step"
PAIRS = {"first_step": "second_step", "ascent_step": "descent_step", "extrapolation": STEP}
"""Methods that only lead elsewhere, and the one that brings the weights back."""
KEPT, ANEW, BY_HAND = "kept", "anew", "by hand"
"""How extragradient takes its first step: by the optimizer, whose state is kept or put back, or by hand at its rate."""


class Expectation(Protocol):
    """What the looks of a step need of the expected update."""

    def look_again(self, met: Any) -> None:
        """Hand over the gradients where the rule stands now, by a forward pass from a state of its own."""

    def come_back(self, weights: Any) -> None:
        """Put the rule's parameters where they were."""

    def stands(self) -> list[Any]:
        """Return copies of the weights at which the rule stands."""

    def handed_over(self) -> list[Any]:
        """Return the gradients that the rule's parameters have now."""

    def closure(self, gradients: Any) -> Any:
        """Return a closure that looks where it is called, and hands over the given gradients where they were taken."""


class LookCall(NamedTuple):
    """A call of a method of the optimizer; ``passes``: how many forward passes there were before it in the step."""

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    passes: int


@final
class Looks(NamedTuple):
    """The calls of a step's optimizer, and the state that the forward pass before each call met, if there was one."""

    calls: tuple[LookCall, ...] = ()
    met: tuple[ForwardState | None, ...] = ()
    ways: str = ""

    @property
    def are_several(self) -> bool:
        """Whether the optimizer leads elsewhere by a method of its own before it steps."""
        return any(call.name != STEP for call in self.calls)

    def follow(self, rule: Any, expected: Expectation) -> None:
        """Let the rule step from where it stands, its gradients handed over, as the user's step went."""
        self._call_again(rule, expected) if self.are_several else self._extrapolate(rule, expected)

    def _call_again(self, rule: Any, expected: Expectation) -> None:
        """Call the methods that the user's step has called, each with our gradient where the rule stands by then."""
        closure = expected.closure(expected.handed_over())
        for k, (call, met) in enumerate(zip(self.calls, self.met, strict=True)):
            if k and met is not None:
                expected.look_again(met)
                closure = expected.closure(expected.handed_over())
            args = [closure if callable(given) else given for given in call.args]
            kwargs = {key: closure if callable(given) else given for key, given in call.kwargs.items()}
            getattr(rule, call.name)(*args, **kwargs)

    def _extrapolate(self, rule: Any, expected: Expectation) -> None:
        """Look where a first step ends, come back, and step by what was seen there."""
        start, state = expected.stands(), snapshot(rule)
        if self.ways == BY_HAND:
            for group in rule.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.data.add_(p.grad, alpha=-float(group["lr"]))
        else:
            rule.step()
        expected.look_again(self.met[-1] if self.met else None)
        expected.come_back(start)
        if self.ways == ANEW:
            restore(rule, state)
        rule.step()


def declared_looks(given: Any) -> str | None:
    """Return what ``looks=`` declares. Raises `UsageError` for anything but extragradient."""
    if given in (None, EXTRAGRADIENT):
        return None if given is None else EXTRAGRADIENT
    raise UsageError(
        f"looks={given!r}; expected {EXTRAGRADIENT!r}, or nothing: SAM, LBFGS and others that look elsewhere by a "
        "method or a closure of their own need no declaration"
    )


@final
class MethodWatch:
    """Watches by which methods a step lets its optimizer move weights, calls inside these left out."""

    def __init__(self, optimizer: Any, passes: Callable[[], int]) -> None:
        self.calls, self._inside, self._passes, self._optimizer = list[LookCall](), 0, passes, weakref.ref(optimizer)
        self.settings: Any = None
        """The hyperparameters in force at the first of the calls."""
        self._few = sum(p.numel() for p in held_by(optimizer)) <= WATCHED_WEIGHTS
        for name in _own_methods(optimizer):
            with suppress(AttributeError, TypeError):  # one that does not let itself be changed is not watched so
                setattr(optimizer, name, self._watched(name, getattr(optimizer, name)))
        optimizer.register_step_pre_hook(lambda _, args, kwargs: self._enters(STEP, args[1:], kwargs))
        optimizer.register_step_post_hook(lambda *_: self._leaves())

    def _enters(self, name: str, args: Any, kwargs: Any) -> None:
        optimizer = self._optimizer()
        if not self._inside and optimizer is not None:
            self.settings = self.settings or settings_of(optimizer)
            self.calls.append(LookCall(name, tuple(args), dict(kwargs), self._passes()))
        self._inside += 1

    def _leaves(self) -> None:
        self._inside -= 1

    def _watched(self, name: str, method: Any) -> Any:
        @wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            outermost, before = not self._inside, self._weights()
            self._enters(name, args, kwargs)
            try:
                return method(*args, **kwargs)
            finally:
                self._leaves()
                if outermost and before is not None and all(map(torch.equal, before, self._weights() or ())):
                    self.calls.pop()  # a helper, which moves nothing

        return wrapper

    def _weights(self) -> list[torch.Tensor] | None:
        optimizer = self._optimizer()
        return [p.detach().clone() for p in held_by(optimizer)] if self._few and optimizer is not None else None

    def begin(self) -> None:
        """Forget the calls so far."""
        self.calls.clear()
        self._inside, self.settings = 0, None


def _own_methods(optimizer: Any) -> list[str]:
    """Return the public methods, beside ``step``, that an optimizer has and torch's base class has not."""
    if type(optimizer).__module__.startswith("torch.optim"):
        return []
    known = set(dir(torch.optim.Optimizer))
    names = [name for name in dir(type(optimizer)) if not name.startswith("_") and name not in known]
    return [name for name in names if inspect.isfunction(getattr(type(optimizer), name, None))]


def looks_of(calls: Sequence[LookCall], passes: Sequence[Pass]) -> Looks:
    """Return the calls with the state that the differentiated pass before each has met.

    Only calls from the first one on that leads elsewhere, or steps, tell: helpers that compute a norm do no harm.
    """
    met, last = list[Any](), 0
    for call in calls:
        between = [one for one in passes[last : call.passes] if one.used]
        met.append(between[-1].met if between else None)
        last = call.passes
    return Looks(tuple(calls), tuple(met))


def stays(calls: Sequence[LookCall], passes: Sequence[Pass]) -> str:
    """Return what is said of a call that leads elsewhere where no look, or no call that brings back, follows it.

    A call that brings back may look by itself, with a closure.
    """
    names, ends = [call.name for call in calls], [*(call.passes for call in calls[1:]), len(passes)]
    for k, name in enumerate(names):
        back = PAIRS.get(name)
        if back is None:
            continue
        if back not in names[k + 1 :]:
            return (
                f"the step calls the optimizer's {name}(), and never {back}() after it: the weights stay where it led"
            )
        later = passes[calls[k].passes : ends[names.index(back, k + 1)]]
        if any(one.used for one in passes[: calls[k].passes]) and not any(one.used for one in later):
            return (
                f"the step calls the optimizer's {name}() and then {back}(), and differentiates nothing in between: it "
                "moves by the gradient of the first look"
            )
    return ""
