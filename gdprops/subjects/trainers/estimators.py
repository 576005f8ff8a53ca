"""The estimators of scikit-learn that descend a gradient: their weights, their rate, and the loss that they descend."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gdprops.errors import UsageError
from gdprops.model.wording import type_of

LOSSES: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "squared_error": lambda made, p, y: (p - y).square() / 2,
    "huber": lambda made, p, y: functional.huber_loss(p, y, reduction="none", delta=made.epsilon),
    "epsilon_insensitive": lambda made, p, y: functional.relu((p - y).abs() - made.epsilon),
    "squared_epsilon_insensitive": lambda made, p, y: functional.relu((p - y).abs() - made.epsilon).square(),
    "hinge": lambda made, p, y: functional.relu(1 - p * y),
    "squared_hinge": lambda made, p, y: functional.relu(1 - p * y).square(),
    "log_loss": lambda made, p, y: functional.softplus(-p * y),
}
"""The losses of SGD estimators, of one row; the classes are -1 and 1."""
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": functional.relu,
}


class Estimator(ABC):
    """An estimator beside a module that has its weights.

    ``one_by_one``: it goes through the rows of a call one by one. ``told``: in sentences, what is read from it.
    """

    one_by_one: ClassVar[bool]
    told: tuple[str, ...]

    def __init__(self, made: Any, *, classifies: bool) -> None:
        self.made, self.classifies = made, classifies

    def fit(self, x: Any, y: Any) -> None:
        """Let it fit some rows."""
        more = {"classes": [0.0, 1.0]} if self.classifies else {}
        self.made.partial_fit(x, y, **more)

    def module(self) -> nn.Module:
        """Return a module with its weights as parameters."""
        made = nn.Module()
        for name, weights in self.weights().items():
            layer, _, own = name.rpartition(".")
            if layer and layer not in made._modules:
                made.add_module(layer, nn.Module())
            p = nn.Parameter(torch.from_numpy(np.array(weights)), self.trains(own))
            made.get_submodule(layer).register_parameter(own, p)
        return made

    def copy_to(self, module: nn.Module) -> None:
        """Give a module its weights."""
        with torch.no_grad():
            for name, weights in self.weights().items():
                module.get_parameter(name).copy_(torch.from_numpy(np.asarray(weights)))

    def trains(self, name: str) -> bool:
        """Say whether it trains some of its weights."""
        return name != "intercept" or bool(self.made.fit_intercept)

    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """Return its weights by name, as the arrays that it computes with."""

    @abstractmethod
    def restart(self, module: nn.Module) -> None:
        """Take the weights of a module, and forget what it has fitted."""

    @abstractmethod
    def rate(self) -> float:
        """Return the rate of its next update."""

    @abstractmethod
    def optimizer(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of torch with its rule."""

    @abstractmethod
    def objective(self, module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss J that it descends, its penalty included."""

    def take(self, module: nn.Module) -> None:
        """Overwrite its weights in place by those of a module."""
        for name, weights in self.weights().items():
            weights[...] = module.get_parameter(name).detach().numpy()


@final
class Linear(Estimator):
    """SGDRegressor and SGDClassifier."""

    one_by_one = True

    def __init__(self, made: Any, *, classifies: bool) -> None:
        super().__init__(made, classifies=classifies)
        rate = f"learning_rate={made.learning_rate!r}: the rate of each row is computed from the documented formula"
        self.told = (
            "sklearn: partial_fit makes one update per row, in shuffled order, so that it is given one row per call",
            f"J is {made.loss} plus alpha={made.alpha:g} times half the squared coefficients; {rate}",
        )

    def weights(self) -> dict[str, Any]:
        """Return the coefficients and the intercept."""
        return {"coef": self.made.coef_, "intercept": self.made.intercept_}

    def restart(self, module: nn.Module) -> None:
        """Start anew at the weights of a module: t is 1 at the first row."""
        self.take(module)
        self.made.t_ = 1.0

    def rate(self) -> float:
        """Return eta0, eta0 / t**power_t, or 1 / (alpha (t0 + t - 1))."""
        made = self.made
        if made.learning_rate == "invscaling":
            return float(made.eta0 / made.t_**made.power_t)
        if made.learning_rate == "optimal":
            t0 = 1 / (math.sqrt(1 / math.sqrt(made.alpha)) * made.alpha)
            return float(1 / (made.alpha * (t0 + made.t_ - 1)))
        return float(made.eta0)

    def optimizer(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """Return plain descent."""
        return torch.optim.SGD(parameters, lr=self.rate())

    def objective(self, module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of one row and the penalty."""
        made, coef = self.made, module.get_parameter("coef").flatten()
        p = inputs.to(coef.dtype) @ coef + module.get_parameter("intercept")
        y = (2 * targets - 1 if self.classifies else targets).to(coef.dtype)
        penalty = made.alpha / 2 * coef.square().sum() if made.penalty else 0.0
        return LOSSES[made.loss](made, p, y).mean() + penalty


@final
class Perceptrons(Estimator):
    """MLPRegressor and MLPClassifier with two classes."""

    one_by_one = False

    def __init__(self, made: Any, *, classifies: bool) -> None:
        super().__init__(made, classifies=classifies)
        loss = "the cross-entropy" if classifies else "half the squared error"
        self.told = (
            f"sklearn: partial_fit makes one update of solver {made.solver!r} from all rows of a call",
            f"J is {loss}, a mean over rows, plus alpha={made.alpha:g} times half the squared weights, divided by rows",
        )

    def weights(self) -> dict[str, Any]:
        """Return the weights and the intercepts of every layer."""
        pairs = enumerate(zip(self.made.coefs_, self.made.intercepts_, strict=True))
        return {
            f"layer{i}.{what}": one for i, pair in pairs for what, one in zip(("coef", "intercept"), pair, strict=True)
        }

    def trains(self, name: str) -> bool:
        """Say that it trains everything."""
        return True

    def restart(self, module: nn.Module) -> None:
        """Start anew at the weights of a module, with a fresh optimizer."""
        self.take(module)
        self.made.t_ = 0
        del self.made._optimizer

    def rate(self) -> float:
        """Return the rate of its optimizer, or the one that this begins with."""
        known = getattr(self.made, "_optimizer", None) if self.made.solver == "sgd" else None
        return float(self.made.learning_rate_init if known is None else known.learning_rate)

    def optimizer(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """Return descent with momentum, or Adam in the form that scikit-learn has."""
        made, rate = self.made, self.rate()
        if made.solver == "adam":
            return AdamHat(parameters, lr=rate, betas=(made.beta_1, made.beta_2), eps=made.epsilon)
        return Velocity(parameters, lr=rate, momentum=made.momentum, nesterov=made.nesterovs_momentum)

    def objective(self, module: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of some rows and the penalty."""
        names, made = [name for name, _ in module.named_parameters()], self.made
        layers = [(module.get_parameter(c), module.get_parameter(b)) for c, b in zip(*[iter(names)] * 2, strict=True)]
        at = inputs.to(layers[0][0].dtype)
        for i, (coef, intercept) in enumerate(layers):
            z = at @ coef + intercept
            at = z if i == len(layers) - 1 else ACTIVATIONS[made.activation](z)
        y = targets.reshape(len(at), -1).to(at.dtype)
        error = functional.softplus(at) - y * at if self.classifies else (at - y).square() / 2
        squares = sum((coef.square().sum() for coef, _ in layers), torch.zeros((), dtype=at.dtype))
        loss: Tensor = error.sum() / len(at) + made.alpha / 2 * squares / len(at)
        return loss


@final
class Velocity(torch.optim.Optimizer):
    """Descent with momentum, whose velocity holds every gradient times the rate of its own step: v = μ v - η g."""

    def __init__(self, params: Any, lr: float, momentum: float, nesterov: bool) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # returns no loss
        """Take one step."""
        for group in self.param_groups:
            mu, rate = group["momentum"], group["lr"]
            for p in (p for p in group["params"] if p.grad is not None):
                s = self.state[p]
                v = s["v"] = mu * s.get("v", torch.zeros_like(p)) - rate * p.grad
                p.add_(mu * v - rate * p.grad if group["nesterov"] else v)


@final
class AdamHat(torch.optim.Optimizer):
    """Adam with ε beside the root of v, before v is corrected for its start at 0: w - η_t m / (sqrt(v) + ε)."""

    def __init__(self, params: Any, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # returns no loss
        """Take one step."""
        for group in self.param_groups:
            one, two = group["betas"]
            for p in (p for p in group["params"] if p.grad is not None):
                s = self.state[p] or {"step": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)}
                self.state[p] = s
                s["step"] += 1
                s["m"].mul_(one).add_(p.grad, alpha=1 - one)
                s["v"].mul_(two).addcmul_(p.grad, p.grad, value=1 - two)
                rate = group["lr"] * math.sqrt(1 - two ** s["step"]) / (1 - one ** s["step"])
                p.sub_(rate * s["m"] / (s["v"].sqrt() + group["eps"]))


def estimator_of(made: Any, spec: str) -> Estimator:
    """Return an estimator with what gdprops knows of it. Raises `UsageError` for one that it cannot judge."""
    from sklearn.linear_model import SGDClassifier, SGDRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if isinstance(made, SGDRegressor | SGDClassifier):
        refused = {
            "penalty": made.penalty not in ("l2", None),
            "learning_rate": made.learning_rate not in ("constant", "invscaling", "optimal"),
            "loss": made.loss not in LOSSES,
            "average": bool(made.average),
            "class_weight": getattr(made, "class_weight", None) is not None,
        }
        _refuse(made, refused, spec)
        return Linear(made, classifies=isinstance(made, SGDClassifier))
    if isinstance(made, MLPRegressor | MLPClassifier):
        refused = {
            "solver": made.solver not in ("sgd", "adam"),
            "batch_size": made.batch_size != "auto",
            "loss": getattr(made, "loss", "squared_error") not in ("squared_error", "log_loss"),
        }
        _refuse(made, refused, spec)
        return Perceptrons(made, classifies=isinstance(made, MLPClassifier))
    raise UsageError(
        f"{spec} makes {type_of(made)}; expected SGDRegressor, SGDClassifier, MLPRegressor or MLPClassifier, whose "
        "partial_fit takes gradient steps"
    )


def _refuse(made: Any, refused: dict[str, bool], spec: str) -> None:
    for name, is_refused in refused.items():
        if is_refused:
            raise UsageError(
                f"{spec}: partial_fit with {name}={getattr(made, name)!r} is no plain gradient step of a loss that "
                "gdprops can write down"
            )
