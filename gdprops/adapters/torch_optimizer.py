"""Any factory ``(params, **hyperparameters) -> torch.optim.Optimizer`` as a subject."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from gdprops.adapters import script
from gdprops.adapters.calling import Calls
from gdprops.adapters.isolation import seed_random_numbers
from gdprops.errors import Unsupported, UsageError
from gdprops.model.subject import Calling, Delivery, Gradients, Look
from gdprops.model.traits import Measured, Traits, declared

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan

OptimizerFactory = Callable[..., torch.optim.Optimizer]


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
    kind: str = "optimizer"
    spec: str = ""

    @property
    def own_rate(self) -> float | None:
        """The learning rate among the user's hyperparameters, or the factory's default."""
        given = self.hyperparameters.get("lr", _default(self.factory, "lr"))
        return None if given is None else float(given)

    def prepared(self, traits: Traits, calls: Calling) -> TorchOptimizer:
        """Return the same subject with what was measured of it, and a budget of time."""
        return replace(self, traits=traits, calls=calls)

    def start(self, tensors: Sequence[Array], plan: Plan) -> TorchRun:
        """Build the optimizer over copies of the tensors."""
        parameters = [
            torch.nn.Parameter(torch.from_numpy(w.copy(order="K")), requires_grad=i not in plan.frozen)
            for i, w in enumerate(tensors)
        ]
        optimizer = self._build(parameters, plan)
        run = TorchRun(self, parameters, optimizer, plan)
        run.adopt_rates()
        return run

    def _build(self, parameters: Sequence[torch.nn.Parameter], plan: Plan) -> torch.optim.Optimizer:
        seed_random_numbers(plan.seed)
        groups = [[parameters[i] for i in group] for group in plan.groups]
        handed: list[Any] = groups[0] if len(groups) == 1 else [{"params": group} for group in groups]
        with self.calls.to(f"{self.name} on {len(groups)} parameter group(s)"):
            optimizer = self.factory(handed, **{**self.hyperparameters, **plan.options})
        if not isinstance(optimizer, torch.optim.Optimizer):
            kind = type(optimizer).__name__
            raise UsageError(f"{self.name} returned a {kind}; expected a torch.optim.Optimizer")
        return optimizer

    def script_head(self) -> str:
        """Return the imports of a script that runs it."""
        return "\n".join(["import torch", *script.import_lines(self.spec)])

    def script_start(self, tensors: Sequence[Array], plan: Plan) -> list[str]:
        """Return the lines that build it over some tensors."""
        lines = [_script_parameter(i, w, frozen=i in plan.frozen) for i, w in enumerate(tensors)]
        groups = [script.listed([f"w{i + 1}" for i in group]) for group in plan.groups]
        handed = groups[0] if len(groups) == 1 else script.listed([f'{{"params": {group}}}' for group in groups])
        inside = script.keywords({**self.hyperparameters, **plan.options})
        lines.append(f"optimizer = {self.spec.rpartition(':')[2]}({handed}{inside})")
        rates = enumerate(plan.rates or ())
        return [*lines, *(f'optimizer.param_groups[{g}]["lr"] = {rate!r}' for g, rate in rates)]

    def script_step(self, gradients: Gradients, delivery: Delivery) -> list[str]:
        """Return the lines that take one step."""
        lines = [
            f"w{i + 1}.grad = None"
            if g is None
            else f"w{i + 1}.grad = torch.tensor({script.literal(g)}, dtype=w{i + 1}.dtype)"
            for i, g in enumerate(gradients)
        ]
        note = [] if delivery is Delivery.ASSIGNED else [f"# (the same gradients, {delivery})"]
        return [*lines, *note, "optimizer.step()"]

    def script_closure(self, answers: Sequence[tuple[float, Gradients]]) -> list[str]:
        """Return the lines that take one step with a closure which answers so, call after call."""
        given = ", ".join(f"({loss!r}, {script.listed([_script_gradient(g) for g in gs])})" for loss, gs in answers)
        names = script.listed([f"w{i + 1}" for i in range(len(answers[0][1]) if answers else 0)])
        return [
            f"answers = iter([{given}])",
            "def closure():  # looks at the weights as they are when it is called",
            "    loss, gradients = next(answers)",
            f"    for w, g in zip({names}, gradients):",
            "        w.grad = g",
            "    return torch.tensor(loss)",
            "optimizer.step(closure)",
        ]

    def accepts(self, option: str) -> bool:
        """Say whether the factory takes a hyperparameter that the user has not set."""
        return option not in self.hyperparameters and _default(self.factory, option) is not None


def _script_gradient(g: Array | None) -> str:
    return "None" if g is None else f"torch.tensor({script.literal(g)}, dtype=torch.{g.dtype})"


def _script_parameter(index: int, w: Array, *, frozen: bool) -> str:
    transposed = ".mT.contiguous().mT" if w.ndim > 1 and not w.flags.c_contiguous else ""
    tensor = f"torch.tensor({script.literal(w)}, dtype=torch.{w.dtype}){transposed}"
    return f"w{index + 1} = torch.nn.Parameter({tensor}{', requires_grad=False' * frozen})"


def _default(factory: OptimizerFactory, name: str) -> Any:
    try:
        parameter = inspect.signature(factory).parameters.get(name)
    except (TypeError, ValueError):
        return None
    return None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default


@final
class TorchRun:
    """One optimizer over its own copies of the tensors."""

    def __init__(
        self,
        subject: TorchOptimizer,
        parameters: list[torch.nn.Parameter],
        optimizer: torch.optim.Optimizer,
        plan: Plan,
    ) -> None:
        self._subject, self._parameters, self._optimizer, self._plan = subject, parameters, optimizer, plan

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
                _set(group, rate)

    def step(self, gradients: Gradients, delivery: Delivery = Delivery.ASSIGNED) -> None:
        """Take one step with these gradients."""
        self._deliver(gradients, delivery)
        with self._subject.calls.to("step()"):
            self._optimizer.step()

    def step_closure(self, look: Look) -> int:
        """Take one step with a closure; return how often it was called."""
        self._require_closure()
        called = 0

        def closure() -> torch.Tensor:
            nonlocal called
            called += 1
            if not torch.is_grad_enabled():
                raise RuntimeError("the closure is called with gradients disabled: its backward() cannot run")
            loss, gradients = look(self.weights())
            self._deliver(gradients, Delivery.ASSIGNED)
            return torch.tensor(loss, dtype=torch.float64)

        with self._subject.calls.to("step(closure)"):
            self._optimizer.step(closure)  # type: ignore[arg-type] # torch itself returns tensors from closures
        return called

    def _require_closure(self) -> None:
        try:
            inspect.signature(self._optimizer.step).bind(lambda: None)
        except TypeError as error:
            raise Unsupported("step() takes no closure") from error

    def _deliver(self, gradients: Gradients, delivery: Delivery) -> None:
        for p, g in zip(self._parameters, gradients, strict=True):
            p.grad = None
            if g is not None and delivery is Delivery.ASSIGNED:
                p.grad = torch.empty_like(p, requires_grad=False).copy_(
                    torch.from_numpy(np.array(g))
                )  # p's own strides
            elif g is not None and p.requires_grad:
                _differentiate(p, torch.from_numpy(np.array(g)), delivery)

    def weights(self) -> list[Array]:
        """Return copies of all tensors as they are now."""
        return [p.detach().numpy().copy(order="K") for p in self._parameters]

    def place(self, weights: Sequence[Array]) -> None:
        """Overwrite all tensors."""
        with torch.no_grad():
            for p, w in zip(self._parameters, weights, strict=True):
                p.copy_(torch.from_numpy(np.ascontiguousarray(w)).reshape(p.shape))

    def rates(self) -> list[float | None]:
        """Return the learning rate in force for each tensor."""
        found = {id(p): g.get("lr") for g in self._optimizer.param_groups for p in g["params"]}
        return [None if (lr := found.get(id(p))) is None else float(lr) for p in self._parameters]

    def scale_rate(self, factor: float) -> None:
        """Multiply the learning rate of every group, as a scheduler does."""
        for group in self._optimizer.param_groups:
            if "lr" in group:
                _set(group, float(group["lr"]) * factor)

    def resumed(self) -> TorchRun:
        """Return a fresh run on copies of the weights that has loaded this one's state_dict."""
        with self._subject.calls.to("state_dict()"):
            state = copy.deepcopy(self._optimizer.state_dict())
        fresh = self._subject.start(self.weights(), self._plan)
        with self._subject.calls.to("load_state_dict()"):
            fresh._optimizer.load_state_dict(state)
        return fresh


def _set(group: dict[str, Any], rate: float) -> None:
    held = group["lr"]
    group["lr"] = torch.full_like(held, rate) if isinstance(held, torch.Tensor) else rate


def _differentiate(p: torch.nn.Parameter, g: torch.Tensor, delivery: Delivery) -> None:
    """Let autograd produce g: J = <g, p>, plus 0 |p|^2 where the gradient shall keep a graph."""
    with torch.enable_grad():
        if delivery is Delivery.GRAPH:
            (p * g + 0 * p * p).sum().backward(create_graph=True)  # type: ignore[no-untyped-call] # torch's
        else:
            (p * g).sum().backward()  # type: ignore[no-untyped-call] # torch's


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
        rule: a published update rule that it declares to be; ``"sgd"`` is plain gradient descent.
        traits: declared traits; one that measures otherwise is a violation.
        name: what reports call it.
        **hyperparameters: passed to the factory as they are.

    Raises:
        UsageError: for an unknown name, rule, trait or hyperparameter, or a factory that fails.
    """
    from gdprops.adapters.resolve import build_optimizer

    return build_optimizer(factory, rule=rule, traits=declared(traits), name=name, hyperparameters=hyperparameters)
