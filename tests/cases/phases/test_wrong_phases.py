"""Public bugs of steps with several optimizers, created again: each is caught, and named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.cases.phases.checking import moves, only_reason
from tests.cases.phases.test_actor_critics import (
    DDPG,
    SAC,
    TAU,
    Shared,
    actor_loss,
    critic_loss,
    drawn,
    follow,
    pair,
    sac_optimizers,
    sgd,
    shared_actor,
    shared_critic,
    soft_actor,
    soft_critic,
    temperature,
    transitions,
    value,
)
from tests.cases.phases.test_gans import DCGAN, OWN, WGAN, adams, clamp, fools, generator_loss, judged, noise, two_sided
from tests.cases.phases.test_gans import critic_loss as critic_of_wgan

HERE = "tests/cases/phases/test_wrong_phases.py"
WITHOUT_TARGETS = {**DDPG, "targets": None}


def line_of(text: str) -> str:
    """Return the place of a line of this file that a comment marks."""
    (number,) = (n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(f"# {text}"))
    return f"{HERE}:{number}"


def test_the_actors_gradient_stays_on_the_critic() -> None:
    """Lightning-AI/pytorch-lightning#557, Toni-SM/skrl#425."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            o["actor"].zero_grad()
            critic_loss(m, x, rewards).backward()
            o["critic"].step()  # the critic steps
            o["critic"].zero_grad()
            actor_loss(m, x, rewards).backward()  # the actor looks
            o["actor"].step()

        return step, o

    said = only_reason(build, **WITHOUT_TARGETS)
    steps, left = line_of("the critic steps"), line_of("the actor looks")
    assert said == (
        f"critic ({steps}) applies, beside its own gradient, what actor's backward ({left}) has left in the call "
        "before: nothing has cleared it"
    )


def test_the_generator_is_moved_by_the_critics_loss_too() -> None:
    """A made sample is not detached, and the generator's gradients are cleared too early."""

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            m.zero_grad()
            made = m.generator(noise())
            (judged(m, x, true=True) + judged(m, made, true=False)).backward(retain_graph=True)  # with the graph
            o["critic"].step()
            judged(m, m.generator(noise()), true=True).backward()
            o["generator"].step()

        return step, o

    said = only_reason(build, **DCGAN)
    assert "applies, beside its own gradient, what critic's backward (" in said
    assert line_of("with the graph") in said


def test_both_critics_share_one_gradient() -> None:
    """REDQ#3: the loss of one critic is stepped on by the other's optimizer."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            m.zero_grad()
            critic_loss(m, x, rewards).backward()
            actor_loss(m, x, rewards).backward()
            o["critic"].step()
            o["actor"].step()

        return step, o

    said = only_reason(build, **WITHOUT_TARGETS)
    assert "the optimizers step in this order: critic" in said
    assert said.endswith("; declared: critic, actor")


def test_the_actor_climbs_where_it_should_descend() -> None:
    """A sign is lost: the actor lowers the critic's value."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], value(m.critic, x[0], m.actor(x[0])).mean())

        return step, o

    said = only_reason(build, **WITHOUT_TARGETS)
    assert said.endswith(" climbs: its gradient has the opposite sign"), said


def test_the_goal_is_not_detached() -> None:
    """The targets' share of the loss is differentiated: it reaches the critic through one network for both."""

    def goal(m: Any, x: Any, rewards: Tensor, *, detached: bool) -> Any:
        wanted = rewards + 0.9 * value(m.critic, x[2], m.actor(x[2]))
        return ((value(m.critic, x[0], x[1]) - (wanted.detach() if detached else wanted)) ** 2).mean()

    def right(m: Any, x: Any, rewards: Tensor) -> Any:
        return goal(m, x, rewards, detached=True)

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], goal(m, x, rewards, detached=False))
            moves(o["actor"], actor_loss(m, x, rewards))

        return step, o

    said = only_reason(build, **{**WITHOUT_TARGETS, "phases": [("critic", right), ("actor", actor_loss)]})
    assert said.startswith("critic (")
    assert said.endswith("steps by another gradient than that of its objective")


def test_the_temperature_trains_the_actor() -> None:
    """The log probability is not detached, and the actor steps after the temperature's backward."""

    def build(m: Any, _: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], soft_critic(m, x, rewards))
            m.zero_grad()
            chosen, log_prob = drawn(m, x[0])
            (-m.log_alpha * (log_prob + 0.5)).mean().backward(retain_graph=True)  # not detached
            (m.log_alpha.exp().detach() * log_prob - value(m.critic, x[0], chosen)).mean().backward()
            o["actor"].step()
            o["alpha"].step()
            follow(m.critic_target, m.critic)

        return step, o

    said = only_reason(build, **SAC)
    assert said.startswith("actor (")
    assert f"applies, beside its own gradient, what actor's backward ({line_of('not detached')}) has left" in said


def test_the_actor_loss_of_sac_forgets_the_entropy() -> None:
    def build(m: Any, _: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], soft_critic(m, x, rewards))
            moves(o["actor"], -value(m.critic, x[0], drawn(m, x[0])[0]).mean())
            moves(o["alpha"], temperature(m, x, rewards))
            follow(m.critic_target, m.critic)

        return step, o

    said = only_reason(build, **SAC)
    assert said.startswith("actor (")
    assert said.endswith("steps by another gradient than that of its objective")


