"""Watched scripts in which something stays that was there for a moment: a gradient, a displacement, an iterator."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from gdprops.faults.fault import Fault
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd


def clips_what_the_optimizer_has_used_up() -> None:
    """Give one generator to the optimizer, and then to every clip."""
    model = plain()
    parameters = filter(lambda weight: weight.requires_grad, model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        clip_grad_norm_(parameters, 0.01)
        optimizer.step()


def clips_with_the_norm_of_what_is_used_up() -> None:
    """Take the norm of a generator's gradients, and clip the generator by that norm."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        parameters = model.parameters()
        norm = nn.utils.get_total_norm([weight.grad for weight in parameters if weight.grad is not None])
        nn.utils.clip_grads_with_norm_(parameters, 0.01, norm)
        optimizer.step()


def freezes_with_zeros() -> None:
    """Freeze a layer in the middle of training whose gradients are cleared in place: momentum moves it on."""
    model = plain()
    optimizer = sgd(model, momentum=0.9)
    for index, (inputs, targets) in enumerate(batches()):
        optimizer.zero_grad(set_to_none=False)
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index == 2:
            model[0].requires_grad_(False)


def evaluation_leaves_gradients() -> None:
    """Call backward in evaluation, between zero_grad and the next step."""
    model = network()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches()):
        model.train()
        mse(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        if index % 3 == 2:
            model.eval()
            for seen, wanted in batches(2):
                mse(model(seen), wanted).backward()


def scales_one_of_two_losses() -> None:
    """Scale the loss, and not the penalty whose backward call comes beside it."""
    model = plain()
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=1024.0)
    for inputs, targets in batches():
        optimizer.zero_grad()
        outputs = model(inputs)
        scaler.scale(mse(outputs, targets)).backward(retain_graph=True)
        (0.1 * outputs.square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()


def adds_what_is_not_scaled() -> None:
    """Add a penalty to the loss when that has been scaled already; the fused optimizer unscales by itself."""
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for inputs, targets in batches():
        optimizer.zero_grad()
        outputs = model(inputs)
        (scaler.scale(mse(outputs, targets)) + 0.1 * outputs.square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()


def unscales_too_early() -> None:
    """Unscale and clip at the first micro-batch of two: the second one's gradient stays scaled."""
    model = plain()
    optimizer, scaler = sgd(model, lr=1e-4), torch.amp.GradScaler("cpu", init_scale=1024.0)
    for index, (inputs, targets) in enumerate(batches()):
        scaler.scale(mse(model(inputs), targets) / 2).backward()
        if index % 2 == 0:
            scaler.unscale_(optimizer)
        else:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()


def steps_from_displaced_weights() -> None:
    """Look at displaced weights as sharpness-aware minimization does, and forget to go back."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        with torch.no_grad():
            for weight in model.parameters():
                assert weight.grad is not None
                weight.add_(0.05 * weight.grad / weight.grad.norm())
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def adds_up_two_looks() -> None:
    """Look at displaced weights and go back, and forget to clear the gradient of the first look."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        away = [0.05 * weight.grad / weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
        for weight, by in zip(model.parameters(), away, strict=True):
            weight.data.add_(by)
        mse(model(inputs), targets).backward()
        for weight, by in zip(model.parameters(), away, strict=True):
            weight.data.sub_(by)
        optimizer.step()


def pulls_the_learner_to_its_target() -> None:
    """Exchange both networks in the soft update: the one that is trained follows the one that is not."""
    learner = plain()
    target = copy.deepcopy(learner).requires_grad_(False)
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.01)
    for inputs, rewards in batches():
        with torch.no_grad():
            goal = rewards + 0.9 * target(inputs)
        optimizer.zero_grad()
        mse(learner(inputs), goal).backward()
        optimizer.step()
        for slow, fast in zip(learner.parameters(), target.parameters(), strict=True):
            slow.data.copy_(0.1 * fast.data + 0.9 * slow.data)


def never_clears_the_model_of_its_masters() -> None:
    """Clear the gradients of the float32 copies that are stepped, and never those of the model they come from."""
    model = plain().to(torch.bfloat16)
    masters = [weight.detach().float().requires_grad_() for weight in model.parameters()]
    optimizer = torch.optim.SGD(masters, lr=0.05)
    for inputs, targets in batches():
        (128 * mse(model(inputs.bfloat16()), targets.bfloat16())).backward()
        for master, weight in zip(masters, model.parameters(), strict=True):
            assert weight.grad is not None
            master.grad = weight.grad.float() / 128
        optimizer.step()
        optimizer.zero_grad()
        for master, weight in zip(masters, model.parameters(), strict=True):
            weight.data.copy_(master.data)


def gives_a_workers_sum_to_the_shared_network() -> None:
    """Hand a worker's gradient over to the shared network, whose optimizer clears the shared network's alone."""
    shared, worker = plain(), plain()
    optimizer = torch.optim.Adam(shared.parameters(), lr=0.01)
    for inputs, targets in batches():
        worker.load_state_dict(shared.state_dict())
        optimizer.zero_grad()
        mse(worker(inputs), targets).backward()
        for weight, own in zip(shared.parameters(), worker.parameters(), strict=True):
            weight.grad = own.grad
        optimizer.step()


FAULTS = (
    Fault(
        "script-clips-what-is-used-up",
        "Clips a generator that the optimizer has used up.",
        "PixArt-alpha/PixArt-alpha#160",
        script=clips_what_the_optimizer_has_used_up,
    ),
    Fault(
        "script-clips-with-the-norm-of-what-is-used-up",
        "Takes the norm of a generator, and clips that.",
        "pytorch/torchtitan#1258",
        script=clips_with_the_norm_of_what_is_used_up,
    ),
    Fault("script-freezes-with-zeros", "A layer frozen later moves on by momentum.", script=freezes_with_zeros),
    Fault(
        "script-evaluation-leaves-gradients",
        "Calls backward in evaluation, and steps with that.",
        script=evaluation_leaves_gradients,
    ),
    Fault("script-scales-one-of-two-losses", "Scales one of two losses.", script=scales_one_of_two_losses),
    Fault("script-adds-what-is-not-scaled", "Adds a penalty to a scaled loss.", script=adds_what_is_not_scaled),
    Fault("script-unscales-too-early", "Unscales half of a window.", script=unscales_too_early),
    Fault(
        "script-steps-from-displaced-weights", "Does not go back before the step.", script=steps_from_displaced_weights
    ),
    Fault("script-adds-up-two-looks", "Adds up two looks at different weights.", script=adds_up_two_looks),
    Fault(
        "script-pulls-the-learner-to-its-target",
        "The learner follows its target network.",
        script=pulls_the_learner_to_its_target,
    ),
    Fault(
        "script-never-clears-the-model-of-its-masters",
        "Clears the master copies' gradients alone.",
        script=never_clears_the_model_of_its_masters,
    ),
    Fault(
        "script-gives-a-workers-sum-to-the-shared-network",
        "A worker's gradient is never cleared.",
        script=gives_a_workers_sum_to_the_shared_network,
    ),
)
