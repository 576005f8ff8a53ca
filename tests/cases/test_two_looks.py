"""Steps that look twice: SAM and extragradient in the forms that public code has, and what goes wrong in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimization around a base optimizer, as its usual public form has it."""

    def __init__(self, params: Any, base: Any = torch.optim.SGD, rho: float = 0.05, **options: Any) -> None:
        super().__init__(params, {"rho": rho, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self, zero_grad: bool = False) -> None:
        grads = [p.grad.norm(p=2) for group in self.param_groups for p in group["params"] if p.grad is not None]
        for group in self.param_groups:
            scale = group["rho"] / (torch.stack(grads).norm(p=2) + 1e-12)
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["old_p"] = p.data.clone()
                    p.add_(p.grad * scale)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad: bool = False) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # it returns no loss
        closure = torch.enable_grad()(closure)
        self.first_step(zero_grad=True)
        closure()
        self.second_step()


class Extra(torch.optim.SGD):
    """Gradient descent that looks where a first step leads, with both halves called by the loop."""

    @torch.no_grad()
    def extrapolation(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["before"] = p.clone()
                    p.add_(p.grad, alpha=-group["lr"])

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # it returns no loss
        for group in self.param_groups:
            for p in group["params"]:
                if "before" in self.state[p]:
                    p.copy_(self.state[p].pop("before"))
        super().step()


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))


def verdict(build: Callable[..., Any], *, models: Any = None, **declared: Any) -> Verdict:
    own = {} if models is None else {"models": models, "batches": batches, "loss": nn.MSELoss()}
    subject = training_step(build, name="mine", **own, **declared)
    outcome = check_subject(subject, clauses=("step.simultaneous",), settings=Settings(seed=0, examples=8))
    (found,) = (v for v in outcome.verdicts if v.about is About.SUBJECT)
    return found


