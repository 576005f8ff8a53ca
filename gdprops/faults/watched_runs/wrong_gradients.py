"""Watched scripts whose steps use the wrong gradients: old ones, borrowed ones, none, or those of other weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

from gdprops.faults.fault import Fault
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, ragged, sgd


def never_zeroes() -> None:
    """Forget zero_grad."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        mse(model(inputs), targets).backward()
        optimizer.step()


def zeroes_only_the_head() -> None:
    """Clear the gradients of the last layer alone."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        model[2].zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def steps_twice() -> None:
    """Step twice on one gradient."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        optimizer.step()


def keeps_frozen_gradients() -> None:
    """Freeze a layer in the middle of training, and let its last gradient move it on."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = None
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index == 1:
            model[0].requires_grad_(False)


def zeroes_before_the_step() -> None:
    """Clear the gradients between backward and step."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        mse(model(inputs), targets).backward()
        optimizer.zero_grad()
        optimizer.step()


def penalty_is_cleared() -> None:
    """Clear the gradients of the penalty before those of the loss come."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        penalty = torch.stack([weight.square().sum() for weight in model.parameters()]).sum()
        (0.01 * penalty).backward()
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def writes_between_look_and_step() -> None:
    """Renormalize a weight after backward, before the step."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        weight = next(model.parameters()).data
        weight /= weight.norm(dim=1, keepdim=True)
        optimizer.step()


def averages_before_the_step() -> None:
    """Put the averaged weights into the model before the step, not after training."""
    model = plain()
    optimizer, average = sgd(model), copy.deepcopy(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
            mean.data.lerp_(weight.data, 0.1)
            weight.data.copy_(mean.data)
        optimizer.step()


def steps_inside_autocast() -> None:
    """Open one autocast region around the whole loop: its copies of the weights are never made anew."""
    model = plain()
    optimizer = sgd(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for inputs, targets in batches():
            optimizer.zero_grad()
            mse(model(inputs).float(), targets).backward()
            optimizer.step()


def keeps_the_generators_gradient() -> None:
    """Let the discriminator keep what the generator's loss has left in it."""
    generator, discriminator = plain(), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    makes, judges = sgd(generator), sgd(discriminator)
    for noise, real in batches():
        makes.zero_grad()
        fake = generator(noise)
        (-discriminator(fake)).mean().backward()
        makes.step()
        (discriminator(fake.detach()) - discriminator(real)).mean().backward()
        judges.step()
        judges.zero_grad()


def actors_loss_in_the_critic() -> None:
    """Zero the critic before the actor's backward, and not after it."""
    actor, critic = plain(), nn.Linear(2, 1)
    acts, values = sgd(actor), sgd(critic)
    for states, rewards in batches():
        values.zero_grad()
        acts.zero_grad()
        (-critic(actor(states))).mean().backward()
        acts.step()
        critic(rewards).square().mean().backward()
        values.step()


def means_of_ragged_means() -> None:
    """Average the means of micro-batches of different sizes."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(ragged(12)):
        (mse(model(inputs), targets) / 3).backward()
        if index % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()


def sweeps_block_by_block() -> None:
    """Look and step for each layer in turn on the same batch."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        for layer in (model[0], model[2]):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            for other in (model[0], model[2]):
                for parameter in other.parameters() if other is not layer else ():
                    parameter.grad = None
            optimizer.step()


def sweeps_with_an_optimizer_each() -> None:
    """Look and step with the optimizer of each layer in turn on the same batch."""
    model = plain()
    optimizers = [sgd(layer) for layer in (model[0], model[2])]
    for inputs, targets in batches():
        for optimizer in optimizers:
            model.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()


def freezes_all_but_one_layer() -> None:
    """Freeze all layers but one, look and step, one layer after the other on the same batch."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        for layer in (model[0], model[2]):
            model.requires_grad_(False)
            layer.requires_grad_(True)
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()


def stays_in_evaluation_mode() -> None:
    """Measure in evaluation mode after some steps, and never go back."""
    model = network()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index == 2:
            model.eval()
            with torch.no_grad():
                mse(model(inputs), targets)


FAULTS = (
    Fault(
        "script-never-zeroes",
        "Never clears the gradients.",
        "stackoverflow.com/questions/60335387",
        script=never_zeroes,
    ),
    Fault("script-zeroes-only-the-head", "Clears the gradients of one layer only.", script=zeroes_only_the_head),
    Fault("script-steps-twice", "Steps twice on one gradient.", script=steps_twice),
    Fault(
        "script-keeps-frozen-gradients",
        "A layer frozen later moves on by its last gradient.",
        script=keeps_frozen_gradients,
    ),
    Fault(
        "script-zeroes-before-the-step",
        "Clears the gradients between backward and step.",
        script=zeroes_before_the_step,
    ),
    Fault("script-penalty-is-cleared", "Clears a penalty's gradients before any step.", script=penalty_is_cleared),
    Fault(
        "script-writes-between-look-and-step",
        "Writes to a weight after backward and before the step.",
        "pytorch/pytorch#39141",
        script=writes_between_look_and_step,
    ),
    Fault(
        "script-averages-before-the-step",
        "Puts averaged weights in before the step.",
        "ostris/ai-toolkit#1034",
        script=averages_before_the_step,
    ),
    Fault("script-steps-inside-autocast", "Steps inside one autocast region.", script=steps_inside_autocast),
    Fault(
        "script-keeps-the-generators-gradient",
        "The discriminator descends the generator's loss too.",
        "Lightning-AI/pytorch-lightning#557",
        script=keeps_the_generators_gradient,
    ),
    Fault(
        "script-actors-loss-in-the-critic",
        "The critic descends the actor's loss too.",
        "Toni-SM/skrl#425",
        script=actors_loss_in_the_critic,
    ),
    Fault(
        "script-means-of-ragged-means",
        "Averages means over different counts.",
        "huggingface/transformers#34191",
        script=means_of_ragged_means,
    ),
    Fault("script-sweeps-block-by-block", "Looks again for each layer.", script=sweeps_block_by_block),
    Fault(
        "script-sweeps-with-an-optimizer-each", "Looks again for each optimizer.", script=sweeps_with_an_optimizer_each
    ),
    Fault(
        "script-freezes-all-but-one-layer", "Looks again, all layers but one frozen.", script=freezes_all_but_one_layer
    ),
    Fault(
        "script-stays-in-evaluation-mode",
        "Goes on training in evaluation mode.",
        "fartashf/vsepp#4",
        script=stays_in_evaluation_mode,
    ),
)
