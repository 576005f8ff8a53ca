"""Critics, actors, targets and temperatures that take turns, in the forms that public code has: none is accused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn import functional

from gdprops.errors import UsageError
from gdprops.model.verdict import Status
from tests.cases.phases.checking import mlp, moves, notes_if_held, only_reason, verdicts

TAU, DISCOUNT, ROWS = 0.25, 0.9, 4


class Ddpg(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.critic, self.actor = mlp(3, 1), mlp(2, 1)
        self.critic_target, self.actor_target = mlp(3, 1), mlp(2, 1)


def transitions(index: int) -> Any:
    g = torch.Generator().manual_seed(index)
    states, actions, following, rewards = (torch.randn(ROWS, k, generator=g) for k in (2, 1, 2, 1))
    return (states, actions, following), rewards


def value(critic: Any, states: Tensor, actions: Tensor) -> Tensor:
    return critic(torch.cat([states, actions], 1))  # type: ignore[no-any-return] # modules return Any


def critic_loss(m: Any, x: Any, rewards: Tensor) -> Any:
    states, actions, following = x
    with torch.no_grad():
        goal = rewards + DISCOUNT * value(m.critic_target, following, m.actor_target(following))
    return functional.mse_loss(value(m.critic, states, actions), goal)


def actor_loss(m: Any, x: Any, _: Tensor) -> Any:
    return -value(m.critic, x[0], m.actor(x[0])).mean()


def follow(target: nn.Module, source: nn.Module, tau: float = TAU) -> None:
    for held, p in zip(target.parameters(), source.parameters(), strict=True):
        held.data.copy_(tau * p.data + (1 - tau) * held.data)


def sgd(*modules: nn.Module, lr: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for module in modules for p in module.parameters()], lr=lr, momentum=0.5)


def adam(*modules: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for module in modules for p in module.parameters()], lr=0.01)


DDPG: dict[str, Any] = {
    "models": Ddpg,
    "batches": transitions,
    "phases": [("critic", critic_loss), ("actor", actor_loss)],
    "targets": {"critic_target": ("polyak", "critic", TAU), "actor_target": ("polyak", "actor", TAU)},
}


def pair(m: Any) -> dict[str, torch.optim.Optimizer]:
    return {"critic": adam(m.critic), "actor": sgd(m.actor)}


def test_ddpg_with_targets() -> None:
    def build(m: Any, objectives: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            for optimizer, objective in zip(o.values(), objectives, strict=True):
                moves(optimizer, objective(m, x, rewards))
            follow(m.critic_target, m.critic)
            follow(m.actor_target, m.actor)

        return {"step": step, "optimizer": o}

    told = notes_if_held(build, **DDPG)
    assert "the phase actor reads critic where its phase has left it" in told


def test_targets_that_build_copies_from_their_source() -> None:
    def build(m: Any, objectives: Any) -> Any:
        o = pair(m)
        m.critic_target.load_state_dict(m.critic.state_dict())
        m.actor_target.load_state_dict(m.actor.state_dict())

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            with torch.no_grad():
                for held, p in zip(m.critic_target.parameters(), m.critic.parameters(), strict=True):
                    held.lerp_(p, TAU)
                for held, p in zip(m.actor_target.parameters(), m.actor.parameters(), strict=True):
                    held.add_(TAU * (p - held))

        return step, o

    notes_if_held(build, **DDPG)


def test_td3_delays_actor_and_targets_and_draws_smoothing_noise() -> None:
    class Td3(Ddpg):
        def __init__(self) -> None:
            super().__init__()
            self.second, self.second_target = mlp(3, 1), mlp(3, 1)

    def critics(m: Any, x: Any, rewards: Tensor) -> Any:
        states, actions, following = x
        with torch.no_grad():
            noise = (torch.randn_like(actions) * 0.2).clamp(-0.5, 0.5)
            chosen = (m.actor_target(following) + noise).clamp(-1, 1)
            least = torch.min(*(value(q, following, chosen) for q in (m.critic_target, m.second_target)))
            goal = rewards + DISCOUNT * least
        return sum(functional.mse_loss(value(q, states, actions), goal) for q in (m.critic, m.second))

    def build(m: Any, _: Any) -> Any:
        o, calls = {"critic": adam(m.critic, m.second), "actor": adam(m.actor)}, 0

        def step(x: Any, rewards: Tensor) -> None:
            nonlocal calls
            calls += 1
            moves(o["critic"], critics(m, x, rewards))
            if calls % 2 == 0:
                moves(o["actor"], actor_loss(m, x, rewards))
                for name in ("critic", "second", "actor"):
                    follow(getattr(m, f"{name}_target"), getattr(m, name))

        return step, o

    targets = {f"{name}_target": ("polyak", name, TAU) for name in ("critic", "second", "actor")}
    told = notes_if_held(
        build, **{**DDPG, "models": Td3, "phases": [("critic", critics), ("actor", actor_loss)], "targets": targets}
    )
    assert {"calls of the step skip the phase actor", "second_target rests where a phase is skipped"} <= set(told)
    every = {name: (*follows, 2) for name, follows in targets.items()}
    notes_if_held(
        build, **{**DDPG, "models": Td3, "phases": [("critic", critics), ("actor", actor_loss)], "targets": every}
    )


class Sac(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.critic, self.critic_target, self.actor = mlp(3, 1), mlp(3, 1), mlp(2, 2)
        self.log_alpha = nn.Parameter(torch.zeros(1))


def drawn(m: Any, states: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_std = m.actor(states).chunk(2, 1)
    chosen: Any = Normal(mean, log_std.clamp(-5, 2).exp())
    raw = chosen.rsample()
    return torch.tanh(raw), (chosen.log_prob(raw) - torch.log(1 - torch.tanh(raw) ** 2 + 1e-6)).sum(1, keepdim=True)


def soft_critic(m: Any, x: Any, rewards: Tensor) -> Any:
    states, actions, following = x
    with torch.no_grad():
        chosen, log_prob = drawn(m, following)
        goal = rewards + DISCOUNT * (value(m.critic_target, following, chosen) - m.log_alpha.exp() * log_prob)
    return functional.mse_loss(value(m.critic, states, actions), goal)


def soft_actor(m: Any, x: Any, _: Tensor) -> Any:
    chosen, log_prob = drawn(m, x[0])
    return (m.log_alpha.exp().detach() * log_prob - value(m.critic, x[0], chosen)).mean()


def temperature(m: Any, x: Any, _: Tensor) -> Any:
    _, log_prob = drawn(m, x[0])
    return -(m.log_alpha * (log_prob + 0.5).detach()).mean()


SAC: dict[str, Any] = {
    "models": Sac,
    "batches": transitions,
    "phases": [("critic", soft_critic), ("actor", soft_actor), ("alpha", temperature)],
    "targets": {"critic_target": ("polyak", "critic", TAU)},
}


def sac_optimizers(m: Any) -> dict[str, torch.optim.Optimizer]:
    alpha = torch.optim.Adam([m.log_alpha], lr=0.05)
    return {"critic": adam(m.critic), "actor": adam(m.actor), "alpha": alpha}


def test_sac_whose_temperature_reads_what_the_actor_drew_before_it_moved() -> None:
    def build(m: Any, _: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], soft_critic(m, x, rewards))
            chosen, log_prob = drawn(m, x[0])
            moves(o["actor"], (m.log_alpha.exp().detach() * log_prob - value(m.critic, x[0], chosen)).mean())
            moves(o["alpha"], -(m.log_alpha * (log_prob + 0.5).detach()).mean())
            follow(m.critic_target, m.critic)

        return step, o

    assert "the phase alpha reads actor as the step found it" in notes_if_held(build, **SAC)


def test_sac_that_draws_anew_in_every_phase() -> None:
    def build(m: Any, objectives: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            for optimizer, objective in zip(o.values(), objectives, strict=True):
                moves(optimizer, objective(m, x, rewards))
            follow(m.critic_target, m.critic)

        return step, o

    assert "the phase alpha reads actor where its phase has left it" in notes_if_held(build, **SAC)


def test_a_temperature_that_is_made_in_build_is_refused_in_one_line() -> None:
    def build(m: Any, _: Any) -> Any:
        log_alpha = torch.zeros(1, requires_grad=True)
        o = {**sac_optimizers(m), "alpha": torch.optim.Adam([log_alpha], lr=0.05)}
        return (lambda x, rewards: None), o

    with pytest.raises(UsageError) as refused:
        verdicts(build, **SAC)
    assert str(refused.value) == (
        "mine: the optimizer 'alpha' holds a parameter that is not in the model, such as a temperature made in build; "
        "put it into models="
    )


class Shared(nn.Module):
    """An encoder under a critic and an actor."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.critic, self.actor = nn.Linear(2, 3), nn.Linear(4, 1), nn.Linear(3, 1)