def taking(optimizer: Any, takes: Callable[[Any, Any, Callable[[], Tensor]], None]) -> Callable[..., Any]:
    """Return a build whose step is ``takes(optimizer, model, loss)``."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        made = optimizer(model.parameters())

        def step(x: Tensor, y: Tensor) -> None:
            takes(made, model, lambda: loss_fn(model(x), y))

        return step, made

    return build


def sam(params: Any) -> torch.optim.Optimizer:
    return Sam(params, lr=0.1, momentum=0.5)


def sam_of_adam(params: Any) -> torch.optim.Optimizer:
    return Sam(params, torch.optim.Adam, lr=0.1)


def sgd(params: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=0.1, momentum=0.5)


def in_two_steps(optimizer: Any, model: Any, loss: Any) -> None:
    loss().backward()
    optimizer.first_step(zero_grad=True)
    loss().backward()
    optimizer.second_step(zero_grad=True)


def with_a_closure(optimizer: Any, model: Any, loss: Any) -> None:
    def closure() -> Tensor:
        found: Tensor = loss()
        found.backward()  # type: ignore[no-untyped-call] # torch's own
        return found

    closure()
    optimizer.step(closure)
    optimizer.zero_grad()


def by_extrapolation(optimizer: Any, model: Any, loss: Any) -> None:
    for move in (optimizer.extrapolation, optimizer.step):
        optimizer.zero_grad()
        loss().backward()
        move()


class Closing(Sam):
    """Looks again inside of its second step."""

    def second_step(self, closure: Any) -> None:  # type: ignore[override] # it takes no zero_grad
        self.zero_grad()
        with torch.enable_grad():
            closure()
        super().second_step(zero_grad=True)


def with_a_closure_of_the_second_step(optimizer: Any, model: Any, loss: Any) -> None:
    loss().backward()
    optimizer.first_step()
    optimizer.second_step(lambda: loss().backward())


RIGHT = {
    "SAM that looks in its second step": taking(
        lambda params: Closing(params, lr=0.1), with_a_closure_of_the_second_step
    ),
    "SAM in two steps": taking(sam, in_two_steps),
    "SAM of Adam in two steps": taking(sam_of_adam, in_two_steps),
    "SAM with a closure": taking(sam, with_a_closure),
    "an optimizer that extrapolates": taking(lambda params: Extra(params, lr=0.1), by_extrapolation),
}


@pytest.mark.parametrize("name", RIGHT)
def test_two_looks_of_an_optimizer_are_held(name: str) -> None:
    found = verdict(RIGHT[name])
    assert found.status is Status.HELD, found.reason
    if "closure" not in name and "second step" not in name:
        found = verdict(RIGHT[name], models=with_dropout)
        assert found.status is Status.HELD, found.reason


def extragradient(optimizer: Any, model: Any, loss: Any) -> None:
    held = [p.detach().clone() for p in model.parameters()]
    model.zero_grad()
    loss().backward()
    optimizer.step()
    model.zero_grad()
    loss().backward()
    with torch.no_grad():
        for p, was in zip(model.parameters(), held, strict=True):
            p.copy_(was)
    optimizer.step()


def extragradient_by_hand(optimizer: Any, model: Any, loss: Any) -> None:
    held = [p.detach().clone() for p in model.parameters()]
    model.zero_grad()
    loss().backward()
    with torch.no_grad():
        for p in model.parameters():
            if p.grad is not None:
                p.sub_(0.1 * p.grad)
    model.zero_grad()
    loss().backward()
    with torch.no_grad():
        for p, was in zip(model.parameters(), held, strict=True):
            p.copy_(was)
    optimizer.step()


@pytest.mark.parametrize("takes", [extragradient, extragradient_by_hand])
def test_extragradient_around_a_plain_optimizer_is_held_where_it_is_declared(takes: Any) -> None:
    found = verdict(taking(sgd, takes), looks="extragradient")
    assert found.status is Status.HELD, found.reason
    found = verdict(taking(sgd, takes), models=with_dropout, looks="extragradient")
    assert found.status is Status.HELD, found.reason


@pytest.mark.parametrize("takes", [extragradient, extragradient_by_hand])
def test_extragradient_that_is_not_declared_is_violated_with_that_advice(takes: Any) -> None:
    found = verdict(taking(sgd, takes))
    assert found.status is Status.VIOLATED
    assert 'where that is meant, declare it: looks="extragradient"' in str(found.explanation)


def test_an_extrapolation_that_stays_in_the_weights_is_caught() -> None:
    def takes(optimizer: Any, model: Any, loss: Any) -> None:
        for _ in range(2):
            model.zero_grad()
            loss().backward()
            optimizer.step()

    assert verdict(taking(sgd, takes), looks="extragradient").status is Status.VIOLATED


def test_a_perturbation_that_stays_in_the_weights_is_caught() -> None:
    def takes(optimizer: Any, model: Any, loss: Any) -> None:
        loss().backward()
        optimizer.first_step(zero_grad=True)
        loss().backward()
        optimizer.base_optimizer.step()
        optimizer.zero_grad()

    found = verdict(taking(sam, takes))
    assert found.status is Status.VIOLATED
    assert found.reason == (
        "the step calls the optimizer's first_step(), and never second_step() after it: the weights stay where it led"
    )


def summed(optimizer: Any, model: Any, loss: Any) -> None:
    optimizer.zero_grad()
    loss().backward()
    optimizer.first_step()
    loss().backward()
    optimizer.second_step()


def averaged(optimizer: Any, model: Any, loss: Any) -> None:
    optimizer.zero_grad()
    (loss() / 2).backward()
    first = [p.grad if p.grad is None else 2 * p.grad for p in model.parameters()]
    for p, g in zip(model.parameters(), first, strict=True):
        p.grad = g
    optimizer.first_step()
    for p in model.parameters():
        p.grad = None if p.grad is None else p.grad / 2
    (loss() / 2).backward()
    optimizer.second_step()


def back_too_early(optimizer: Any, model: Any, loss: Any) -> None:
    held = [p.detach().clone() for p in model.parameters()]
    loss().backward()
    optimizer.first_step(zero_grad=True)
    with torch.no_grad():
        for p, was in zip(model.parameters(), held, strict=True):
            p.copy_(was)
    loss().backward()
    optimizer.second_step(zero_grad=True)


NAMED = {
    summed: (
        "the gradients of both looks add up: nothing clears the first look's (zero_grad) before the second backward"
    ),
    averaged: "it steps by the mean of both looks' gradients",
    back_too_early: (
        "it steps by the gradient of its first look again: the second look is taken where the step began, or not used "
        "or, which gives the same weights, rho is not applied"
    ),
}


@pytest.mark.parametrize("takes", NAMED, ids=lambda takes: takes.__name__)
def test_what_goes_wrong_between_the_looks_is_named(takes: Any) -> None:
    found = verdict(taking(sam, takes))
    assert found.status is Status.VIOLATED
    assert found.explanation == NAMED[takes]


@pytest.mark.nightly
def test_it_is_named_where_each_look_draws_masks_of_its_own() -> None:
    """gdprops returns to what the passes of each step have met, and not of the last one alone."""
    found = verdict(taking(sam, summed), models=with_dropout)
    assert found.explanation == NAMED[summed]


def test_a_second_look_that_is_never_differentiated_is_caught() -> None:
    def takes(optimizer: Any, model: Any, loss: Any) -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.first_step()
        loss()
        optimizer.second_step()

    found = verdict(taking(sam, takes))
    assert found.status is Status.VIOLATED
    assert found.reason == (
        "the step calls the optimizer's first_step() and then second_step(), and differentiates nothing in between: it "
        "moves by the gradient of the first look"
    )


def test_a_second_look_at_other_rows_is_violated() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer = Sam(model.parameters(), lr=0.1)

        def step(x: Tensor, y: Tensor) -> None:
            loss_fn(model(x), y).backward()
            optimizer.first_step(zero_grad=True)
            loss_fn(model(x[:1]), y[:1]).backward()
            optimizer.second_step(zero_grad=True)

        return step, optimizer

    assert verdict(build, models=with_dropout).status is Status.VIOLATED


def test_helpers_of_an_optimizer_are_no_looks() -> None:
    class Helpful(torch.optim.SGD):
        def norm(self) -> float:
            return float(sum(p.grad.norm() for p in self.param_groups[0]["params"] if p.grad is not None))

    def takes(optimizer: Any, model: Any, loss: Any) -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.norm()
        optimizer.step()

    found = verdict(taking(lambda params: Helpful(params, lr=0.1), takes))
    assert found.status is Status.HELD, found.reason


def test_other_looks_are_refused() -> None:
    with pytest.raises(UsageError) as refused:
        verdict(taking(sgd, extragradient), looks="sam")
    assert str(refused.value) == (
        "looks='sam'; expected 'extragradient', or nothing: SAM, LBFGS and others that look elsewhere by a method or a "
        "closure of their own need no declaration"
    )
