"""Right watched scripts in which something is there for a moment, and is gone when the step comes."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from gdprops.faults.fault import Twin
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd


def clips_what_has_nothing_to_give() -> None:
    """Clip a fresh generator, and parts that have no parameters."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        clip_grad_norm_(filter(lambda weight: weight.requires_grad, model.parameters()), 0.01)
        clip_grad_norm_([], 1.0)
        optimizer.step()


def freezes_for_good() -> None:
    """Freeze a layer in the middle of training, whose gradient is None from then on."""
    model = plain()
    optimizer = sgd(model, momentum=0.9)
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index == 2:
            model[0].requires_grad_(False)


def freezes_around_a_look() -> None:
    """Freeze a critic while the actor looks through it, with gradients that are cleared in place."""
    actor, critic = plain(), nn.Linear(2, 1)
    optimizer = torch.optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.01, momentum=0.9)
    for inputs, targets in batches():
        optimizer.zero_grad(set_to_none=False)
        critic.requires_grad_(False)
        critic(actor(inputs)).mean().backward()
        critic.requires_grad_(True)
        critic(targets).square().mean().backward()
        optimizer.step()


def evaluates_with_gradients() -> None:
    """Measure gradients in evaluation mode, and clear them before training goes on."""
    model = network()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        model.train()
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index % 3 == 2:
            model.eval()
            for seen, wanted in batches(2):
                mse(model(seen), wanted).backward()


def regularizes_now_and_then() -> None:
    """Add a penalty in both modes at every fourth step alone."""
    model = network()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        model.train()
        mse(model(inputs), targets).backward()
        if index % 4 == 3:
            model.eval()
            (0.04 * model(inputs).square().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()


def scales_in_several_ways() -> None:
    """Scale two losses apart, a penalty by hand, and add what needs no scale when the gradients are unscaled."""
    model = plain()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=1024.0)
    for inputs, targets in batches():
        optimizer.zero_grad()
        outputs = model(inputs)
        (scaler.scale(mse(outputs, targets)) + scaler.scale(outputs.abs().mean())).backward(retain_graph=True)
        (0.1 * outputs.square().mean() * scaler.get_scale()).backward(retain_graph=True)
        penalty = 0.1 * outputs.square().mean()
        penalty.backward(scaler.scale(torch.ones(())), retain_graph=True)
        scaler.unscale_(optimizer)
        (0.1 * outputs.square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()


def one_scaler_for_one_of_two() -> None:
    """Train one of two networks with a scaler, and the other one without, after it."""
    first, second = plain(), nn.Linear(2, 1)
    steps, others = sgd(first), sgd(second)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for inputs, targets in batches():
        steps.zero_grad()
        others.zero_grad()
        scaler.scale(mse(first(inputs), targets)).backward()
        scaler.step(steps)
        scaler.update()
        second(targets).square().mean().backward()
        others.step()


def penalizes_the_gradients_norm() -> None:
    """Step with a weighted mean of two looks, one of them displaced."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        (0.2 * mse(model(inputs), targets)).backward()
        away = [0.05 * weight.grad / weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
        with torch.no_grad():
            for weight, by in zip(model.parameters(), away, strict=True):
                weight.add_(by)
        (0.8 * mse(model(inputs), targets)).backward()
        with torch.no_grad():
            for weight, by in zip(model.parameters(), away, strict=True):
                weight.sub_(by)
        optimizer.step()


def smooths_over_noise() -> None:
    """Step with the mean of looks at weights with noise."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        own = [weight.detach().clone() for weight in model.parameters()]
        for _ in range(2):
            with torch.no_grad():
                for weight, middle in zip(model.parameters(), own, strict=True):
                    weight.copy_(middle + 0.05 * torch.randn_like(middle))
            (mse(model(inputs), targets) / 2).backward()
        with torch.no_grad():
            for weight, middle in zip(model.parameters(), own, strict=True):
                weight.copy_(middle)
        optimizer.step()


def loads_again_after_a_bad_batch() -> None:
    """Go back to what was saved when a loss is too large, and leave out that batch."""
    model = plain()
    optimizer, saved = sgd(model), copy.deepcopy(plain().state_dict())
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        if index == 3:
            model.load_state_dict(saved)
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
        optimizer.step()
        saved = copy.deepcopy(model.state_dict())


def clamps_the_critic_first() -> None:
    """Clamp the critic's weights before each of its looks, when the generator has looked through it."""
    torch.manual_seed(0)
    generator, critic = plain(), nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    judges = torch.optim.RMSprop(critic.parameters(), lr=1e-2)
    makes = torch.optim.RMSprop(generator.parameters(), lr=1e-2)
    for noise, real in batches():
        for weight in critic.parameters():
            weight.data.clamp_(-0.1, 0.1)
        judges.zero_grad()
        (critic(generator(noise).detach()) - critic(real)).mean().backward()
        judges.step()
        makes.zero_grad()
        (-critic(generator(noise))).mean().backward()
        makes.step()


def slow_weights_in_a_module() -> None:
    """Keep the slow weights of Lookahead in a module that is evaluated too."""
    model = plain()
    optimizer, slow = sgd(model), copy.deepcopy(model)
    for index, (inputs, targets) in enumerate(batches(12)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index % 2:
            with torch.no_grad():
                slow(inputs)
                for weight, old in zip(model.parameters(), slow.parameters(), strict=True):
                    weight.copy_(old.lerp_(weight, 0.5))


def clients_begin_from_one_network() -> None:
    """Let clients begin each round where the common network is, and put their mean there."""
    torch.manual_seed(0)
    common, clients = plain(), [plain(), plain()]
    optimizers = [torch.optim.Adam(client.parameters()) for client in clients]
    for _ in range(3):
        for client, optimizer in zip(clients, optimizers, strict=True):
            client.load_state_dict(common.state_dict())
            for inputs, targets in batches(2):
                optimizer.zero_grad()
                mse(client(inputs), targets).backward()
                optimizer.step()
        with torch.no_grad():
            common(inputs)
            for weight, one, other in zip(common.parameters(), *(c.parameters() for c in clients), strict=True):
                weight.copy_((one + other) / 2)


def worker_gives_its_gradient() -> None:
    """Hand a worker's gradient over to the shared network, and clear both."""
    shared, worker = plain(), plain()
    optimizer = torch.optim.Adam(shared.parameters(), lr=0.01)
    for inputs, targets in batches():
        worker.load_state_dict(shared.state_dict())
        optimizer.zero_grad()
        worker.zero_grad()
        mse(worker(inputs), targets).backward()
        for weight, own in zip(shared.parameters(), worker.parameters(), strict=True):
            weight.grad = own.grad
        optimizer.step()


TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script)
    for script in (
        *(clips_what_has_nothing_to_give, freezes_for_good, freezes_around_a_look, evaluates_with_gradients),
        *(regularizes_now_and_then, scales_in_several_ways, one_scaler_for_one_of_two, penalizes_the_gradients_norm),
        *(smooths_over_noise, loads_again_after_a_bad_batch, clamps_the_critic_first, slow_weights_in_a_module),
        *(clients_begin_from_one_network, worker_gives_its_gradient),
    )
)
