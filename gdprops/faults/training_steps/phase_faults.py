"""Steps in which several optimizers take turns and that are wrong, and right ones beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.fault import Fault, Twin
from gdprops.faults.training_steps.actor_critic import (
    TAU,
    ActorCritic,
    Gan,
    actor_loss,
    clamp,
    critic_loss,
    follow,
    fooling,
    points,
    sgd,
    transitions,
    wasserstein,
)
from gdprops.faults.training_steps.named_steps import correct_step, faulty_step

Step = Callable[[Any, Tensor], None]
Built = tuple[Step, dict[str, torch.optim.Optimizer]]
ACTS = [("critic", critic_loss), ("actor", actor_loss)]
FOLLOWS = {"critic_target": ("polyak", "critic", TAU), "other_target": ("polyak", "other", TAU)}
PLAYS = [("critic", wasserstein, 2), ("generator", fooling)]


def _acts(build: Callable[..., Built], summary: str = "", source: str = "", **declared: Any) -> Any:
    given: dict[str, Any] = {"models": ActorCritic, "batches": transitions, "phases": ACTS, "targets": FOLLOWS}
    given |= declared
    return faulty_step(build, summary, source=source, **given) if summary else correct_step(build, **given)


def _plays(build: Callable[..., Built], summary: str = "", source: str = "", **declared: Any) -> Any:
    given: dict[str, Any] = {"models": Gan, "batches": points, "phases": PLAYS, "after": {"critic": clamp}} | declared
    return faulty_step(build, summary, source=source, **given) if summary else correct_step(build, **given)


def _both(model: Any) -> dict[str, torch.optim.Optimizer]:
    return {"critic": sgd(model.critic, model.other), "actor": sgd(model.actor)}


def acts_and_follows(model: Any, objectives: Any) -> Built:
    """The critics step, then the actor, then both targets follow."""
    optimizers = _both(model)

    def step(inputs: Any, rewards: Tensor) -> None:
        for optimizer, loss in zip(optimizers.values(), objectives, strict=True):
            optimizer.zero_grad()
            loss(model, inputs, rewards).backward()
            optimizer.step()
        follow(model.critic_target, model.critic)
        follow(model.other_target, model.other)

    return step, optimizers


def delays_its_actor(model: Any, objectives: Any) -> Built:
    """As TD3: actor and targets move at every second call."""
    optimizers, taken = _both(model), 0

    def step(inputs: Any, rewards: Tensor) -> None:
        nonlocal taken
        taken += 1
        optimizers["critic"].zero_grad()
        critic_loss(model, inputs, rewards).backward()
        optimizers["critic"].step()
        if taken % 2 == 0:
            optimizers["actor"].zero_grad()
            actor_loss(model, inputs, rewards).backward()
            optimizers["actor"].step()
            follow(model.critic_target, model.critic)
            follow(model.other_target, model.other)

    return step, optimizers


def leaves_the_actors_gradient_on_the_critic(model: Any, objectives: Any) -> Built:
    """Only the actor's gradients are cleared: what its backward leaves on the critic is applied in the next call."""
    optimizers = _both(model)

    def step(inputs: Any, rewards: Tensor) -> None:
        critic_loss(model, inputs, rewards).backward()
        optimizers["critic"].step()
        optimizers["critic"].zero_grad()
        optimizers["actor"].zero_grad()
        actor_loss(model, inputs, rewards).backward()
        optimizers["actor"].step()
        follow(model.critic_target, model.critic)
        follow(model.other_target, model.other)

    return step, optimizers


def exchanges_tau(model: Any, objectives: Any) -> Built:
    """The first target keeps tau of itself."""
    optimizers = _both(model)
    first, second = ("critic_target", "critic", 1 - TAU), ("other_target", "other", TAU)
    return _moving(model, optimizers, first, second), optimizers


def follows_the_other_critic(model: Any, objectives: Any) -> Built:
    """Both targets follow the first critic."""
    optimizers = _both(model)
    first, second = ("critic_target", "critic", TAU), ("other_target", "critic", TAU)
    return _moving(model, optimizers, first, second), optimizers


