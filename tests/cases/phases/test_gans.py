"""Generators and critics that play by turns, in the forms that public code has: none of them is accused."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gdprops.model.verdict import Status
from tests.cases.phases.checking import mlp, moves, notes_if_held, only_reason

ROWS, WIDE = 4, 2


class Gan(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.critic, self.generator = mlp(WIDE, 1), mlp(WIDE, WIDE)


def real(index: int) -> tuple[Tensor, Tensor]:
    return torch.randn(ROWS, WIDE, generator=torch.Generator().manual_seed(index)), torch.zeros(ROWS)


def noise() -> Tensor:
    return torch.randn(ROWS, WIDE)


def critic_loss(m: Any, x: Tensor, _: Any) -> Any:
    return m.critic(m.generator(noise()).detach()).mean() - m.critic(x).mean()


def generator_loss(m: Any, x: Tensor, _: Any) -> Any:
    return -m.critic(m.generator(noise())).mean()


def judged(m: Any, x: Tensor, *, true: bool) -> Any:
    return functional.binary_cross_entropy_with_logits(m.critic(x).flatten(), torch.full((ROWS,), float(true)))


def two_sided(m: Any, x: Tensor, _: Any) -> Any:
    return judged(m, x, true=True) + judged(m, m.generator(noise()).detach(), true=False)


def fools(m: Any, x: Tensor, _: Any) -> Any:
    return judged(m, m.generator(noise()), true=True)


def adams(m: Any) -> dict[str, torch.optim.Optimizer]:
    betas = (0.5, 0.9)
    return {
        "critic": torch.optim.Adam(m.critic.parameters(), lr=0.01, betas=betas),
        "generator": torch.optim.Adam(m.generator.parameters(), lr=0.02, betas=betas),
    }


def clamp(m: Any) -> None:
    for p in m.critic.parameters():
        p.data.clamp_(-0.3, 0.3)


OWN: dict[str, Any] = {"models": Gan, "batches": real}
WGAN: dict[str, Any] = {**OWN, "phases": [("critic", critic_loss, 5), ("generator", generator_loss)]}
DCGAN: dict[str, Any] = {**OWN, "phases": [("critic", two_sided), ("generator", fools)]}


def test_wgan_with_five_critic_steps_and_clipping() -> None:
    def build(m: Any, _: Any) -> Any:
        o = {name: torch.optim.RMSprop(getattr(m, name).parameters(), lr=0.01) for name in ("critic", "generator")}

        def step(x: Tensor, y: Tensor) -> None:
            for _ in range(5):
                moves(o["critic"], critic_loss(m, x, y))
                clamp(m)
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    told = notes_if_held(build, **WGAN, after={"critic": clamp})
    assert "the phase generator reads critic where its phase has left it" in told


def test_wgan_that_clips_before_each_look() -> None:
    """The original code clips at the beginning of every critic step."""

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            for _ in range(5):
                clamp(m)
                moves(o["critic"], critic_loss(m, x, y))
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    notes_if_held(build, **WGAN, after={"critic": clamp})


def test_dcgan_uses_one_noise_for_both_phases_and_two_backwards() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            m.critic.zero_grad()
            judged(m, x, true=True).backward()
            fake = m.generator(noise())
            judged(m, fake.detach(), true=False).backward()
            o["critic"].step()
            m.generator.zero_grad()
            judged(m, fake, true=True).backward()
            o["generator"].step()

        return step, o

    told = notes_if_held(build, **DCGAN)
    assert "generator's backward also leaves gradients on what critic holds; they are cleared" in told


def test_the_critic_is_frozen_while_the_generator_looks() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            m.critic.requires_grad_(True)
            moves(o["critic"], two_sided(m, x, y))
            m.critic.requires_grad_(False)
            moves(o["generator"], fools(m, x, y))

        return step, o

    notes_if_held(build, **DCGAN)


def test_wgan_with_a_gradient_penalty() -> None:
    def penalized(m: Any, x: Tensor, y: Any) -> Any:
        made = m.generator(noise()).detach()
        share = torch.rand(ROWS, 1)
        between = (share * x + (1 - share) * made).requires_grad_()
        (slope,) = torch.autograd.grad(m.critic(between).sum(), between, create_graph=True)
        return m.critic(made).mean() - m.critic(x).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            for _ in range(2):
                moves(o["critic"], penalized(m, x, y))
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    notes_if_held(build, **OWN, phases=[("critic", penalized, 2), ("generator", generator_loss)])


class WithNorms(Gan):
    def __init__(self) -> None:
        super().__init__()
        self.generator = mlp(WIDE, WIDE, nn.BatchNorm1d(3))
        self.critic = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(WIDE, 3)), nn.Linear(3, 1))


def test_batch_norm_and_spectral_norm_meet_what_the_step_meets() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["critic"], two_sided(m, x, y))
            moves(o["generator"], fools(m, x, y))

        return step, o

    notes_if_held(build, **{**DCGAN, "models": WithNorms})


class WithDropout(Gan):
    def __init__(self) -> None:
        super().__init__()
        self.critic = mlp(WIDE, 1, nn.Dropout(0.5))


def test_dropout_in_the_critic_is_dealt_its_masks() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["critic"], two_sided(m, x, y))
            moves(o["generator"], fools(m, x, y))

        return step, o

    notes_if_held(build, **{**DCGAN, "models": WithDropout})


def test_numbers_drawn_for_a_log_are_not_taken_for_the_noise() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            noise()  # a picture for the log
            moves(o["critic"], critic_loss(m, x, y))
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    notes_if_held(build, **OWN, phases=[("critic", critic_loss), ("generator", generator_loss)])


def test_noise_of_another_form_is_not_decided() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            both = torch.randn(2 * ROWS, WIDE)
            moves(o["critic"], m.critic(m.generator(both[:ROWS]).detach()).mean() - m.critic(x).mean())
            moves(o["generator"], -m.critic(m.generator(both[ROWS:])).mean())

        return step, o

    said = only_reason(build, Status.VACUOUS, **OWN, phases=[("critic", critic_loss), ("generator", generator_loss)])
    assert said.endswith(
        "the random numbers that the objective of critic draws do not fit those that the step has drawn; hand the "
        "noise over in the batch"
    )


def test_noise_that_numpy_has_drawn_is_not_decided() -> None:
    def drawn(m: Any) -> Any:
        return m.generator(torch.from_numpy(np.random.standard_normal((ROWS, WIDE))).to(m.generator[0].weight.dtype))

    def critic(m: Any, x: Tensor, _: Any) -> Any:
        return m.critic(drawn(m).detach()).mean() - m.critic(x).mean()

    def generator(m: Any, x: Tensor, _: Any) -> Any:
        return -m.critic(drawn(m)).mean()

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["critic"], critic(m, x, y))
            moves(o["generator"], generator(m, x, y))

        return step, o

    said = only_reason(build, Status.VACUOUS, **OWN, phases=[("critic", critic), ("generator", generator)])
    assert "are partly not drawn by torch's own functions; hand the noise over in the batch" in said


def test_noise_in_the_batch_needs_no_dealing() -> None:
    def batch(index: int) -> Any:
        g = torch.Generator().manual_seed(index)
        return tuple(torch.randn(ROWS, WIDE, generator=g) for _ in range(2))

    def critic(m: Any, x: Tensor, z: Tensor) -> Any:
        return m.critic(m.generator(z).detach()).mean() - m.critic(x).mean()

    def generator(m: Any, x: Tensor, z: Tensor) -> Any:
        return -m.critic(m.generator(z)).mean()

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, z: Tensor) -> None:
            moves(o["critic"], critic(m, x, z))
            moves(o["generator"], generator(m, x, z))

        return step, o

    notes_if_held(build, models=Gan, batches=batch, phases=[("critic", critic), ("generator", generator)])


class Cycle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.there, self.back, self.judge_a, self.judge_b = mlp(2, 2), mlp(2, 2), mlp(2, 1), mlp(2, 1)


def test_cycle_gan_moves_both_generators_before_both_judges() -> None:
    """The judges look at what the generators made before they moved."""

    def generators(m: Any, a: Tensor, b: Tensor) -> Any:
        made_b, made_a = m.there(a), m.back(b)
        again = functional.l1_loss(m.back(made_b), a) + functional.l1_loss(m.there(made_a), b)
        return ((m.judge_b(made_b) - 1) ** 2).mean() + ((m.judge_a(made_a) - 1) ** 2).mean() + 10 * again

    def judges(m: Any, a: Tensor, b: Tensor) -> Any:
        made_b, made_a = m.there(a).detach(), m.back(b).detach()
        right = ((m.judge_a(a) - 1) ** 2).mean() + ((m.judge_b(b) - 1) ** 2).mean()
        return right + (m.judge_a(made_a) ** 2).mean() + (m.judge_b(made_b) ** 2).mean()

    def build(m: Any, _: Any) -> Any:
        o = {
            "generators": torch.optim.Adam(chain(m.there.parameters(), m.back.parameters()), lr=0.01),
            "judges": torch.optim.Adam(chain(m.judge_a.parameters(), m.judge_b.parameters()), lr=0.01),
        }

        def step(a: Tensor, b: Tensor) -> None:
            made_b, made_a = m.there(a), m.back(b)
            for p in (*m.judge_a.parameters(), *m.judge_b.parameters()):
                p.requires_grad = False
            again = functional.l1_loss(m.back(made_b), a) + functional.l1_loss(m.there(made_a), b)
            moves(
                o["generators"],
                ((m.judge_b(made_b) - 1) ** 2).mean() + ((m.judge_a(made_a) - 1) ** 2).mean() + 10 * again,
            )
            for p in (*m.judge_a.parameters(), *m.judge_b.parameters()):
                p.requires_grad = True
            o["judges"].zero_grad()
            (((m.judge_a(a) - 1) ** 2).mean() + (m.judge_a(made_a.detach()) ** 2).mean()).backward()
            (((m.judge_b(b) - 1) ** 2).mean() + (m.judge_b(made_b.detach()) ** 2).mean()).backward()
            o["judges"].step()

        return step, o

    def pairs(index: int) -> Any:
        g = torch.Generator().manual_seed(index)
        return tuple(torch.randn(ROWS, WIDE, generator=g) for _ in range(2))

    told = notes_if_held(build, models=Cycle, batches=pairs, phases=[("generators", generators), ("judges", judges)])
    assert "the phase judges reads generators as the step found it" in told


def test_gradient_descent_ascent_at_once() -> None:
    """Both losses come of one forward pass, and both optimizers step at its end."""

    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            made = m.generator(noise())
            loss = m.critic(made).mean() - m.critic(x).mean()
            mine = torch.autograd.grad(loss, list(m.critic.parameters()), retain_graph=True)
            theirs = torch.autograd.grad(-m.critic(made).mean(), list(m.generator.parameters()))
            for p, g in zip((*m.critic.parameters(), *m.generator.parameters()), (*mine, *theirs), strict=True):
                p.grad = g
            for optimizer in o.values():
                optimizer.step()

        return step, o

    phases = [("critic", critic_loss), ("generator", generator_loss)]
    notes_if_held(build, **OWN, phases=phases, together=True)
    told = notes_if_held(build, **OWN, phases=phases)
    assert "the phase generator reads critic as the step found it" in told


def test_the_scaler_of_both_optimizers_is_updated_once() -> None:
    def build(m: Any, _: Any) -> Any:
        o, scaler = adams(m), torch.amp.GradScaler("cpu", init_scale=2.0**10)

        def step(x: Tensor, y: Tensor) -> None:
            for name, loss in (("critic", two_sided), ("generator", fools)):
                o[name].zero_grad()
                scaler.scale(loss(m, x, y)).backward()
                scaler.step(o[name])
            scaler.update()

        return step, o

    notes_if_held(build, **DCGAN)


def test_metrics_in_evaluation_mode_between_the_phases() -> None:
    def build(m: Any, _: Any) -> Any:
        o = adams(m)

        def step(x: Tensor, y: Tensor) -> None:
            moves(o["critic"], critic_loss(m, x, y))
            m.eval()
            with torch.no_grad():
                m.critic(x).mean().item()
            m.train()
            moves(o["generator"], generator_loss(m, x, y))

        return step, o

    phases = [("critic", critic_loss), ("generator", generator_loss)]
    notes_if_held(build, **{**OWN, "models": WithDropout}, phases=phases)
