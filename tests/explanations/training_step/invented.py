"""Faults that were invented before the explanations were read: none may be given a wrong one."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

RATE = 0.125
Step = Callable[[Tensor, Tensor], None]


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def gradients(model: nn.Module, loss: Tensor) -> list[Tensor]:
    found = torch.autograd.grad(loss, trained(model), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(trained(model), found, strict=True)]


def moved(model: nn.Module, directions: list[Any], rate: float = RATE) -> None:
    for p, d in zip(trained(model), directions, strict=True):
        p.data -= rate * d


def rate_decays_within_the_step(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, [0.9**i * g for i, g in enumerate(gradients(model, loss_fn(model(x), y)))])

    return step


def signs_for_biases(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, [g.sign() if g.ndim == 1 else g for g in gradients(model, loss_fn(model(x), y))])

    return step


def last_row_dropped(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        k = max(1, len(x) - 1)
        moved(model, gradients(model, loss_fn(model(x[:k]), y[:k])))

    return step


def first_row_repeated(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, gradients(model, loss_fn(model(torch.cat([x, x[:1]])), torch.cat([y, y[:1]]))))

    return step


def every_other_row(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, gradients(model, loss_fn(model(x[::2]), y[::2])))

    return step


def targets_shifted(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, gradients(model, loss_fn(model(x), y.roll(1, 0))))

    return step


def one_step_delayed(model: nn.Module, loss_fn: Any) -> Step:
    old = [p.detach().clone() for p in trained(model)]

    def step(x: Tensor, y: Tensor) -> None:
        now = [p.detach().clone() for p in trained(model)]
        for p, o in zip(trained(model), old, strict=True):
            p.data.copy_(o)
        found = gradients(model, loss_fn(model(x), y))
        for p, n in zip(trained(model), now, strict=True):
            p.data.copy_(n)
        moved(model, found)
        old[:] = now

    return step


def extragradient(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        first = [p.detach().clone() for p in trained(model)]
        moved(model, gradients(model, loss_fn(model(x), y)))
        found = gradients(model, loss_fn(model(x), y))
        for p, w in zip(trained(model), first, strict=True):
            p.data.copy_(w)
        moved(model, found)

    return step


def bfloat_gradients(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, [g.bfloat16().to(g.dtype) for g in gradients(model, loss_fn(model(x), y))])

    return step


def half_of_the_last_gradient(model: nn.Module, loss_fn: Any) -> Step:
    last: list[list[Tensor]] = []

    def step(x: Tensor, y: Tensor) -> None:
        found = gradients(model, loss_fn(model(x), y))
        moved(model, [(a + b) / 2 for a, b in zip(found, last[-1] if last else found, strict=True)])
        last.append(found)

    return step


def penalty(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        found = gradients(model, loss_fn(model(x), y))
        moved(model, [g + 0.01 * p.data.sign() for g, p in zip(found, trained(model), strict=True)])

    return step


def swapped(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        found = gradients(model, loss_fn(model(x), y))
        same = [(i, j) for j in range(len(found)) for i in range(j) if found[i].shape == found[j].shape]
        if same:
            i, j = same[0]
            found[i], found[j] = found[j], found[i]
        moved(model, found)

    return step


def middle_out(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        n = len(trained(model))
        for i in sorted(range(n), key=lambda i: abs(i - n // 2)):
            g = gradients(model, loss_fn(model(x), y))[i]
            trained(model)[i].data -= RATE * g

    return step


def random_order(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        for i in torch.randperm(len(trained(model))).tolist():
            g = gradients(model, loss_fn(model(x), y))[i]
            trained(model)[i].data -= RATE * g

    return step


def global_noise(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, [g + 0.1 * torch.randn_like(g) for g in gradients(model, loss_fn(model(x), y))])

    return step


def private_noise(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, [g + random.SystemRandom().random() for g in gradients(model, loss_fn(model(x), y))])

    return step


def only_the_largest_moves(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        found = gradients(model, loss_fn(model(x), y))
        most = max(float(g.norm()) for g in found)
        moved(model, [g if float(g.norm()) == most else 0 * g for g in found])

    return step


def nesterov(model: nn.Module, loss_fn: Any) -> Step:
    optimizer = torch.optim.SGD(trained(model), lr=RATE, momentum=0.9, nesterov=True)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step


def forgetful(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        optimizer = torch.optim.SGD(trained(model), lr=RATE, momentum=0.9)
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step


def decays_what_it_trains(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moved(model, gradients(model, loss_fn(model(x), y)))
        for p in trained(model):
            p.data *= 1 - 1 / 64

    return step


def divides_by_the_tensors(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        found = torch.autograd.grad(loss_fn(model(x), y), trained(model), allow_unused=True)
        held = [g for g in found if g is not None]
        moved(model, [0 if g is None else g / len(held) for g in found])

    return step


def with_momentum(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(trained(model), lr=RATE, momentum=0.5)


def zeroes_before_the_step(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = with_momentum(model)

    def step(x: Tensor, y: Tensor) -> None:
        loss_fn(model(x), y).backward()
        optimizer.zero_grad()
        optimizer.step()

    return step, optimizer


def zeroes_the_weights_only(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = with_momentum(model)

    def step(x: Tensor, y: Tensor) -> None:
        for p in trained(model):
            p.grad = p.grad if p.ndim == 1 else None
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def shakes_the_weights_in_between(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(trained(model), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        kept = [p.data.clone() for p in trained(model)]
        for p in trained(model):
            p.data.mul_(1.5)
        loss.backward()
        for p, held in zip(trained(model), kept, strict=True):
            p.data.copy_(held)
        optimizer.step()

    return step, optimizer


def skips_large_gradients(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        found = gradients(model, loss_fn(model(x), y))
        moved(model, found if sum(float((g * g).sum()) for g in found) < 1 else [0 * g for g in found])

    return step


def averages_in(model: nn.Module, loss_fn: Any) -> Step:
    """From the second step on the average of a copy is loaded: nothing that the order of the parameters changes."""
    average, taken = copy.deepcopy(model), [0]

    def step(x: Tensor, y: Tensor) -> None:
        moved(model, gradients(model, loss_fn(model(x), y)))
        taken[0] += 1
        for a, p in zip(average.parameters(), model.parameters(), strict=True):
            a.data.lerp_(p.data.square(), 0.5)
        if taken[0] > 1:
            model.load_state_dict(average.state_dict())

    return step


def steps_after_the_first_of_four(model: nn.Module, loss_fn: Any) -> Any:
    return four_calls(model, loss_fn, moves_at=0)


def clears_before_each_of_four(model: nn.Module, loss_fn: Any) -> Any:
    return four_calls(model, loss_fn, moves_at=3, clears=True)


def four_calls(model: nn.Module, loss_fn: Any, *, moves_at: int, clears: bool = False) -> Any:
    optimizer, calls = torch.optim.SGD(trained(model), lr=RATE), [0]

    def step(x: Tensor, y: Tensor) -> None:
        if clears:
            optimizer.zero_grad()
        (loss_fn(model(x), y) / 4).backward()
        if calls[0] % 4 == moves_at:
            optimizer.step()
            optimizer.zero_grad()
        calls[0] += 1

    return step, optimizer


def clips_all_but_the_biases(model: nn.Module, loss_fn: Any) -> Any:
    optimizer = torch.optim.SGD(trained(model), lr=RATE)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_([p for p in trained(model) if p.ndim > 1], 0.25)
        optimizer.step()

    return step, optimizer
