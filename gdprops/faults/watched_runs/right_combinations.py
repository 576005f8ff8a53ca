"""Right watched scripts that combine what is seldom combined: several losses, optimizers, schedulers, phases."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.fault import Twin
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd


def soft_actor_critic() -> None:
    """Three optimizers: the critics are frozen while the actor looks through them; the temperature is a bare leaf."""
    torch.manual_seed(0)
    actor, critics = plain(), nn.ModuleList(nn.Linear(5, 1) for _ in range(2))
    targets = copy.deepcopy(critics).requires_grad_(False)
    heat = torch.zeros(1, requires_grad=True)
    acts, judges = torch.optim.Adam(actor.parameters()), torch.optim.Adam(critics.parameters())
    heats = torch.optim.Adam([heat], lr=0.01)

    def value(of: Any, state: Tensor, action: Tensor) -> Any:
        return torch.min(*(one(torch.cat([state, action], 1)) for one in of))

    for state, action in batches():
        with torch.no_grad():
            goal = 0.1 + 0.9 * value(targets, state, actor(state))
        judges.zero_grad()
        mse(value(critics, state, action), goal).backward()
        judges.step()
        critics.requires_grad_(False)
        acts.zero_grad()
        (heat.exp().detach() * actor(state).square().mean() - value(critics, state, actor(state)).mean()).backward()
        acts.step()
        critics.requires_grad_(True)
        heats.zero_grad()
        (heat * 0.3).sum().backward()
        heats.step()
        with torch.no_grad():
            for old, new in zip(targets.parameters(), critics.parameters(), strict=True):
                old.lerp_(new, 0.01)


def residual_and_boundary() -> None:
    """Differentiate two losses of a differential equation apart, with Adam first and LBFGS then."""
    torch.manual_seed(0)
    solution = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def residual() -> Any:
        points = torch.linspace(0, 1, 9).reshape(-1, 1).requires_grad_()
        (slope,) = torch.autograd.grad(solution(points).sum(), points, create_graph=True)
        return (slope + points).square().mean()

    def boundary() -> Any:
        return solution(torch.tensor([[0.0], [1.0]])).square().mean()

    first = torch.optim.Adam(solution.parameters(), lr=0.01)
    for _ in range(6):
        first.zero_grad()
        residual().backward()
        (10 * boundary()).backward()
        first.step()
    second = torch.optim.LBFGS(solution.parameters(), max_iter=3, line_search_fn="strong_wolfe")

    def closure() -> Any:
        second.zero_grad()
        loss = residual() + 10 * boundary()
        loss.backward()
        return loss

    for _ in range(4):
        second.step(closure)


def bootstraps_a_momentum_network() -> None:
    """Two views, a predictor with a rate of its own, and a target network that follows after the step."""
    online, predictor = plain(), nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    target = copy.deepcopy(online).requires_grad_(False)
    groups: list[Any] = [{"params": online.parameters()}, {"params": predictor.parameters(), "lr": 0.5}]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9, weight_decay=1e-4)
    for inputs, _ in batches():
        one, other = inputs + 0.1, inputs - 0.1
        loss = mse(predictor(online(one)), target(other)) + mse(predictor(online(other)), target(one))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        torch._foreach_lerp_(list(target.parameters()), [p.detach() for p in online.parameters()], 0.01)


def alternates_two_pairs_of_networks() -> None:
    """Two generators in one optimizer and two critics in another, the critics frozen in turn (a cycle GAN)."""
    torch.manual_seed(0)
    there, back = nn.Linear(3, 3), nn.Linear(3, 3)
    critics = nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 1)])
    makes = torch.optim.Adam(itertools.chain(there.parameters(), back.parameters()), lr=1e-3)
    judges = torch.optim.Adam(critics.parameters(), lr=1e-3)
    for inputs, _ in batches():
        other = inputs.flip(0)
        critics.requires_grad_(False)
        makes.zero_grad()
        fake, real = there(inputs), back(other)
        fooled = critics[0](fake).square().mean() + critics[1](real).square().mean()
        (fooled + 10 * mse(back(fake), inputs) + 10 * mse(there(real), other)).backward()
        makes.step()
        critics.requires_grad_(True)
        judges.zero_grad()
        for critic, true, false in ((critics[0], other, fake), (critics[1], inputs, real)):
            (critic(true).square().mean() + (critic(false.detach()) - 1).square().mean()).backward()
        judges.step()


def clips_before_it_copies_to_master_weights() -> None:
    """Clip the gradients in half precision, then hand them to master copies in single precision."""
    model = plain().bfloat16()
    master = [p.detach().float().requires_grad_() for p in model.parameters()]
    optimizer = torch.optim.SGD(master, lr=0.1)
    for inputs, targets in batches():
        model.zero_grad()
        mse(model(inputs.bfloat16()).float(), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for weight, copied in zip(model.parameters(), master, strict=True):
            assert weight.grad is not None
            copied.grad = weight.grad.float()
        optimizer.step()
        with torch.no_grad():
            for weight, copied in zip(model.parameters(), master, strict=True):
                weight.copy_(copied)


class Wrapper(torch.optim.Optimizer):
    """An optimizer that lets another one step on the same groups."""

    def __init__(self, base: torch.optim.Optimizer) -> None:
        super().__init__(base.param_groups, {})
        self.base = base
        self.param_groups = base.param_groups

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # returns no loss
        """Let the base step."""
        self.base.step()


def schedules_what_a_wrapper_wraps() -> None:
    """Let the scheduler have the optimizer that steps inside another one."""
    model = plain()
    base = sgd(model, momentum=0.9)
    optimizer, scheduler = Wrapper(base), torch.optim.lr_scheduler.ExponentialLR(base, 0.9)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


def weighs_tasks_with_one_graph() -> None:
    """Go back twice through one forward pass, before one step of the model and one of the tasks' weights."""
    torch.manual_seed(0)
    trunk, heads, weights = (
        nn.Linear(3, 4),
        nn.ModuleList([nn.Linear(4, 2), nn.Linear(4, 1)]),
        nn.Parameter(torch.zeros(2)),
    )
    optimizer = torch.optim.NAdam([*trunk.parameters(), *heads.parameters()])
    weighs = torch.optim.SGD([weights], lr=0.01)
    for inputs, targets in batches():
        hidden = torch.tanh(trunk(inputs))
        one = mse(heads[0](hidden), targets) * (-weights[0]).exp() + weights[0]
        two = mse(heads[1](hidden), targets[:, :1]) * (-weights[1]).exp() + weights[1]
        optimizer.zero_grad()
        weighs.zero_grad()
        one.backward(retain_graph=True)
        two.backward()
        optimizer.step()
        weighs.step()


def seeks_a_rate_and_begins_again() -> None:
    """Raise the rate step by step, put the first weights back, and train three folds with an optimizer each."""
    model = plain()
    first = copy.deepcopy(model.state_dict())
    seeks = torch.optim.Adam(model.parameters(), lr=1e-5)
    rises = torch.optim.lr_scheduler.LambdaLR(seeks, lambda index: 1.5**index)
    for inputs, targets in batches(5):
        seeks.zero_grad()
        mse(model(inputs), targets).backward()
        seeks.step()
        rises.step()
    for _ in range(3):
        model.load_state_dict(first)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for inputs, targets in batches(3):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()


TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script)
    for script in (
        soft_actor_critic,
        residual_and_boundary,
        bootstraps_a_momentum_network,
        alternates_two_pairs_of_networks,
        clips_before_it_copies_to_master_weights,
        schedules_what_a_wrapper_wraps,
        weighs_tasks_with_one_graph,
        seeks_a_rate_and_begins_again,
    )
)