def test_five_steps_by_one_look() -> None:
    """The critic looks once, and steps five times."""

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            o["critic"].zero_grad()
            critic_of_wgan(m, x, y).backward()
            for _ in range(5):
                o["critic"].step()
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    said = only_reason(build, **WGAN)
    assert ", step 2 of 5 looks where the call began, before its own earlier steps in it moved anything" in said


def test_the_critics_gradients_add_up_over_its_five_steps() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            o["critic"].zero_grad()
            for _ in range(5):
                critic_of_wgan(m, x, y).backward()  # adds up
                o["critic"].step()
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    said = only_reason(build, **WGAN)
    assert (
        f", step 2 of 5 applies, beside its own gradient, what critic's backward ({line_of('adds up')}) has left"
        in said
    )


def test_fewer_critic_steps_than_declared() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            for _ in range(4):
                moves(o["critic"], critic_of_wgan(m, x, y))
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    said = only_reason(build, **WGAN)
    assert said.startswith("in call 1 the optimizers step in this order: critic (")
    assert said.endswith("; declared: critic 5 times, generator")


def test_weights_are_clipped_where_gradients_are_meant() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["critic"], two_sided(m, x, y))
            for p in m.generator.parameters():
                p.data.clamp_(-0.1, 0.1)  # of the wrong network
            moves(o["generator"], fools(m, x, y))

        return step, o

    said = only_reason(build, **DCGAN)
    assert "moved after critic's step (" in said
    assert f"by {line_of('of the wrong network')}; what belongs to a step of generator is declared with after=" in said


def test_clipping_that_misses_a_layer() -> None:
    def first_layer_only(m: Any) -> None:
        for p in m.critic[0].parameters():
            p.data.clamp_(-0.3, 0.3)

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            for _ in range(2):
                moves(o["critic"], critic_of_wgan(m, x, y))
                first_layer_only(m)
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    phases = [("critic", critic_of_wgan, 2), ("generator", generator_loss)]
    said = only_reason(build, **OWN, phases=phases, after={"critic": clamp})
    assert said.startswith("what after= declares for critic is not applied")


def test_the_encoder_is_trained_by_the_actor_although_its_features_should_be_detached() -> None:
    """DrQ and CURL detach the encoder for the actor; here its gradient is applied by the critic's optimizer."""

    def build(m: Any, _: Any) -> Any:
        o = {"critic": sgd(m.encoder, m.critic), "actor": sgd(m.actor)}

        def step(x: Any, rewards: Tensor) -> None:
            shared_critic(m, x, rewards).backward()
            o["critic"].step()
            for name in ("critic", "actor"):
                o[name].zero_grad()
            shared_actor(m, x, rewards).backward()  # through the encoder
            o["actor"].step()

        return step, o

    phases = [("critic", shared_critic), ("actor", shared_actor)]
    said = only_reason(build, models=Shared, batches=transitions, phases=phases)
    assert f"what actor's backward ({line_of('through the encoder')}) has left in the call before" in said


def test_one_phase_looks_where_the_other_has_moved_although_all_are_declared_together() -> None:
    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))

        return step, o

    said = only_reason(build, **WITHOUT_TARGETS, together=True)
    assert said.startswith("actor (")
    assert said.endswith("looks where the other phases have moved already (together=True)")


def test_the_target_follows_only_the_biases() -> None:
    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            follow(m.actor_target, m.actor)
            with torch.no_grad():
                for held, p in zip(m.critic_target.parameters(), m.critic.parameters(), strict=True):
                    if p.dim() == 1:
                        held.lerp_(p, TAU)  # biases

        return step, o

    said = only_reason(build, **DDPG)
    assert said == f"critic_target ({line_of('biases')}) is not ('polyak', 'critic', 0.25) of it"


def test_the_target_moves_away_from_its_source() -> None:
    """huggingface/diffusers#1864, ostris/ai-toolkit#1034: a sign is flipped."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            follow(m.actor_target, m.actor)
            with torch.no_grad():
                for held, p in zip(m.critic_target.parameters(), m.critic.parameters(), strict=True):
                    held.add_(TAU * (held - p))

        return step, o

    assert only_reason(build, **DDPG).endswith("moves away from critic: the sign is flipped")


def test_the_target_is_the_network_itself() -> None:
    """Without a copy the target is trained like the critic: the parameters are one and the same."""

    def build(m: Any, _: Any) -> Any:
        o = {"critic": sgd(m.critic, m.critic_target), "actor": sgd(m.actor)}

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            follow(m.critic_target, m.critic)
            follow(m.actor_target, m.actor)

        return step, o

    assert only_reason(build, **DDPG) == "critic_target is a target, and held by the optimizer critic"


def test_soft_actor_steps_are_seen_by_the_right_name() -> None:
    """The optimizers are exchanged: the actor's optimizer gets the critic's loss."""

    def build(m: Any, _: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            m.zero_grad()
            soft_actor(m, x, rewards).backward()
            soft_critic(m, x, rewards).backward()
            o["critic"].step()
            o["actor"].step()
            moves(o["alpha"], temperature(m, x, rewards))
            follow(m.critic_target, m.critic)

        return step, o

    said = only_reason(build, **SAC)
    assert said.startswith("critic (")
    assert "applies, beside its own gradient, what critic's backward (" in said
