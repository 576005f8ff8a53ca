"""Further public reports about several optimizers and their targets, created again: each is caught, and named."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.cases.phases.checking import mlp, moves, notes_if_held, only_reason
from tests.cases.phases.test_actor_critics import (
    DDPG,
    SAC,
    TAU,
    actor_loss,
    adam,
    critic_loss,
    follow,
    pair,
    sac_optimizers,
    sgd,
    soft_actor,
    soft_critic,
    temperature,
    transitions,
    value,
)
from tests.cases.phases.test_gans import DCGAN, OWN, adams, fools, judged, noise, two_sided

LOSSES: dict[str, Any] = {**DDPG, "targets": None}


def test_the_discriminator_is_never_cleared() -> None:
    """Adversarial-Deep-Learning/code-soup#69."""

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            two_sided(m, x, y).backward()
            o["critic"].step()
            moves(o["generator"], fools(m, x, y))

        return step, o

    said = only_reason(build, **DCGAN)
    assert "critic (" in said
    assert "have left in the call before: nothing has cleared it" in said


def test_the_generators_loss_is_applied_to_the_discriminator() -> None:
    """FoundationVision/OmniTokenizer#15: the generator goes first, and what it leaves is not cleared."""

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            o["generator"].zero_grad()
            fools(m, x, y).backward()
            o["generator"].step()
            two_sided(m, x, y).backward()
            o["critic"].step()
            o["critic"].zero_grad()

        return step, o

    said = only_reason(build, **OWN, phases=[("generator", fools), ("critic", two_sided)])
    assert said.startswith("critic (")
    assert "applies, beside its own gradient, what generator's backward (" in said


class Students(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.teacher, self.student, self.generator = mlp(2, 1), mlp(2, 1), mlp(2, 2)


def test_one_of_three_optimizers_is_never_cleared() -> None:
    """opendp/smartnoise-sdk#280: the student's optimizer has no zero_grad."""

    def teacher(m: Any, x: Tensor, _: Any) -> Any:
        return ((m.teacher(x) - 1) ** 2).mean()

    def student(m: Any, x: Tensor, _: Any) -> Any:
        return ((m.student(x) - m.teacher(x).detach()) ** 2).mean()

    def build(m: Any, objectives: Any) -> Any:
        o = {"teacher": adam(m.teacher), "student": adam(m.student)}

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["teacher"], teacher(m, x, y))
            student(m, x, y).backward()
            o["student"].step()

        return step, o

    phases = [("teacher", teacher), ("student", student)]
    said = only_reason(build, models=Students, batches=OWN["batches"], phases=phases)
    assert said.startswith("student (")
    assert "what student's backward (" in said


def test_both_losses_are_differentiated_at_once() -> None:
    """JoshuaWu1997/PyTorch-DDPG-Stock-Trading#2: one backward of the sum moves critic and actor."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            m.zero_grad()
            (critic_loss(m, x, rewards) + actor_loss(m, x, rewards)).backward()
            o["critic"].step()
            o["actor"].step()

        return step, o

    said = only_reason(build, **LOSSES)
    assert said.endswith("steps by the gradient of its objective and that of actor together")


def test_the_critics_loss_reaches_the_actor() -> None:
    """pytorch/rl#1187: the goal is not detached, and the actor's gradients are cleared before the critic looks."""

    def leaky(m: Any, x: Any, rewards: Tensor) -> Any:
        goal = rewards + 0.9 * value(m.critic_target, x[2], m.actor(x[2]))
        return ((value(m.critic, x[0], x[1]) - goal) ** 2).mean()

    def detached(m: Any, x: Any, rewards: Tensor) -> Any:
        with torch.no_grad():
            goal = rewards + 0.9 * value(m.critic_target, x[2], m.actor(x[2]))
        return ((value(m.critic, x[0], x[1]) - goal) ** 2).mean()

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            m.zero_grad()
            leaky(m, x, rewards).backward()
            o["critic"].step()
            actor_loss(m, x, rewards).backward()
            o["actor"].step()

        return step, o

    said = only_reason(build, **{**LOSSES, "phases": [("critic", detached), ("actor", actor_loss)]})
    assert said.startswith("actor (")
    assert "applies, beside its own gradient, what critic's backward (" in said


