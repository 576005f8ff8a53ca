"""Right watched scripts whose weights are written to between steps, whose rates fall, and whose steps are uneven."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from gdprops.faults.fault import Twin
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd
from gdprops.faults.watched_runs.wrong_continuations import follow


def puts_its_weights_back() -> None:
    """Evaluate the average in the place of the weights, of which a copy is kept."""
    model = plain()
    optimizer = sgd(model, momentum=0.9)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    for index, (inputs, targets) in enumerate(batches(9)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        follow(average, model)
        if index % 3 == 2:
            kept = copy.deepcopy(model.state_dict())
            model.load_state_dict(average)
            model(inputs)
            model.load_state_dict(kept)


def averages_three_clients() -> None:
    """Train three clients one after another in one module, from one server, which then has their average."""
    model = plain()
    optimizer = sgd(model)
    server = copy.deepcopy(model.state_dict())
    for _ in range(2):
        found: list[dict[str, Tensor]] = []
        for client in range(3):
            model.load_state_dict(server)
            for inputs, targets in batches(9)[client::3]:
                optimizer.zero_grad()
                mse(model(inputs), targets).backward()
                optimizer.step()
            found.append(copy.deepcopy(model.state_dict()))
        server = {name: torch.stack([one[name] for one in found]).mean(0) for name in server}


def looks_ahead() -> None:
    """Go half of the way back to slow weights after every fourth step."""
    model = plain()
    optimizer = sgd(model, momentum=0.9)
    slow = [weight.detach().clone() for weight in model.parameters()]
    for index, (inputs, targets) in enumerate(batches(12)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index % 4 == 3:
            with torch.no_grad():
                for weight, kept in zip(model.parameters(), slow, strict=True):
                    weight.copy_(kept.lerp_(weight, 0.5))


def anneals_on_one_batch() -> None:
    """Train on all data at once: each update is an epoch, and the scheduler counts them."""
    model = plain()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5)
    ((inputs, targets),) = batches(1)
    for _ in range(24):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


def anneals_by_epochs() -> None:
    """Step the scheduler after each of short epochs."""
    model = plain()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1)
    for _ in range(8):
        for inputs, targets in batches(3):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()
        scheduler.step()


def warms_up_in_bfloat16() -> None:
    """Begin with rates that do not move weights of two bytes yet."""
    model = network().bfloat16()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda index: (index + 1) / 1000)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs.bfloat16()), targets.bfloat16()).backward()
        optimizer.step()
        scheduler.step()


def short_last_windows() -> None:
    """Step short epochs' last windows, of losses that are divided by the number of batches."""
    model = plain()
    optimizer = sgd(model)
    for _ in range(4):
        for index, (inputs, targets) in enumerate(batches(3)):
            (mse(model(inputs), targets) / 3).backward()
            if index % 2 or index == 2:
                optimizer.step()
                optimizer.zero_grad()


def says_that_it_is_frozen() -> None:
    """Freeze a layer, and keep beside it that it is frozen."""
    model = plain()
    first: Any = model[0].requires_grad_(False)
    first.requires_grad = False
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script)
    for script in (
        *(puts_its_weights_back, averages_three_clients, looks_ahead, anneals_on_one_batch, anneals_by_epochs),
        *(warms_up_in_bfloat16, short_last_windows, says_that_it_is_frozen),
    )
)
