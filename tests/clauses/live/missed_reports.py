"""Public reports of silent training errors that watching does not find, each with the reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gdprops.faults.watched_runs import materials
from gdprops.faults.watched_runs.materials import batches, plain, sgd

mse: Any = materials.mse


def steps_at_the_first_of_each_window() -> None:
    """EvolvingLMMs-Lab/OneVision-Encoder#82: with two lines of backward it looks like a rehearsal beside a batch."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(13)):
        if index % 4 == 0:
            (mse(model(inputs), targets) / 4).backward()
            optimizer.step()
            optimizer.zero_grad()
        else:
            (mse(model(inputs), targets) / 4).backward()


def clips_on_one_rank() -> None:
    """microsoft/DeepSpeed#1801: which parameters of a tensor-parallel run are replicated is not known."""
    rank = int(os.environ.get("RANK", "0"))
    torch.manual_seed(rank)
    column, norm = nn.Linear(3, 1), nn.LayerNorm(3)
    both = nn.ModuleList([column, norm])
    optimizer = sgd(both)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(column(norm(inputs)), targets[:, rank : rank + 1]).backward()
        if rank == 0:
            clip_grad_norm_(both.parameters(), 0.01)
        optimizer.step()


def goes_on_with_its_first_gradients() -> None:
    """pytorch/pytorch#115607: gradients that the user assigns are his own."""
    model = plain()
    optimizer, first = sgd(model), list[Tensor | None]()
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        first = first or [weight.grad for weight in model.parameters()]
        for weight, gradient in zip(model.parameters(), first, strict=True):
            weight.grad = gradient
        optimizer.step()


def trains_what_its_settings_freeze() -> None:
    """open-mmlab/mmpretrain#702: that a stage was to be frozen stands in the settings alone."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def steps_but_at_the_last_undivided() -> None:
    """eriklindernoren/PyTorch-YOLOv3#313: a regularizer every fourth batch on the same line steps like that, too."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(12)):
        mse(model(inputs), targets).backward()
        if index % 4:
            optimizer.step()
            optimizer.zero_grad()


def adds_the_actors_gradient_to_what_is_kept() -> None:
    """ray-project/ray#65125: two losses before either step, as where an encoder is shared by two heads."""
    critic, actor = nn.Linear(5, 1), nn.Linear(3, 2)
    of_critic, of_actor = sgd(critic), sgd(actor)
    for inputs, targets in batches():
        of_critic.zero_grad()
        mse(critic(torch.cat([inputs, targets], 1)), targets[:, :1]).backward()
        kept = [weight.grad for weight in critic.parameters()]
        of_actor.zero_grad()
        loss: Any = -critic(torch.cat([inputs, actor(inputs)], 1)).mean()
        loss.backward()
        for weight, gradient in zip(critic.parameters(), kept, strict=True):
            weight.grad = gradient
        of_critic.step()
        of_actor.step()


def updates_its_target_from_itself() -> None:
    """thesouther/MARL#8: a network that only gives targets and rests is what a frozen teacher is."""
    model, target = plain(), plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        with torch.no_grad():
            wanted = targets + 0.9 * target(inputs)
        optimizer.zero_grad()
        mse(model(inputs), wanted).backward()
        optimizer.step()
        target.load_state_dict(target.state_dict())


MISSED: tuple[tuple[Callable[[], None], int], ...] = (
    (steps_at_the_first_of_each_window, 1),
    (clips_on_one_rank, 2),
    (goes_on_with_its_first_gradients, 1),
    (trains_what_its_settings_freeze, 1),
    (steps_but_at_the_last_undivided, 1),
    (adds_the_actors_gradient_to_what_is_kept, 1),
    (updates_its_target_from_itself, 1),
)
"""Each script, and as how many processes it runs."""
