"""Watched scripts with the right gradients in the wrong hands: optimizers, windows, clips, scalers and schedulers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

from gdprops.faults.fault import Fault
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd


def leaves_a_bare_parameter_out() -> None:
    """Hand over the parameters of the leaf modules only."""
    model = network()
    leaves = [part for part in model.modules() if not list(part.children())]
    optimizer = torch.optim.Adam([p for part in leaves for p in part.parameters()], lr=0.01)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def forgets_the_encoder() -> None:
    """Hand over the second of two models only."""
    encoder, decoder = plain(), nn.Linear(2, 2)
    optimizer = sgd(decoder)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(decoder(encoder(inputs)), targets).backward()
        optimizer.step()


def resizes_after_the_optimizer() -> None:
    """Replace the embedding when the optimizer already holds the old one."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 7))
    optimizer = sgd(model)
    model[0] = nn.Embedding(7, 4)
    for index in range(6):
        tokens = torch.arange(7).roll(index)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(tokens), tokens).backward()
        optimizer.step()


def clips_weights_into_new_parameters() -> None:
    """Put a clipped parameter in the place of each weight after each step: the optimizer goes on with the old ones."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        for layer in model:
            if isinstance(layer, nn.Linear):
                layer.weight = nn.Parameter(layer.weight.detach().clamp(-0.5, 0.5))


def trains_a_copy_of_the_model() -> None:
    """Build the optimizer on a copy of the model that is trained."""
    model = plain()
    optimizer = sgd(copy.deepcopy(model))
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


class Motionless(torch.optim.SGD):
    """SGD that has lost its update."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # returns no loss
        """Do everything but move."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["steps"] = 1


def step_moves_nothing() -> None:
    """Train with an optimizer that never moves anything."""
    model = plain()
    optimizer = Motionless(model.parameters(), lr=0.1)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


class FirstGroupOnly(torch.optim.SGD):
    """SGD that updates its first group alone."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # returns no loss
        """Move the first group."""
        for parameter in self.param_groups[0]["params"]:
            parameter.data -= self.param_groups[0]["lr"] * parameter.grad


def forgets_a_group() -> None:
    """Train with an optimizer that forgets its second group."""
    model = plain()
    optimizer = FirstGroupOnly([{"params": model[0].parameters()}, {"params": model[2].parameters()}], lr=0.1)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def holds_a_tensor_twice() -> None:
    """List a weight twice in one group."""
    model = plain()
    optimizer = torch.optim.SGD([*model.parameters()], lr=0.1)
    optimizer.param_groups[0]["params"].append(model[0].weight)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def two_optimizers_on_one_gradient() -> None:
    """Step the last layer with the optimizer of the model and with its own."""
    model = plain()
    whole, head = sgd(model), torch.optim.Adam(model[2].parameters(), lr=0.01)
    for inputs, targets in batches():
        whole.zero_grad()
        mse(model(inputs), targets).backward()
        whole.step()
        head.step()


def clips_before_backward() -> None:
    """Clip before there is a gradient."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        loss = mse(model(inputs), targets)
        clip_grad_norm_(model.parameters(), 0.1)
        loss.backward()
        optimizer.step()


def clips_every_micro_batch() -> None:
    """Clip after each backward pass of a window."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        (mse(model(inputs), targets) / 2).backward()
        clip_grad_norm_(model.parameters(), 0.1)
        if index % 2:
            optimizer.step()
            optimizer.zero_grad()


def clips_after_the_step() -> None:
    """Clip when the step is done."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        clip_grad_norm_(model.parameters(), 0.1)


def clips_some_steps() -> None:
    """Clip at the window's end, and step at every micro-batch."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        (mse(model(inputs), targets) / 2).backward()
        if index % 2:
            clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def clips_tensor_by_tensor() -> None:
    """Clip each tensor by its own norm."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        for parameter in model.parameters():
            clip_grad_norm_(parameter, 0.01)
        optimizer.step()


def clips_scaled_gradients() -> None:
    """Clip before unscaling."""
    model = plain()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=1024.0)
    for inputs, targets in batches():
        optimizer.zero_grad()
        scaler.scale(mse(model(inputs), targets)).backward()
        clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()


def steps_on_scaled_gradients() -> None:
    """Step without the scaler."""
    model = plain()
    optimizer, scaler = sgd(model, lr=1e-4), torch.amp.GradScaler("cpu", init_scale=1024.0)
    for inputs, targets in batches():
        optimizer.zero_grad()
        scaler.scale(mse(model(inputs), targets)).backward()
        optimizer.step()


def loses_the_last_window() -> None:
    """Leave a short last window unstepped."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(6)):
        (mse(model(inputs), targets) / 4).backward()
        if index % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()


