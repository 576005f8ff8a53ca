"""Watched scripts that go on with the wrong weights, hardly a rate, or what was to rest: nothing raises."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.fault import Fault
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd


def follow(average: dict[str, Tensor], model: nn.Module) -> None:
    """Move an average a tenth of the way to the weights of a model."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            average[name].lerp_(value, 0.1)


def goes_on_from_its_average() -> None:
    """Put the average into the model to save it, and leave it there."""
    model = plain()
    optimizer = sgd(model, momentum=0.9)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    for index, (inputs, targets) in enumerate(batches(8)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        follow(average, model)
        if index % 4 == 3:
            model.load_state_dict(average)


def restores_what_it_has_overwritten() -> None:
    """Keep the state dict, which is the weights themselves, while the average is evaluated in their place."""
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    for index, (inputs, targets) in enumerate(batches(10)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        follow(average, model)
        if index % 5 == 4:
            kept = model.state_dict()
            model.load_state_dict(average)
            model.load_state_dict(kept)


def schedules_epochs_by_batches() -> None:
    """Step a scheduler that counts epochs after each batch."""
    model = plain()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5)
    for inputs, targets in batches(24):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


def loses_updates_in_rounding() -> None:
    """Train weights in bfloat16 at a rate for float32."""
    model = network().bfloat16()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs.bfloat16()), targets.bfloat16()).backward()
        optimizer.step()


def steps_but_at_the_last() -> None:
    """Step where the window is not complete, and wait where it is."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(13)):
        (mse(model(inputs), targets) / 4).backward()
        if index % 4:
            optimizer.step()
            optimizer.zero_grad()


def freezes_a_module_in_name() -> None:
    """Say of a module, and not of its parameters, that it asks for no gradient."""
    model = plain()
    last: Any = model[2]
    last.requires_grad = False
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


FAULTS = (
    Fault(
        "script-freezes-a-module-in-name",
        "An attribute of a module freezes nothing.",
        "CSCYQJ/MICCAI23-ProtoContra-SFDA#18",
        script=freezes_a_module_in_name,
    ),
    Fault(
        "script-goes-on-from-its-average",
        "The average is put into the model to be saved, and training goes on from it.",
        "harubaru/waifu-diffusion#31",
        script=goes_on_from_its_average,
    ),
    Fault(
        "script-restores-what-it-has-overwritten",
        "What is kept during an evaluation of the average is no copy.",
        "aqlaboratory/openfold#90",
        script=restores_what_it_has_overwritten,
    ),
    Fault(
        "script-schedules-epochs-by-batches",
        "A scheduler that counts epochs steps after each batch.",
        "leftthomas/SRGAN#94",
        script=schedules_epochs_by_batches,
    ),
    Fault(
        "script-loses-updates-in-rounding",
        "Weights in bfloat16 never move at so small a rate.",
        "pytorch/ao#1124",
        script=loses_updates_in_rounding,
    ),
    Fault(
        "script-steps-but-at-the-last",
        "The condition of the step is the wrong way round.",
        "huggingface/accelerate#435",
        script=steps_but_at_the_last,
    ),
)
