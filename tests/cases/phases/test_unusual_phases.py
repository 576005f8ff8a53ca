"""Steps with phases that are right and unusual, in a form of their own each: none is accused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.cases.phases.checking import mlp, moves, notes_if_held

TAU = 0.1


class Parts(nn.Module):
    """Small networks by name, and a multiplier."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = mlp(2, 2), mlp(2, 2)
        self.judge, self.judge_target = mlp(2, 1), mlp(2, 1)
        self.price = nn.Parameter(torch.full((1,), 0.5))


def rows(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(4, 2, generator=g), torch.randn(4, 2, generator=g)


def adam(*parts: nn.Module, **more: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam([p for part in parts for p in part.parameters()], **{"lr": 0.01, **more})


def sgd(*parts: nn.Module, **more: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for part in parts for p in part.parameters()], **{"lr": 0.1, **more})


RIGHT: dict[str, tuple[Callable[[Any, Any], Any], dict[str, Any]]] = {}


def right(**declared: Any) -> Callable[[Any], Any]:
    """Keep a build by the words of its name."""

    def keep(build: Any) -> Any:
        RIGHT[build.__name__.replace("_", " ")] = build, declared
        return build

    return keep


def fits(m: Any, x: Tensor, y: Tensor) -> Any:
    return functional.mse_loss(m.one(x), y)


def chained(m: Any, x: Tensor, y: Tensor) -> Any:
    return functional.mse_loss(m.two(m.one(x)), y)


# Adversaries


def real_or_not(m: Any, x: Tensor, y: Tensor) -> Any:
    logits = torch.cat([m.judge(y), m.judge(m.one(x).detach())])
    return functional.binary_cross_entropy_with_logits(logits, torch.tensor([[0.875]] * 4 + [[0.0]] * 4).to(logits))


def fools(m: Any, x: Tensor, y: Tensor) -> Any:
    return functional.softplus(-m.judge(m.one(x))).mean()


def with_slope(m: Any, x: Tensor, y: Tensor) -> Any:
    made = m.one(x).detach()
    between = (y + torch.rand(len(y), 1).to(y) * (made - y)).requires_grad_()
    (slope,) = torch.autograd.grad(m.judge(between).sum(), between, create_graph=True)
    return m.judge(made).mean() - m.judge(y).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()


def climbs(m: Any, x: Tensor, y: Tensor) -> Any:
    return -m.judge(m.one(x)).mean()


@right(phases=[("judge", with_slope, 2), ("one", climbs)])
def a_critic_with_a_penalty_between_real_and_made(m: Any, objectives: Any) -> Any:
    o = {"judge": adam(m.judge, betas=(0.0, 0.9)), "one": adam(m.one, betas=(0.0, 0.9))}

    def step(x: Tensor, y: Tensor) -> None:
        for _ in range(2):
            moves(o["judge"], with_slope(m, x, y))
        m.judge.requires_grad_(False)
        moves(o["one"], climbs(m, x, y))
        m.judge.requires_grad_(True)

    return step, o


@right(phases=[("one", fools), ("judge", real_or_not)])
def the_generator_goes_first_and_two_losses_of_the_judge_are_differentiated_apart(m: Any, objectives: Any) -> Any:
    o = {"one": adam(m.one), "judge": adam(m.judge)}

    def step(x: Tensor, y: Tensor) -> None:
        moves(o["one"], fools(m, x, y))
        o["judge"].zero_grad()
        made = m.one(x).detach()
        for part, wanted in ((y, 0.875), (made, 0.0)):
            logits = m.judge(part)
            loss = functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))
            (loss / 2).backward()  # type: ignore[no-untyped-call] # torch's own
        o["judge"].step()

    return step, o


@right(phases=[("judge", real_or_not), ("one", fools, 2)])
def the_generator_steps_twice(m: Any, objectives: Any) -> Any:
    o = {"judge": sgd(m.judge), "one": adam(m.one)}

    def step(x: Tensor, y: Tensor) -> None:
        moves(o["judge"], real_or_not(m, x, y))
        moves(o["one"], fools(m, x, y))
        moves(o["one"], fools(m, x, y))

    return step, o


@right(phases=[("judge", real_or_not), ("one", fools)], clip_norm={"judge": 0.05, "one": 0.1})
def both_are_clipped_each_to_a_norm_of_its_own(m: Any, objectives: Any) -> Any:
    o = {"judge": sgd(m.judge), "one": sgd(m.one)}

    def step(x: Tensor, y: Tensor) -> None:
        for name, loss, norm in (("judge", real_or_not, 0.05), ("one", fools, 0.1)):
            o[name].zero_grad()
            loss(m, x, y).backward()
            nn.utils.clip_grad_norm_(getattr(m, name).parameters(), norm)
            o[name].step()

    return step, o


# Networks that follow others


def agrees(m: Any, x: Tensor, y: Tensor) -> Any:
    with torch.no_grad():
        taught = m.judge_target(y)
    return functional.mse_loss(m.judge(x), taught)


