"""Right watched scripts that look odd in what they do to gradients: dropped, scaled, clipped, summed, scheduled."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader, TensorDataset

from gdprops.faults.fault import Twin
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd


def scaler_that_skips() -> None:
    """Train with a GradScaler that meets an infinite gradient, unscales before it clips, and steps a scheduler."""
    model = plain()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=2.0**16)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = mse(model(inputs).float(), targets)
        scaler.scale(loss * (1e38 if index == 2 else 1)).backward()
        scaler.unscale_(optimizer)
        clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()


def scaler_that_unscales_itself() -> None:
    """Let scaler.step unscale, in windows of two."""
    model = plain()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=1024.0)
    for index, (inputs, targets) in enumerate(batches()):
        scaler.scale(mse(model(inputs), targets) / 2).backward()
        if index % 2:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()


def autocast_at_each_step() -> None:
    """Open an autocast region for every step, update included."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            optimizer.zero_grad()
            mse(model(inputs).float(), targets).backward()
            optimizer.step()


def penalty_of_a_gradient_in_place() -> None:
    """Let backward deposit gradients that can be differentiated, and penalize their size in the loss."""
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for inputs, targets in batches():
        optimizer.zero_grad()
        loss = mse(model(inputs), targets)
        torch.autograd.backward(loss, create_graph=True)
        slopes = [weight.grad for weight in model.parameters() if weight.grad is not None]
        optimizer.zero_grad()
        (loss + 0.01 * torch.stack([slope.square().sum() for slope in slopes]).sum()).backward()
        optimizer.step()


def private_gradients() -> None:
    """Clip each row's gradient, add them up and add noise."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches(4):
        sums = [torch.zeros_like(weight) for weight in model.parameters()]
        for row, target in zip(inputs, targets, strict=True):
            optimizer.zero_grad()
            mse(model(row), target).backward()
            clip_grad_norm_(model.parameters(), 1.0)
            for total, weight in zip(sums, model.parameters(), strict=True):
                assert weight.grad is not None
                total.add_(weight.grad)
        for total, weight in zip(sums, model.parameters(), strict=True):
            weight.grad = (total + 0.01 * torch.randn_like(total)) / len(inputs)
        optimizer.step()


def projected_gradients() -> None:
    """Take the gradient of each task, and step with their sum after removing what conflicts."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        tasks = []
        for column in range(2):
            optimizer.zero_grad()
            mse(model(inputs)[:, column], targets[:, column]).backward()
            tasks.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
        for weight, one, other in zip(model.parameters(), *tasks, strict=True):
            weight.grad = one + other
        optimizer.step()


def skips_spikes() -> None:
    """Drop the gradients of a batch whose norm is too large."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        mse(model(inputs * (100 if index == 3 else 1)), targets).backward()
        if clip_grad_norm_(model.parameters(), float("inf")) < 10:
            optimizer.step()


def leaves_out_the_last_batch_of_each_epoch() -> None:
    """Make no step on the short last batch, whose gradients are cleared when the next one comes."""
    model = plain()
    optimizer = sgd(model)
    for _ in range(3):
        for index, (inputs, targets) in enumerate(batches(4)):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            if index < 3:
                optimizer.step()


def logs_the_norm_after_the_step() -> None:
    """Use clipping to 1e9 as a way to get the norm, when the step is done."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        clip_grad_norm_(model.parameters(), 1e9)


def clips_only_where_needed() -> None:
    """Look at the norm oneself, and call the clip where it is too large."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        mse(model(inputs * (1 if index % 3 else 5)), targets).backward()
        norm = torch.stack([weight.grad.norm() for weight in model.parameters() if weight.grad is not None]).norm()
        if norm > 1.0:
            clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def clips_values_of_one_of_two() -> None:
    """Clip the entries of the actor's gradient, and not the critic's."""
    actor, critic = plain(), nn.Linear(3, 1)
    acts, values = sgd(actor), sgd(critic)
    for inputs, targets in batches():
        acts.zero_grad()
        mse(actor(inputs), targets).backward()
        clip_grad_value_(actor.parameters(), 0.01)
        acts.step()
        values.zero_grad()
        critic(inputs).square().mean().backward()
        values.step()


def windows_with_a_stepped_tail() -> None:
    """Accumulate four batches, and step an epoch's short last window too."""
    model = network()
    optimizer = sgd(model)
    for _ in range(2):
        data = batches(6)
        for index, (inputs, targets) in enumerate(data):
            (mse(model(inputs), targets) / 4).backward()
            if index % 4 == 3 or index + 1 == len(data):
                optimizer.step()
                optimizer.zero_grad()


def loader_with_a_short_last_batch() -> None:
    """Accumulate two batches of a loader whose last batch is short, evaluating in the middle of a window."""
    model = network()
    optimizer = sgd(model)
    generator = torch.Generator().manual_seed(1)
    rows = TensorDataset(torch.randn(22, 3, generator=generator), torch.randn(22, 2, generator=generator))
    loader, others = DataLoader(rows, batch_size=4), DataLoader(rows, batch_size=8)
    for _ in range(3):
        for index, (inputs, targets) in enumerate(loader):
            model.train()
            (mse(model(inputs), targets) / 2).backward()
            model.eval()
            with torch.no_grad():
                for seen, _ in others:
                    model(seen)
            if index % 2:
                optimizer.step()
                optimizer.zero_grad()


def adversarial_examples() -> None:
    """Move the inputs uphill, drop what that left in the weights, and train on them."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        harder = inputs.clone().requires_grad_()
        mse(model(harder), targets).backward()
        assert harder.grad is not None
        harder = (harder + 0.1 * harder.grad.sign()).detach()
        optimizer.zero_grad()
        mse(model(harder), targets).backward()
        optimizer.step()


def two_losses_one_step() -> None:
    """Add up the gradients of two losses in two backward passes, for two optimizers that share no parameter."""
    torch.manual_seed(0)
    body, first, second = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    optimizer = sgd(nn.ModuleList([body, first, second]))
    for inputs, targets in batches():
        optimizer.zero_grad()
        hidden = body(inputs)
        mse(first(hidden), targets[:, :1]).backward(retain_graph=True)
        mse(second(hidden), targets[:, 1:]).backward()
        optimizer.step()


def schedules_of_several_parts() -> None:
    """Warm up, then anneal, in one scheduler made of two; fast-forwarded on resume."""
    model = plain()
    optimizer = sgd(model)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
    anneal = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, anneal], milestones=[3])
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()


TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script)
    for script in (
        scaler_that_skips,
        scaler_that_unscales_itself,
        autocast_at_each_step,
        penalty_of_a_gradient_in_place,
        private_gradients,
        projected_gradients,
        skips_spikes,
        leaves_out_the_last_batch_of_each_epoch,
        logs_the_norm_after_the_step,
        clips_only_where_needed,
        clips_values_of_one_of_two,
        windows_with_a_stepped_tail,
        loader_with_a_short_last_batch,
        adversarial_examples,
        two_losses_one_step,
        schedules_of_several_parts,
    )
)
