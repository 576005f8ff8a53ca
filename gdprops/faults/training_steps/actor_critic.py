"""The small models, objectives and batches of steps with several phases: an actor-critic with targets, and a GAN."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

DISCOUNT, TAU, LIMIT, RATE = 0.9, 0.125, 0.25, 0.125


def _net(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 3), nn.Tanh(), nn.Linear(3, outputs))


class ActorCritic(nn.Module):
    """Two critics of a state and an action, each with a slow copy, and an actor."""

    def __init__(self) -> None:
        super().__init__()
        self.critic, self.other, self.actor = _net(3, 1), _net(3, 1), _net(2, 1)
        self.critic_target = _net(3, 1).requires_grad_(False)
        self.other_target = _net(3, 1).requires_grad_(False)


class Gan(nn.Module):
    """A critic of points in the plane, and a generator that makes such points of noise."""

    def __init__(self) -> None:
        super().__init__()
        self.critic, self.generator = _net(2, 1), _net(2, 2)


def transitions(index: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Return states, actions and the states after them, and the rewards."""
    g = torch.Generator().manual_seed(index)
    states, actions, following, rewards = (torch.randn(5, k, generator=g) for k in (2, 1, 2, 1))
    return (states, actions, following), rewards


def points(index: int) -> tuple[Tensor, Tensor]:
    """Return points, and nothing beside them."""
    return torch.randn(5, 2, generator=torch.Generator().manual_seed(index)), torch.zeros(5)


def valued(critic: nn.Module, states: Tensor, actions: Tensor) -> Tensor:
    """Return a critic's values of states and actions."""
    values: Tensor = critic(torch.cat([states, actions], 1))
    return values


def critic_loss(model: Any, inputs: Any, rewards: Tensor) -> Any:
    """Return the squared temporal differences of both critics, towards the smaller one of the targets."""
    states, actions, following = inputs
    with torch.no_grad():
        chosen = model.actor(following)
        least = torch.min(valued(model.critic_target, following, chosen), valued(model.other_target, following, chosen))
        goal = rewards + DISCOUNT * least
    errors = (valued(critic, states, actions) - goal for critic in (model.critic, model.other))
    return sum((error**2).mean() for error in errors)


def actor_loss(model: Any, inputs: Any, rewards: Tensor) -> Any:
    """Return the negative value of the actor's own actions."""
    return -valued(model.critic, inputs[0], model.actor(inputs[0])).mean()


def wasserstein(model: Any, real: Tensor, _: Tensor) -> Any:
    """Return what the critic lowers: its values of made points less those of real ones."""
    made = model.generator(torch.randn_like(real)).detach()
    return model.critic(made).mean() - model.critic(real).mean()


def fooling(model: Any, real: Tensor, _: Tensor) -> Any:
    """Return what the generator lowers."""
    return -model.critic(model.generator(torch.randn_like(real))).mean()


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, tau: float = TAU) -> None:
    """Move a target a share of the way to its source."""
    for held, p in zip(target.parameters(), source.parameters(), strict=True):
        held.mul_(1 - tau).add_(tau * p)


@torch.no_grad()
def clamp(model: Any) -> None:
    """Clip the critic's weights."""
    for p in model.critic.parameters():
        p.clamp_(-LIMIT, LIMIT)


def sgd(*modules: nn.Module) -> torch.optim.Optimizer:
    """Return descent with momentum on some modules."""
    return torch.optim.SGD([p for module in modules for p in module.parameters()], lr=RATE, momentum=0.5)