@right(phases=[("judge", agrees)], targets={"judge_target": ("polyak", "judge", TAU)})
def a_view_predicts_what_the_slow_copy_makes_of_another_one(m: Any, objectives: Any) -> Any:
    optimizer = sgd(m.judge, momentum=0.9, weight_decay=0.01)
    m.judge_target.load_state_dict(m.judge.state_dict())

    def step(x: Tensor, y: Tensor) -> None:
        moves(optimizer, agrees(m, x, y))
        with torch.no_grad():
            torch._foreach_lerp_(list(m.judge_target.parameters()), list(m.judge.parameters()), TAU)

    return step, optimizer


@right(phases=[("judge", agrees)], targets={"judge_target": ("copy", "judge", 2)})
def a_copy_of_tensors_at_every_second_call(m: Any, objectives: Any) -> Any:
    optimizer, calls = adam(m.judge, amsgrad=True), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        moves(optimizer, agrees(m, x, y))
        calls += 1
        if calls % 2 == 0:
            for held, p in zip(m.judge_target.parameters(), m.judge.parameters(), strict=True):
                held.data = p.data.clone()

    return step, optimizer


# Several objectives


def teaches(m: Any, x: Tensor, y: Tensor) -> Any:
    return functional.mse_loss(m.two(x), y)


def learns(m: Any, x: Tensor, y: Tensor) -> Any:
    return functional.mse_loss(m.one(x), m.two(x).detach())


@right(phases=[("teacher", teaches), ("student", learns)])
def teacher_and_student_train_together(m: Any, objectives: Any) -> Any:
    o = {"teacher": adam(m.two), "student": sgd(m.one, nesterov=True, momentum=0.5)}

    def step(x: Tensor, y: Tensor) -> None:
        moves(o["teacher"], teaches(m, x, y))
        moves(o["student"], learns(m, x, y))

    return {"step": step, "optimizer": o}


@right(phases=[("teacher", teaches), ("student", learns)])
def the_student_learns_what_the_teacher_knew_before_it_moved(m: Any, objectives: Any) -> Any:
    o = {"teacher": adam(m.two), "student": adam(m.one)}

    def step(x: Tensor, y: Tensor) -> None:
        known = m.two(x)
        moves(o["teacher"], functional.mse_loss(known, y))
        moves(o["student"], functional.mse_loss(m.one(x), known.detach()))

    return step, o


def held_to(m: Any, x: Tensor, y: Tensor) -> Any:
    return fits(m, x, y) + (m.price.detach() * (m.one(x) ** 2).mean(1)).mean()


def asks(m: Any, x: Tensor, y: Tensor) -> Any:
    return -(m.price * ((m.one(x) ** 2).mean() - 0.1).detach()).sum()


def not_below_zero(m: Any) -> None:
    with torch.no_grad():
        m.price.clamp_(min=0.0, max=1.0)


@right(phases=[("one", held_to), ("price", asks)], after={"price": not_below_zero})
def a_price_climbs_within_bounds(m: Any, objectives: Any) -> Any:
    o = {"one": adam(m.one), "price": torch.optim.SGD([m.price], lr=2.0, maximize=True)}

    def step(x: Tensor, y: Tensor) -> None:
        moves(o["one"], held_to(m, x, y))
        o["price"].zero_grad()
        (-asks(m, x, y)).backward()
        o["price"].step()
        not_below_zero(m)

    return step, o


@right(phases=[("one", fits), ("both", chained)])
def one_network_is_held_by_two_optimizers_with_different_memories(m: Any, objectives: Any) -> Any:
    o = {"one": sgd(m.one, momentum=0.9), "both": adam(m.one, m.two)}

    def step(x: Tensor, y: Tensor) -> None:
        for name, objective in zip(o, objectives, strict=True):
            m.zero_grad()
            objective(m, x, y).backward()
            o[name].step()

    return step, o


@right(phases=[("one", chained), ("two", chained)], together=True)
def both_halves_step_by_one_backward_pass(m: Any, objectives: Any) -> Any:
    o = {"one": adam(m.one), "two": sgd(m.two, momentum=0.5)}

    def step(x: Tensor, y: Tensor) -> None:
        m.zero_grad()
        chained(m, x, y).backward()
        o["two"].step()
        o["one"].step()

    return step, o


def part(m: Any, x: Tensor, y: Tensor, *, k: int) -> Any:
    return fits(m, x[k::2], y[k::2])


@right(phases=[("one", part, 2)])
def two_epochs_over_interleaved_halves(m: Any, objectives: Any) -> Any:
    optimizer = torch.optim.RMSprop(m.one.parameters(), lr=0.01)

    def step(x: Tensor, y: Tensor) -> None:
        for k in range(2):
            moves(optimizer, fits(m, x[k::2], y[k::2]))

    return step, optimizer


@pytest.mark.nightly
@pytest.mark.parametrize("name", RIGHT)
def test_an_unusual_step_with_phases_is_not_accused(name: str) -> None:
    build, declared = RIGHT[name]
    notes_if_held(build, models=Parts, batches=rows, **declared)