def carries_over_the_epoch() -> None:
    """Carry a short window's gradients into the next epoch."""
    model = plain()
    optimizer = sgd(model)
    generator = torch.Generator().manual_seed(1)
    rows = TensorDataset(torch.randn(20, 3, generator=generator), torch.randn(20, 2, generator=generator))
    loader = DataLoader(rows, batch_size=4)
    for _ in range(3):
        for index, (inputs, targets) in enumerate(loader):
            (mse(model(inputs), targets) / 2).backward()
            if index % 2:
                optimizer.step()
                optimizer.zero_grad()


def shifts_the_windows() -> None:
    """Step at the first micro-batch of each window."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(13)):
        (mse(model(inputs), targets) / 3).backward()
        if index % 3 == 0:
            optimizer.step()
            optimizer.zero_grad()


def schedules_every_micro_batch() -> None:
    """Let the scheduler step at every micro-batch."""
    model = plain()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)
    for index, (inputs, targets) in enumerate(batches()):
        (mse(model(inputs), targets) / 2).backward()
        if index % 2:
            optimizer.step()
            optimizer.zero_grad()
        if index:
            scheduler.step()


def schedules_before_the_step() -> None:
    """Let the scheduler step before the optimizer."""
    model = plain()
    optimizer = sgd(model)
    scheduler: Any = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=100)
    for inputs, targets in batches():
        optimizer.zero_grad()
        loss = mse(model(inputs), targets)
        scheduler.step(float(loss))
        loss.backward()
        optimizer.step()


def makes_the_optimizer_anew() -> None:
    """Build Adam inside the loop over epochs."""
    model = plain()
    for _ in range(3):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for inputs, targets in batches(3):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()


FAULTS = (
    Fault(
        "script-leaves-a-bare-parameter-out",
        "Hands over the parameters of leaf modules only.",
        "open-mmlab/OpenPCDet#960",
        script=leaves_a_bare_parameter_out,
    ),
    Fault("script-forgets-the-encoder", "Hands over one of two models.", "zjunlp/HVPNeT#5", script=forgets_the_encoder),
    Fault(
        "script-resizes-after-the-optimizer",
        "Replaces an embedding that the optimizer holds.",
        "huggingface/transformers#3532",
        script=resizes_after_the_optimizer,
    ),
    Fault(
        "script-clips-weights-into-new-parameters",
        "Each step is followed by new parameters, which no optimizer holds.",
        script=clips_weights_into_new_parameters,
    ),
    Fault(
        "script-trains-a-copy-of-the-model",
        "The optimizer holds a copy of the model.",
        "huggingface/accelerate#2665",
        script=trains_a_copy_of_the_model,
    ),
    Fault("script-step-moves-nothing", "An optimizer that never moves anything.", script=step_moves_nothing),
    Fault("script-forgets-a-group", "An optimizer that forgets its second group.", script=forgets_a_group),
    Fault(
        "script-holds-a-tensor-twice",
        "A weight twice in one group.",
        "pytorch/pytorch#40967",
        script=holds_a_tensor_twice,
    ),
    Fault(
        "script-two-optimizers-on-one-gradient",
        "Two optimizers step a layer on one gradient.",
        script=two_optimizers_on_one_gradient,
    ),
    Fault(
        "script-clips-before-backward",
        "Clips before backward.",
        "yandex-research/tabm#20",
        script=clips_before_backward,
    ),
    Fault(
        "script-clips-every-micro-batch",
        "Clips after each backward pass of a window.",
        "huggingface/transformers#1563",
        script=clips_every_micro_batch,
    ),
    Fault("script-clips-after-the-step", "Clips when the step is done.", script=clips_after_the_step),
    Fault(
        "script-clips-some-steps",
        "Steps at every micro-batch, clips at the window's end.",
        "thunlp/OpenPrompt#106",
        script=clips_some_steps,
    ),
    Fault(
        "script-clips-tensor-by-tensor",
        "Clips each tensor by its own norm.",
        "huggingface/transformers#581",
        script=clips_tensor_by_tensor,
    ),
    Fault(
        "script-clips-scaled-gradients",
        "Clips before unscaling.",
        "milesial/Pytorch-UNet#468",
        script=clips_scaled_gradients,
    ),
    Fault("script-steps-on-scaled-gradients", "Steps on scaled gradients.", script=steps_on_scaled_gradients),
    Fault(
        "script-loses-the-last-window",
        "Leaves a short last window unstepped.",
        "timoschick/pet#36",
        script=loses_the_last_window,
    ),
    Fault(
        "script-carries-over-the-epoch", "Carries a short window into the next epoch.", script=carries_over_the_epoch
    ),
    Fault(
        "script-shifts-the-windows",
        "Steps at the first micro-batch of each window.",
        "rasbt/LLMs-from-scratch#299",
        script=shifts_the_windows,
    ),
    Fault(
        "script-schedules-every-micro-batch",
        "The scheduler steps at every micro-batch.",
        "huggingface/diffusers#3954",
        script=schedules_every_micro_batch,
    ),
    Fault("script-schedules-before-the-step", "The scheduler steps first.", script=schedules_before_the_step),
    Fault("script-makes-the-optimizer-anew", "Builds Adam anew in each epoch.", script=makes_the_optimizer_anew),
)
