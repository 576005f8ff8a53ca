"""One torch optimizer over its own copies of the tensors, and everything that a clause can ask of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.subject import CALLED_BLINDLY, Calling, Delivery, Gradients, Look, Stepped, step_with_closure
from gdprops.model.traits import IMPLEMENTATIONS
from gdprops.subjects.torch_optimizer.extra_methods import methods_reading
from gdprops.subjects.torch_optimizer.memory_layout import digest, shared_memory
from gdprops.subjects.torch_optimizer.parameter_groups import keys_of_groups, set_rate
from gdprops.subjects.torch_optimizer.process_settings import undisturbed
from gdprops.subjects.torch_optimizer.random_draws import PrivateDraws
from gdprops.subjects.torch_optimizer.state import cast_between, held_by, of_its_own, state_of, through_a_file
from gdprops.subjects.torch_optimizer.tensors import (
    LAYOUTS,
    default_dtype,
    differentiate,
    form_of,
    gradient_for,
    numbers_of,
    sparse_gradient_for,
)
from gdprops.subjects.user_code.signatures import can_take, parameters_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan

LONGEST = 2.0**64
"""The first power of two whose square overflows in float32."""


Start = Callable[[Sequence["Array"], "Plan"], "TorchRun"]


@final
class TorchRun:
    """One optimizer over its own copies of the tensors.

    ``start`` begins another run of the same subject. ``is_class``: a class made the optimizer, not a function that may
    have set up its groups.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: list[torch.Tensor],
        plan: Plan,
        *,
        start: Start,
        calls: Calling,
        is_class: bool,
        needs_closure: bool,
    ) -> None:
        self._optimizer, self._parameters, self._plan = optimizer, parameters, plan
        self._start, self._calls, self._needs_closure = start, calls, needs_closure
        self._forms = [form_of(p) for p in parameters]
        self._shapes = [tuple(p.shape) for p in parameters]
        self._fed: list[torch.Tensor | None] = [None] * len(parameters)
        self._keys = {} if is_class else keys_of_groups(optimizer)

    def adopt_rates(self) -> None:
        """Set each group's learning rate from the plan, through ``param_groups`` as schedulers do."""
        if self._plan.rates is None:
            return
        wanted = {
            id(self._parameters[i]): rate
            for group, rate in zip(self._plan.groups, self._plan.rates, strict=True)
            for i in group
        }
        for group in self._optimizer.param_groups:
            rate = next((wanted[id(p)] for p in group["params"] if id(p) in wanted), None)
            if rate is not None and "lr" in group:
                set_rate(group, rate)

    def train(self) -> None:
        """Switch to training mode where the optimizer has modes: steps are taken in training mode."""
        switch = getattr(self._optimizer, "train", None)
        if callable(switch):
            with self._calls.to("train()"):
                switch()

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Take one step with these gradients; an optimizer that needs a closure gets one that returns them."""
        if self._needs_closure:
            step_with_closure(self, gradients)
        elif delivery is Delivery.SPARSE:
            with torch.sparse.check_sparse_tensor_invariants(False):  # type: ignore[no-untyped-call] # or torch warns
                self._step_alone(gradients, delivery)
        else:
            self._step_alone(gradients, delivery)

    def _step_alone(self, gradients: Gradients, delivery: Delivery) -> None:
        self._deliver(gradients, delivery)
        try:
            with undisturbed("step()"), self._calls.to("step()"), default_dtype(self._plan):
                self._optimizer.step()
        except SubjectCrash as crash:
            if self._has_diverged():
                raise Unsupported(f"the run diverges: {crash}") from crash
            raise

    def _has_diverged(self) -> bool:
        """Say whether a weight's square overflows in single precision, in which rules compute norms.

        A NaN does not count: a rule that makes NaN of finite numbers is at fault.
        """
        return any(bool((p.detach().abs() > LONGEST).any()) for p in self._parameters)

    def draws_privately(self, gradients: Gradients) -> bool:
        """Take one step; say whether it drew from a generator other than torch's global one."""
        with PrivateDraws() as watch:
            self.step(gradients)
        return bool(watch.seen)

    def hand_over(self, gradients: Gradients) -> None:
        """Put gradients into ``.grad`` before a step with a closure."""
        self._deliver(gradients, Delivery.ASSIGNED)

    def step_closure(self, look: Look) -> Stepped:
        """Take one step with a closure that evaluates ``look`` at the current weights."""
        self.takes_closure()
        called = 0

        def closure() -> torch.Tensor:
            nonlocal called
            called += 1
            if not torch.is_grad_enabled():
                raise RuntimeError(CALLED_BLINDLY)
            loss, gradients = look(self.weights())
            self._deliver(gradients, Delivery.ASSIGNED)
            return torch.tensor(loss, dtype=torch.float64)

        with undisturbed("step(closure)"), self._calls.to("step(closure)"):
            returned = self._optimizer.step(closure)  # type: ignore[arg-type] # torch itself returns tensors from closures
        return Stepped(called, _number(returned))

    def takes_closure(self) -> None:
        """Raise `Unsupported` where ``step`` takes no closure."""
        if not can_take(self._optimizer.step, lambda: None):
            raise Unsupported("step() takes no closure")

    def call_readers(self, hyperparameter: str) -> list[str]:
        """Call the optimizer's own public methods that need no argument and read a hyperparameter."""
        called = methods_reading(self._optimizer, hyperparameter)
        for method in called:
            with self._calls.to(f"{method.__name__}()"):
                method()
        return [method.__name__ for method in called]

    def _deliver(self, gradients: Gradients, delivery: Delivery) -> None:
        for p, g in zip(self._parameters, gradients, strict=True):
            p.grad = None
            if g is not None and p.shape != g.shape:
                raise _reshaped(g.shape, p)
            if g is not None and delivery in LAYOUTS:
                p.grad = gradient_for(p, g, LAYOUTS[delivery])
            elif g is not None and delivery is Delivery.SPARSE:
                p.grad = sparse_gradient_for(p, g)
            elif g is not None and p.requires_grad:
                differentiate(p, torch.from_numpy(np.array(g)).to(p.dtype), delivery)
        self._fed = [p.grad for p in self._parameters]

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now; bfloat16 and float16 become float32.

        Raises `SubjectCrash` for a parameter that has grown: expanded to 2**40 entries it has no copy.
        """
        for p, shape in zip(self._parameters, self._shapes, strict=True):
            if p.numel() > math.prod(shape):
                raise _reshaped(shape, p)
        return [numbers_of(p) for p in self._parameters]

    def gradients(self) -> list[Array | None]:
        """Return copies of the gradients in ``.grad``, None where there is none."""
        return [None if p.grad is None else numbers_of(p.grad) for p in self._parameters]

    def spoil_gradients(self) -> None:
        """Overwrite the memory of the last step's gradients with NaN."""
        for g in self._fed:
            if g is not None:
                g.detach().fill_(float("nan"))

    def aliases(self) -> list[str]:
        """Return which parts of the state share memory with a gradient, a parameter or each other."""
        names = [f"w{i + 1}" for i in range(len(self._parameters))]
        gradients = {f"{n}.grad": g for n, g in zip(names, self._fed, strict=True) if g is not None}
        named = {id(p): n for n, p in zip(names, self._parameters, strict=True)}
        parameters = dict(zip(names, self._parameters, strict=True))
        return shared_memory(parameters, gradients, state_of(self._optimizer), named)

    def remembered(self) -> bytes:
        """Return a digest of the tensors and numbers in the state."""
        return digest(state_of(self._optimizer))

    def evaluate(self) -> bool:
        """Switch to evaluation mode; say whether there is such a mode."""
        switch = getattr(self._optimizer, "eval", None)
        if callable(switch):
            with self._calls.to("eval()"):
                switch()
        return callable(switch)

    def replaced(self) -> str:
        """Return which parameters became other objects, or changed dtype, shape or device; empty where none did."""
        held = set(map(id, held_by(self._optimizer)))
        lost = [f"w{i + 1}" for i in self._plan.indices if id(self._parameters[i]) not in held]
        if lost:
            return f"param_groups no longer hold {', '.join(lost)}"
        pairs = zip(self._parameters, self._forms, strict=True)
        changed = [f"w{i + 1} was {was} and is {form_of(p)}" for i, (p, was) in enumerate(pairs) if form_of(p) != was]
        return "; ".join(changed)

    def addresses(self) -> list[int]:
        """Return where each parameter's numbers lie in memory."""
        return [p.data_ptr() for p in self._parameters]

    def zero_gradients(self, *, set_to_none: bool) -> bool | None:
        """Call ``zero_grad``; pass ``set_to_none`` only where it takes that argument."""
        taken = "set_to_none" in (parameters_of(self._optimizer.zero_grad) or {})
        with self._calls.to("zero_grad()"):
            self._optimizer.zero_grad(**({"set_to_none": set_to_none} if taken else {}))
        return set_to_none if taken else None

    def add_group(self, indices: Sequence[int], rate: float | None) -> None:
        """Hand over further tensors in a group of their own."""
        own = {} if rate is None else {"lr": rate}
        group = {**self._keys, **own, "params": [self._parameters[i] for i in indices]}
        with self._calls.to("add_param_group()"):
            self._optimizer.add_param_group(group)

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite all tensors with these weights."""
        with torch.no_grad():
            for p, w in zip(self._parameters, weights, strict=True):
                p.copy_(torch.from_numpy(np.ascontiguousarray(w)).reshape(p.shape))

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor."""
        found = {id(p): g.get("lr") for g in self._optimizer.param_groups for p in g["params"]}
        return [None if (lr := found.get(id(p))) is None else float(lr) for p in self._parameters]

    def hyperparameters(self) -> list[Mapping[str, Any]]:
        """Return each tensor's parameter group without its tensors."""
        found = {id(p): g for g in self._optimizer.param_groups for p in g["params"]}
        return [{k: v for k, v in found.get(id(p), {}).items() if k != "params"} for p in self._parameters]

    def scale_rate(self, factor: float, also: Sequence[str] = ()) -> None:
        """Multiply the learning rate of every group, as a scheduler does, and ``also`` other numbers of the groups."""
        for group in self._optimizer.param_groups:
            if "lr" in group:
                set_rate(group, float(group["lr"]) * factor)
            group.update({key: group[key] * factor for key in also if key in group})

    def resumed(self, *, plan: Plan | None = None, through_file: bool = False) -> TorchRun:
        """Return a new run on copies of the weights, after it has loaded this run's ``state_dict``."""
        with self._calls.to("state_dict()"):
            state = of_its_own(self._optimizer.state_dict())
        if through_file:
            with self._calls.to("torch.load(weights_only=True) of the saved state_dict()"):
                state = through_a_file(state)
        fresh = self._start(self.weights(), self._plan if plan is None else plan)
        with self._calls.to("load_state_dict()"), default_dtype(fresh._plan):
            fresh._optimizer.load_state_dict(state)
        fresh._switch(plan)
        return fresh

    def cast_on_loading(self) -> str:
        """Return which number of a parameter's state changes its dtype on loading; empty for none."""
        return cast_between(self._optimizer, self.resumed()._optimizer)

    def _switch(self, plan: Plan | None) -> None:
        """Restore the plan's implementation flags, which loading has overwritten."""
        flags = {} if plan is None else {key: plan.options[key] for key in IMPLEMENTATIONS if key in plan.options}
        for group in self._optimizer.param_groups:
            group.update({key: value for key, value in flags.items() if key in group})


def _reshaped(shape: tuple[int, ...], p: torch.Tensor) -> SubjectCrash:
    told = f"a parameter of shape {shape} has the shape {tuple(p.shape)} after a step"
    return SubjectCrash("step()", ValueError(told), told=told)


def _number(returned: Any) -> float | None:
    return float(returned) if isinstance(returned, int | float | torch.Tensor) else None