def shared_critic(m: Any, x: Any, rewards: Tensor) -> Any:
    return functional.mse_loss(m.critic(torch.cat([torch.tanh(m.encoder(x[0])), x[1]], 1)), rewards)


def shared_actor(m: Any, x: Any, _: Tensor) -> Any:
    seen = torch.tanh(m.encoder(x[0]))
    return -m.critic(torch.cat([seen, m.actor(seen)], 1)).mean()


def detached_actor(m: Any, x: Any, _: Tensor) -> Any:
    seen = torch.tanh(m.encoder(x[0])).detach()
    return -m.critic(torch.cat([seen, m.actor(seen)], 1)).mean()


def test_an_encoder_that_two_optimizers_hold() -> None:
    def build(m: Any, _: Any) -> Any:
        o = {"critic": sgd(m.encoder, m.critic), "actor": sgd(m.encoder, m.actor)}

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], shared_critic(m, x, rewards))
            moves(o["actor"], shared_actor(m, x, rewards))

        return step, o

    told = notes_if_held(
        build, models=Shared, batches=transitions, phases=[("critic", shared_critic), ("actor", shared_actor)]
    )
    assert "encoder.weight and others are held by critic and by actor" in told


def test_an_encoder_that_only_the_critic_trains() -> None:
    def build(m: Any, _: Any) -> Any:
        o = {"critic": sgd(m.encoder, m.critic), "actor": sgd(m.actor)}

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], shared_critic(m, x, rewards))
            moves(o["actor"], detached_actor(m, x, rewards))

        return step, o

    notes_if_held(
        build, models=Shared, batches=transitions, phases=[("critic", shared_critic), ("actor", detached_actor)]
    )