def updates_the_target_twice(model: Any, objectives: Any) -> Built:
    """The targets follow once after the critic's step, and once more at the end."""
    optimizers = _both(model)
    first, second = ("critic_target", "critic", TAU), ("other_target", "other", TAU)
    return _moving(model, optimizers, first, second, first, second), optimizers


def _moving(model: Any, optimizers: Any, *moves: tuple[str, str, float]) -> Step:
    def step(inputs: Any, rewards: Tensor) -> None:
        optimizers["critic"].zero_grad()
        critic_loss(model, inputs, rewards).backward()
        optimizers["critic"].step()
        if len(moves) > 2:
            for name, source, tau in moves[:2]:
                follow(getattr(model, name), getattr(model, source), tau)
        optimizers["actor"].zero_grad()
        actor_loss(model, inputs, rewards).backward()
        optimizers["actor"].step()
        for name, source, tau in moves[-2:]:
            follow(getattr(model, name), getattr(model, source), tau)

    return step


def swaps_the_phases(model: Any, objectives: Any) -> Built:
    """The actor steps before the critic."""
    optimizers = _both(model)

    def step(inputs: Any, rewards: Tensor) -> None:
        for name, loss in (("actor", actor_loss), ("critic", critic_loss)):
            optimizers[name].zero_grad()
            loss(model, inputs, rewards).backward()
            optimizers[name].step()

    return step, optimizers


def _players(model: Any) -> dict[str, torch.optim.Optimizer]:
    return {"critic": sgd(model.critic), "generator": sgd(model.generator)}


def _playing(model: Any, optimizers: Any, *, clips: bool = True, clears: bool = True) -> Step:
    def step(real: Tensor, nothing: Tensor) -> None:
        for _ in range(2):
            optimizers["critic"].zero_grad()
            wasserstein(model, real, nothing).backward()
            optimizers["critic"].step()
            if clips:
                clamp(model)
        if clears:
            optimizers["generator"].zero_grad()
        fooling(model, real, nothing).backward()
        optimizers["generator"].step()

    return step


def plays_with_a_clipped_critic(model: Any, objectives: Any) -> Built:
    """As the Wasserstein GAN: two steps of the critic, whose weights are clipped, and one of the generator."""
    optimizers = _players(model)
    step = _playing(model, optimizers)
    return step, optimizers


def clips_weights_undeclared(model: Any, objectives: Any) -> Built:
    """The critic's weights are clipped after its steps, which is declared nowhere."""
    optimizers = _players(model)
    step = _playing(model, optimizers)
    return step, optimizers


def never_clears_the_generator(model: Any, objectives: Any) -> Built:
    """The generator's gradients of all calls add up."""
    optimizers = _players(model)
    step = _playing(model, optimizers, clears=False)
    return step, optimizers


def forgets_to_clip_the_critic(model: Any, objectives: Any) -> Built:
    """The critic's weights are not clipped, though that is declared."""
    optimizers = _players(model)
    step = _playing(model, optimizers, clips=False)
    return step, optimizers


FAULTS: tuple[Fault, ...] = (
    _acts(
        leaves_the_actors_gradient_on_the_critic,
        "The gradient that the actor's backward leaves on the critic is applied in the next call.",
        "Lightning-AI/pytorch-lightning#557, Toni-SM/skrl#425",
    ),
    _acts(swaps_the_phases, "The phases are taken in another order than declared.", targets=None),
    _plays(never_clears_the_generator, "The generator's gradients of all calls add up."),
    _plays(clips_weights_undeclared, "Weights are clipped after a step, and nothing declares it.", after=None),
    _plays(forgets_to_clip_the_critic, "Weights that are declared to be clipped are not."),
    _acts(exchanges_tau, "A target keeps a share tau of itself and takes 1 - tau of its source."),
    _acts(follows_the_other_critic, "The second critic's target follows the first critic."),
    _acts(updates_the_target_twice, "Targets follow twice in a call."),
)
TWINS: tuple[Twin, ...] = (
    _acts(acts_and_follows),
    _acts(delays_its_actor),
    _plays(plays_with_a_clipped_critic),
)