def test_the_actor_reads_one_critic_and_not_the_smaller_one() -> None:
    """BY571/Soft-Actor-Critic-and-Extensions#2."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.critic, self.second, self.actor = mlp(3, 1), mlp(3, 1), mlp(2, 1)

    def critics(m: Any, x: Any, rewards: Tensor) -> Any:
        return sum(((value(q, x[0], x[1]) - rewards) ** 2).mean() for q in (m.critic, m.second))

    def least(m: Any, x: Any, _: Tensor) -> Any:
        chosen = m.actor(x[0])
        return -torch.min(value(m.critic, x[0], chosen), value(m.second, x[0], chosen)).mean()

    def build(m: Any, _: Any) -> Any:
        o = {"critic": sgd(m.critic, m.second), "actor": sgd(m.actor)}

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critics(m, x, rewards))
            moves(o["actor"], -value(m.critic, x[0], m.actor(x[0])).mean())

        return step, o

    phases = [("critic", critics), ("actor", least)]
    said = only_reason(build, models=Two, batches=transitions, phases=phases, examples=6)
    assert said.endswith("steps by another gradient than that of its objective")


def test_the_policy_is_updated_by_the_sum_and_not_the_mean() -> None:
    """IntelLabs/coach#344: four rows, four times the gradient."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], -value(m.critic, x[0], m.actor(x[0])).sum())

        return step, o

    assert only_reason(build, **LOSSES).endswith("steps by 4 times the gradient of its objective")


def test_the_batch_size_is_divided_by_twice() -> None:
    """floodsung/DDPG#2."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards) / len(rewards))

        return step, o

    assert only_reason(build, **LOSSES).endswith("steps by 0.25 times the gradient of its objective")


class Unseen(torch.optim.Optimizer):
    """Plain descent by way of ``.data``, which autograd does not see."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # it returns no loss
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                p.data.add_(p.grad, alpha=-0.1)


def test_the_actors_graph_is_older_than_the_critics_step() -> None:
    """rail-berkeley/rlkit#109: differentiated after the critic has moved by .data, so that torch does not notice."""

    def build(m: Any, _: Any) -> Any:
        o = {"critic": Unseen(m.critic.parameters()), "actor": sgd(m.actor)}

        def step(x: Any, rewards: Tensor) -> None:
            policy = actor_loss(m, x, rewards)
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], policy)

        return step, o

    said = only_reason(build, **LOSSES)
    assert said.startswith("actor (")
    assert said.endswith("steps by another gradient than that of its objective")


def test_a_copy_now_and_then_beside_the_soft_update() -> None:
    """anthonytorlucci/rlevo#182."""

    def build(m: Any, _: Any) -> Any:
        o, calls = pair(m), 0

        def step(x: Any, rewards: Tensor) -> None:
            nonlocal calls
            calls += 1
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            follow(m.actor_target, m.actor)
            if calls % 3 == 0:
                m.critic_target.load_state_dict(m.critic.state_dict())
            else:
                follow(m.critic_target, m.critic)

        return step, o

    assert only_reason(build, **DDPG).endswith("becomes a copy of critic")


def test_the_target_is_loaded_from_itself() -> None:
    """thesouther/MARL#8."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            m.critic_target.load_state_dict(m.critic_target.state_dict())
            follow(m.actor_target, m.actor)

        return step, o

    said = only_reason(build, **DDPG)
    assert said == "critic_target rests until call 1; targets={'critic_target': ('polyak', 'critic', 0.25)}"


def test_the_networks_follow_their_targets() -> None:
    """reinshift/MADDPG_Multi_UAV_Roundup#10: what should move the target moves the network."""

    def build(m: Any, _: Any) -> Any:
        o = pair(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, rewards))
            moves(o["actor"], actor_loss(m, x, rewards))
            follow(m.critic, m.critic_target)

        return step, o

    said = only_reason(build, **LOSSES)
    assert said.startswith("critic.")
    assert "moved after actor's step (" in said


def test_the_temperature_is_never_cleared() -> None:
    """A kind of BigGAN-PyTorch#25 for SAC's third optimizer."""

    def build(m: Any, _: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            moves(o["critic"], soft_critic(m, x, rewards))
            moves(o["actor"], soft_actor(m, x, rewards))
            temperature(m, x, rewards).backward()
            o["alpha"].step()
            follow(m.critic_target, m.critic)

        return step, o

    said = only_reason(build, **SAC)
    assert said.startswith("alpha (")
    assert "what alpha's backward (" in said


def test_corrected_versions_are_held() -> None:
    def build(m: Any, _: Any) -> Any:
        o = sac_optimizers(m)

        def step(x: Any, rewards: Tensor) -> None:
            for name, loss in (("critic", soft_critic), ("actor", soft_actor), ("alpha", temperature)):
                m.zero_grad()
                loss(m, x, rewards).backward()
                o[name].step()
            follow(m.critic_target, m.critic, TAU)

        return step, o

    notes_if_held(build, **SAC)

    def plays(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            made = m.generator(noise())
            moves(o["critic"], judged(m, x, true=True) + judged(m, made.detach(), true=False))
            moves(o["generator"], judged(m, made, true=True))

        return step, o

    notes_if_held(plays, **DCGAN)