def test_gradients_that_are_left_and_cleared_all_at_once() -> None:
    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            critic_loss(m, x, rewards).backward()
            o["critic"].step()
            m.zero_grad(set_to_none=False)
            actor_loss(m, x, rewards).backward()
            o["actor"].step()
            m.zero_grad(set_to_none=False)
            follow(m.critic_target, m.critic)
            follow(m.actor_target, m.actor)

        return step, o

    notes_if_held(build, **DDPG)


def test_gradients_are_clipped_in_one_phase_only() -> None:
    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            o["critic"].zero_grad()
            critic_loss(m, x, rewards).backward()
            nn.utils.clip_grad_norm_(m.critic.parameters(), 0.1)
            o["critic"].step()
            moves(o["actor"], actor_loss(m, x, rewards))

        return step, o

    notes_if_held(build, **{**DDPG, "targets": None}, clip_norm={"critic": 0.1})


def test_values_and_policy_of_one_forward_pass() -> None:
    """Both graphs are made before either optimizer steps; the advantages are those of the critic as it was."""

    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.critic, self.actor = mlp(2, 1), mlp(2, 3)

    def critic(m: Any, x: Any, returns: Tensor) -> Any:
        return functional.mse_loss(m.critic(x[0]), returns)

    def actor(m: Any, x: Any, returns: Tensor) -> Any:
        advantages = (returns - m.critic(x[0])).detach().flatten()
        policy: Any = Categorical(logits=m.actor(x[0]))
        return -(policy.log_prob((x[1] > 0).long().flatten()) * advantages).mean()

    def build(m: Any, _: Any) -> Any:
        o = {"critic": adam(m.critic), "actor": adam(m.actor)}

        def step(x: Any, returns: Tensor) -> None:
            losses = critic(m, x, returns), actor(m, x, returns)
            for optimizer, loss in zip(o.values(), losses, strict=True):
                moves(optimizer, loss)

        return step, o

    told = notes_if_held(build, models=Policy, batches=transitions, phases=[("critic", critic), ("actor", actor)])
    assert "the phase actor reads critic as the step found it" in told


def test_redq_moves_its_target_after_each_of_several_steps() -> None:
    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            for _ in range(3):
                moves(o["critic"], critic_loss(m, x, rewards))
                follow(m.critic_target, m.critic)
            moves(o["actor"], actor_loss(m, x, rewards))

        return step, o

    declared = {**DDPG, "phases": [("critic", critic_loss, 3), ("actor", actor_loss)]}
    told = notes_if_held(build, **{**declared, "targets": {"critic_target": ("polyak", "critic", TAU)}})
    assert "critic_target moves after each of 3 steps in a call" in told


def test_dqn_copies_its_target_now_and_then() -> None:
    class Dqn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.target = mlp(2, 3), mlp(2, 3)

    def loss(m: Any, x: Any, rewards: Tensor) -> Any:
        with torch.no_grad():
            goal = rewards + DISCOUNT * m.target(x[2]).max(1, keepdim=True).values
        chosen = (x[1] > 0).long()
        return functional.smooth_l1_loss(m.net(x[0]).gather(1, chosen), goal)

    def copying(every: int) -> Any:
        def build(m: Any, _: Any) -> Any:
            optimizer, calls = adam(m.net), 0

            def step(x: Any, rewards: Tensor) -> None:
                nonlocal calls
                moves(optimizer, loss(m, x, rewards))
                calls += 1
                if calls % every == 0:
                    m.target.load_state_dict(m.net.state_dict())

            return step, optimizer

        return build

    declared: dict[str, Any] = {"models": Dqn, "batches": transitions, "phases": [("net", loss)]}
    notes_if_held(copying(2), **declared, targets={"target": ("copy", "net", 2)})
    said = only_reason(copying(1000), Status.VACUOUS, **declared, targets={"target": ("copy", "net", 1000)})
    assert "of the step; check it with a smaller number" in said
    said = only_reason(copying(2), **declared, targets={"target": ("copy", "net", 3)})
    assert said == "target moves at calls 2 and 4; targets={'target': ('copy', 'net', 3)}"
