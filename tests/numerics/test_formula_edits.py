"""One change in a published formula: which forms there are, how they are told, and what is named by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gdprops.explanations.published_rule import what_instead
from gdprops.model.case import Plan, UpdateCase
from gdprops.numerics.published.formula_edits import edited_forms
from gdprops.numerics.published.rule import fresh
from gdprops.numerics.published.table import PUBLISHED
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.update_rule.subject import update_rule


def test_a_form_is_the_rule_with_one_change_and_says_which() -> None:
    """Of w - η (g + λ w), at w = 2, g = 3, η = 1/2 and λ = 4: without η it is -9, with + it is 7.5."""
    ends = {
        form.says: form.step(2.0, 3.0, {}, lr=0.5, weight_decay=4.0) for form in edited_forms(PUBLISHED["sgd"].step)
    }
    assert PUBLISHED["sgd"].step(2.0, 3.0, {}, lr=0.5, weight_decay=4.0) == -3.5
    assert ends["g + λ * w stands where the formula says η * (g + λ * w), in w - η * (g + λ * w)"] == -9
    assert ends["w + η * (g + λ * w) stands where the formula says w - η * (g + λ * w)"] == 7.5
    assert ends["g stands where the formula says g + λ * w, in w - η * (g + λ * w)"] == 0.5


def test_functions_that_a_rule_calls_are_changed_too_and_a_rule_with_its_decay_beside_it() -> None:
    for name in ("adam", "adamw"):
        told = [form.says for form in edited_forms(PUBLISHED[name].step)]
        assert "β₁ stands where the formula says β₂, in v̂ ← v / (1 - β₂ ** t)" in told
        assert "β₂ stands where the formula says β₁, in m ← β₁ * m + (1 - β₁) * g" in told
        assert "v̂ stands where the formula says √(v̂), in w - η * m̂ / (√(v̂) + ε)" in told


def test_an_absolute_value_may_be_forgotten() -> None:
    told = [form.says for form in edited_forms(PUBLISHED["adamax"].step)]
    assert "g stands where the formula says abs(g), in u ← maximum(β₂ * u, abs(g) + ε)" in told


def test_a_ratio_may_be_taken_the_other_way_round() -> None:
    told = [form.says for form in edited_forms(PUBLISHED["muon"].step)]
    assert any(says.startswith("columns / rows stands where the formula says rows / columns, in ") for says in told)


def test_two_numbers_may_be_taken_apart_the_other_way() -> None:
    text = "(β₂, β₁) stands where the formula says (β₁, β₂)"
    (form,) = [one for one in edited_forms(PUBLISHED["lion"].step) if one.says == text]
    betas, state, expected_state = (0.5, 0.75), fresh(), fresh()
    for g in (1.0, -0.75, 0.125):
        seen = form.step(np.zeros(1), np.full(1, g), state, lr=0.5, betas=betas)
        expected = PUBLISHED["lion"].step(np.zeros(1), np.full(1, g), expected_state, lr=0.5, betas=betas[::-1])
        assert (seen, state["m"]) == (expected, expected_state["m"])


def test_no_change_of_one_form_is_left_in_the_rule_or_in_another() -> None:
    settings: dict[str, Any] = {"lr": 0.5, "betas": (0.5, 0.75), "eps": 0.25}
    before = PUBLISHED["adam"].step(np.ones(1), np.ones(1), fresh(), **settings)
    forms = edited_forms(PUBLISHED["adam"].step)
    with np.errstate(all="ignore"):
        ends = [[str(form.step(np.ones(1), np.ones(1), fresh(), **settings)) for form in forms] for _ in range(2)]
    assert ends[0] == ends[1]
    assert PUBLISHED["adam"].step(np.ones(1), np.ones(1), fresh(), **settings) == before


def rmsprop(params: Any, grads: Any, state: Any, lr: float = 0.01, alpha: float = 0.99, eps: float = 1e-8) -> Any:
    """Divides by the mean square, and not by its root."""
    squares = {k: alpha * (state or {}).get(k, 0 * g) + (1 - alpha) * g * g for k, g in grads.items()}
    return {k: w - lr * grads[k] / (squares[k] + eps) for k, w in params.items()}, squares


def rmsprop_averaged(
    params: Any, grads: Any, state: Any, lr: float = 0.01, momentum: float = 0.9, eps: float = 1e-8
) -> Any:
    """Averages its steps, and does not add them up."""
    new, kept = dict(params), {}
    for k, g in grads.items():
        v, b = (state or {}).get(k, (0.0, 0.0))
        v = 0.99 * v + 0.01 * g * g
        kept[k] = v, momentum * b + (1 - momentum) * g / (np.sqrt(v) + eps)
        new[k] = params[k] - lr * kept[k][1]
    return new, kept


def nesterov(params: Any, grads: Any, state: Any, lr: float = 0.1, momentum: float = 0.9) -> Any:
    """Looks ahead twice."""
    v = {k: momentum * state[k] + g if state else g for k, g in grads.items()}
    return {k: w - lr * (grads[k] + momentum * (grads[k] + momentum * v[k])) for k, w in params.items()}, v


def adagrad(params: Any, grads: Any, state: Any, lr: float = 0.1, eps: float = 1e-10) -> Any:
    """Adds up the squares of a whole tensor in one number."""
    total = {k: (state or {}).get(k, 0.0) + np.sum(g**2) for k, g in grads.items()}
    return {k: w - lr * grads[k] / (np.sqrt(total[k]) + eps) for k, w in params.items()}, total


def adagrad_late(params: Any, grads: Any, state: Any, lr: float = 0.1, eps: float = 1e-10) -> Any:
    """Divides by what the sum was before, but at the first step."""
    new = {k: (state or {}).get(k, 0.0) + g * g for k, g in grads.items()}
    by = state or new
    return {k: w - lr * grads[k] / (np.sqrt(by[k]) + eps) for k, w in params.items()}, new


def rmsprop_swapped(params: Any, grads: Any, state: Any, lr: float = 0.1, alpha: float = 0.9, eps: float = 1e-8) -> Any:
    """Keeps the share of the mean square that should come in."""
    v = {k: (1 - alpha) * (state or {}).get(k, 0.0) + alpha * g * g for k, g in grads.items()}
    return {k: w - lr * grads[k] / (np.sqrt(v[k]) + eps) for k, w in params.items()}, v


def adadelta_rootless(params: Any, grads: Any, state: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6) -> Any:
    """Remembers its steps without their root, and makes them with it."""
    new, kept = dict(params), {}
    for k, g in grads.items():
        v, u = (state or {}).get(k, (0.0, 0.0))
        v = rho * v + (1 - rho) * g * g
        ratio = (u + eps) / (v + eps)
        kept[k] = v, rho * u + (1 - rho) * (ratio * g) ** 2
        new[k] = params[k] - lr * np.sqrt(ratio) * g
    return new, kept


def rprop_exchanged(params: Any, grads: Any, state: Any, lr: float = 0.01, etas: Any = (0.5, 1.2)) -> Any:
    """Grows where the sign turns and shrinks where it stays."""
    new, kept = dict(params), {}
    for k, g in grads.items():
        last, size = (state or {}).get(k, (0 * g, np.full_like(g, lr)))
        factor = np.where(g * last > 0, etas[0], np.where(g * last < 0, etas[1], 1.0))
        kept[k] = used, size = np.where(g * last < 0, 0.0, g), np.clip(size * factor, 1e-6, 50.0)
        new[k] = params[k] - np.sign(used) * size
    return new, kept


def adam(params: Any, grads: Any, state: Any, lr: float = 0.01, b1: float = 0.9, b2: float = 0.999) -> Any:
    """Corrects the bias of both means with the first beta."""
    t, m, v = state or (0, dict.fromkeys(grads, 0.0), dict.fromkeys(grads, 0.0))
    m = {k: b1 * m[k] + (1 - b1) * g for k, g in grads.items()}
    v = {k: b2 * v[k] + (1 - b2) * g * g for k, g in grads.items()}
    bias = 1 - b1 ** (t + 1)
    return {k: w - lr * m[k] / bias / (np.sqrt(v[k] / bias) + 1e-8) for k, w in params.items()}, (t + 1, m, v)


def adam_ahead(params: Any, grads: Any, state: Any, lr: float = 0.01, weight_decay: float = 0.1) -> Any:
    """Corrects the bias by the number of the next step."""
    t, m, v = state or (0, dict.fromkeys(grads, 0.0), dict.fromkeys(grads, 0.0))
    grads = {k: g + weight_decay * params[k] for k, g in grads.items()}
    m = {k: 0.9 * m[k] + 0.1 * g for k, g in grads.items()}
    v = {k: 0.999 * v[k] + 0.001 * g * g for k, g in grads.items()}
    first, second = 1 - 0.9 ** (t + 2), 1 - 0.999 ** (t + 2)
    return {k: w - lr * m[k] / first / (np.sqrt(v[k] / second) + 1e-8) for k, w in params.items()}, (t + 1, m, v)


def lamb(params: Any, grads: Any, state: Any, lr: float = 0.01, weight_decay: float = 0.1) -> Any:
    """Measures its ratio on the step without the decay, and makes the step with it."""
    t, m, v = state or (0, dict.fromkeys(grads, 0.0), dict.fromkeys(grads, 0.0))
    m = {k: 0.9 * m[k] + 0.1 * g for k, g in grads.items()}
    v = {k: 0.999 * v[k] + 0.001 * g * g for k, g in grads.items()}
    d = {k: m[k] / (1 - 0.9 ** (t + 1)) / (np.sqrt(v[k] / (1 - 0.999 ** (t + 1))) + 1e-6) for k in grads}
    ratio = {k: np.sqrt(np.sum(params[k] ** 2)) / np.sqrt(np.sum(d[k] ** 2)) for k in grads}
    return {k: w - lr * ratio[k] * (d[k] + weight_decay * w) for k, w in params.items()}, (t + 1, m, v)


def cases() -> list[UpdateCase]:
    """Return four steps on tensors of which two have one shape, in one group and in two."""
    tensors = (np.array([1.0, -2.0]), np.array([0.5, 3.0]), np.array([[2.0], [1.0], [-1.0]]))
    steps = tuple(
        tuple(np.cos(np.arange(w.size) + 1.7 * t + k).reshape(w.shape) for k, w in enumerate(tensors)) for t in range(4)
    )
    plans = Plan(((0, 1, 2),), (0.125,)), Plan(((0, 2), (1,)), (0.125, 0.125))
    return [UpdateCase(tensors, steps, plan, 53, (0, 1, 2)) for plan in plans]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (rmsprop, "mean_square stands where the formula says √(mean_square), in b ← μ * b + g / (√(mean_square) + ε)"),
        (rmsprop_averaged, "μ * b + (1 - μ) * (g / (√(mean_square) + ε)) stands where the formula says μ * b + g / ("),
        (nesterov, "g + μ * (g + μ * velocity) stands where the formula says g + μ * velocity"),
        (adagrad, "sum(g * g) stands where the formula says g * g"),
        (adagrad_late, "from the second step on, G_old stands where the formula says G"),
        (rmsprop_swapped, "(1 - α) * v + α * g * g stands where the formula says α * v + (1 - α) * g * g, in v ← "),
        (
            adadelta_rootless,
            "ρ * u + (1 - ρ) * ((u + ε) / (v + ε) * g) * ((u + ε) / (v + ε) * g) stands where the formula says "
            "ρ * u + (1 - ρ) * d * d, in u ← ",
        ),
        (rprop_exchanged, "where(same > 0, η₋, where(same < 0, η₊, 1.0)) stands where the formula says "),
        (adam_ahead, "t + 1 stands where the formula says t"),
        (lamb, "w - η * trust(norm(w), norm(d - λ * w)) * d stands where the formula says w - η * trust(norm(w), "),
        (adam, "β₁ stands where the formula says β₂, in v̂ ← v / (1 - β₂ ** t)"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_rule_with_one_mistake_that_nobody_has_listed_is_named(rule: Any, told: str) -> None:
    said = what_instead(update_rule(rule, rule=rule.__name__.partition("_")[0], lr=0.125), cases()[:1])
    assert said is not None
    assert said.startswith(f"what it does instead: {told}")


class Counting(torch.optim.Optimizer):
    """Adam whose clock stands in its group, and advances once for each parameter."""

    def __init__(self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "t": 0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                group["t"] += 1
                s = self.state[p]
                s["m"] = b1 * s.get("m", 0) + (1 - b1) * p.grad
                s["v"] = b2 * s.get("v", 0) + (1 - b2) * p.grad**2
                m, v = s["m"] / (1 - b1 ** group["t"]), s["v"] / (1 - b2 ** group["t"])
                p.sub_(group["lr"] * m / (v.sqrt() + group["eps"]))


class StuckRate(torch.optim.Optimizer):
    """Gradient descent whose rate nobody can change."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})
        self.lr = lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                p.sub_(self.lr * p.grad)


def test_a_rate_that_no_group_changes_is_named() -> None:
    said = what_instead(optimizer(StuckRate, rule="sgd", lr=0.5), cases()[:1])
    assert said == "what it does instead: it always steps at the learning rate that it was made with, lr=0.5"


class Sharing(torch.optim.Optimizer):
    """Momentum whose velocities are kept by shape."""

    def __init__(self, params: Any, lr: float = 0.1, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self.kept: dict[Any, Any] = {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    known = self.kept.get(p.shape)
                    self.kept[p.shape] = p.grad if known is None else group["momentum"] * known + p.grad
                    p.sub_(group["lr"] * self.kept[p.shape])


@pytest.mark.parametrize(
    ("kind", "rule", "told"),
    [
        (Counting, "adam", "one clock counts for all tensors of a group, and advances once for each of them"),
        (Sharing, "momentum", "tensors of one shape share one state"),
    ],
)
def test_what_tensors_remember_together_is_named(kind: Any, rule: str, told: str) -> None:
    said = what_instead(optimizer(kind, rule=rule, lr=0.125), cases())
    assert said == f"what it does instead: {told}"
