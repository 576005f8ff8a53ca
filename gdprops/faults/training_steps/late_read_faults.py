"""Training steps that look at weights which they have already moved, or handle each tensor's state wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.named_steps import faulty_step
from gdprops.faults.training_steps.usual_loop_faults import RATE, Step, sgd

DECAY, SLOW = 0.25, 1e-3


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that require gradients."""
    return [p for p in model.parameters() if p.requires_grad]


def gradients(model: nn.Module, loss: Tensor) -> list[Tensor]:
    """Return the gradients of all trained parameters, zeros where the loss does not depend on one."""
    found = torch.autograd.grad(loss, trained(model), allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(trained(model), found, strict=True)]


def blocks_in_turn(model: nn.Module, loss_fn: nn.Module, blocks: Sequence[Sequence[Tensor]], rate: float) -> Step:
    """Return a step that looks again for every block, and moves it at once."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        for block in filter(None, blocks):
            model.zero_grad()
            loss_fn(model(inputs), targets).backward()
            for p in dict.fromkeys(block):
                p.data -= 0 if p.grad is None else rate * p.grad

    return step


def layer_by_layer(model: nn.Module, loss_fn: nn.Module, *, rate: float = RATE) -> Step:
    """Front to back, every layer moves before the next one's gradient is taken."""
    blocks = [[p for p in layer.parameters() if p.requires_grad] for layer in model.children()]
    alone = [p for name, p in model.named_parameters() if "." not in name and p.requires_grad]
    return blocks_in_turn(model, loss_fn, [*blocks, alone], rate)


def layer_by_layer_slowly(model: nn.Module, loss_fn: nn.Module) -> Step:
    """The same at a rate of 1e-3.

    The difference is a millionth.
    """
    return layer_by_layer(model, loss_fn, rate=SLOW)


def second_half_looks_late(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Nothing makes the second half of the gradients wait for the weights to be read first."""
    layers = list(model.children())
    half = (len(layers) + 1) // 2
    parts = [[p for layer in part for p in layer.parameters()] for part in (layers[:half], layers[half:])]
    return blocks_in_turn(model, loss_fn, parts, RATE)


def biases_after_weights(model: nn.Module, loss_fn: nn.Module) -> Step:
    """All weights move, and then the gradients of the biases are computed."""
    named = [(name.endswith("bias"), p) for name, p in model.named_parameters() if p.requires_grad]
    weights = [p for is_bias, p in named if not is_bias]
    return blocks_in_turn(model, loss_fn, [weights, [p for is_bias, p in named if is_bias]], RATE)


def weight_by_weight(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Every single weight moves before the next one's gradient is taken."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        for i, p in enumerate(trained(model)):
            for k in range(p.numel()):
                g = gradients(model, loss_fn(model(inputs), targets))[i]
                p.data.view(-1)[k] -= RATE * g.reshape(-1)[k]

    return step


def layers_run(model: nn.Module, inputs: Tensor) -> tuple[list[tuple[nn.Module, Tensor]], Tensor]:
    """Return every layer with its inputs, the last one first, and the outputs, ready for the error."""
    seen, h = [], inputs
    for layer in model.children():
        seen.append((layer, h.requires_grad_()))
        h = layer(h).detach()
    return seen[::-1], h.requires_grad_()


def error_at(outputs: Tensor, wanted: Sequence[Tensor], error: Tensor | None = None) -> list[Tensor]:
    """Return what an error at some outputs means for what they were computed from."""
    found = torch.autograd.grad(outputs, wanted, error, allow_unused=True) if wanted else ()
    return [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)]


def backprops_through_moved_weights(model: nn.Module, loss_fn: nn.Module) -> Step:
    """A layer's weights are adjusted, and then the errors of the layer before it are computed with them."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        layers, outputs = layers_run(model, inputs)
        (error,) = error_at(loss_fn(outputs, targets), [outputs])
        for layer, x in layers:
            for p, g in zip(trained(layer), error_at(layer(x), trained(layer), error), strict=True):
                p.data -= RATE * g
            (error,) = error_at(layer(x), [x], error)

    return step


def decays_before_it_looks(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """The decay is not ordered after the gradient, which is taken at the decayed weights."""
    optimizer = sgd(model)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        for p in trained(model):
            p.data.mul_(1 - RATE * DECAY)
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def adamw(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """Return AdamW as it is declared."""
    return torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)


def decays_the_moved_weights(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Adam has moved the weights before they decay."""
    optimizer = torch.optim.Adam(trained(model), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        for p in trained(model):
            p.data -= 0 if p.grad is None else RATE * DECAY * p.data

    return step


class Neighbourly(torch.optim.Optimizer):
    """Every tensor is also drawn down by the mean of the one before it, as it was before the step."""

    def __init__(self, parameters: Iterable[Any], *, updated: bool = False) -> None:
        super().__init__(parameters, {"lr": RATE})
        self.updated = updated

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # no closure here
        """Take one step."""
        held = [p for p in self.param_groups[0]["params"] if p.grad is not None]
        means = [p.mean() for p in held]
        for k, p in enumerate(held):
            left = 0.0 if not k else held[k - 1].mean() if self.updated else means[k - 1]
            p.sub_(RATE * (p.grad + left))


def moves_by_its_updated_neighbour(model: nn.Module, loss_fn: nn.Module) -> Step:
    """A coupled rule reads its neighbour after that one has moved."""
    optimizer = Neighbourly(trained(model), updated=True)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step


def adam(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """Return Adam as it is declared."""
    return torch.optim.Adam(parameters, lr=RATE)


def adam_step(p: Tensor, g: Tensor, m: Tensor, v: Tensor, t: int) -> None:
    """Move one tensor by Adam's rule with its averages and a count of steps."""
    m.mul_(0.9).add_(g, alpha=0.1)
    v.mul_(0.999).addcmul_(g, g, value=0.001)
    p.data -= RATE * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)


def counts_once_per_tensor(model: nn.Module, loss_fn: nn.Module) -> Step:
    """One count of steps for all tensors, advanced for each of them."""
    averages = [(torch.zeros_like(p), torch.zeros_like(p)) for p in trained(model)]
    count = 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal count
        grads = torch.autograd.grad(loss_fn(model(inputs), targets), trained(model), allow_unused=True)
        for p, g, (m, v) in zip(trained(model), grads, averages, strict=True):
            if g is not None:
                count += 1
                adam_step(p, g, m, v, count)

    return step


def counts_one_ahead(model: nn.Module, loss_fn: nn.Module) -> Step:
    """A step on zero gradients has allocated the state, and has been counted."""
    averages = [(torch.zeros_like(p), torch.zeros_like(p)) for p in trained(model)]
    count = 1

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal count
        count += 1
        for p, g, (m, v) in zip(
            trained(model), gradients(model, loss_fn(model(inputs), targets)), averages, strict=True
        ):
            adam_step(p, g, m, v, count)

    return step


def averages_in_copies(model: nn.Module, loss_fn: nn.Module) -> Step:
    """The averages are updated in copies: those that are kept stay at zero."""
    count = 0

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal count
        count += 1
        for p, g in zip(trained(model), gradients(model, loss_fn(model(inputs), targets)), strict=True):
            adam_step(p, g, torch.zeros_like(p), torch.zeros_like(p), count)

    return step


def decaying(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    """Return plain descent with decay, as it is declared."""
    return torch.optim.SGD(parameters, lr=RATE, weight_decay=DECAY)


def forgets_the_decay(model: nn.Module, loss_fn: nn.Module) -> Step:
    """Without momentum the rule takes a short cut that leaves the decay out."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        for p, g in zip(trained(model), gradients(model, loss_fn(model(inputs), targets)), strict=True):
            p.data -= RATE * g

    return step


def decays_the_unused(model: nn.Module, loss_fn: nn.Module) -> Step:
    """A missing gradient is replaced by zeros: the decay moves what takes no part."""

    def step(inputs: Tensor, targets: Tensor) -> None:
        for p, g in zip(trained(model), gradients(model, loss_fn(model(inputs), targets)), strict=True):
            p.data -= RATE * (g + DECAY * p.data)

    return step


def deposits_the_first_twice(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    """A first backward, for its buffers, is not cleared: the first step uses the gradient twice."""
    optimizer, warm = sgd(model), False

    def step(inputs: Tensor, targets: Tensor) -> None:
        nonlocal warm
        if not warm:
            loss_fn(model(inputs), targets).backward()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        warm = True

    return step, optimizer


FAULTS = (
    faulty_step(
        layer_by_layer,
        "Front to back, every layer moves before the next one's gradient is taken.",
        source="LxMLS/lxmls-guide#115",
        lr=RATE,
    ),
    faulty_step(
        layer_by_layer_slowly,
        "The same at a rate of 1e-3, where the difference is a millionth.",
        source="joelgrus/data-science-from-scratch#31",
        lr=SLOW,
    ),
    faulty_step(
        second_half_looks_late,
        "Nothing makes the second half of the gradients wait for the weights to be read first.",
        source="tensorflow/tensorflow#48855, tensorflow/java#520",
        lr=RATE,
    ),
    faulty_step(
        biases_after_weights,
        "All weights move, and then the gradients of the biases are computed.",
        source="louisjc/mnist-neural-network#1",
        lr=RATE,
    ),
    faulty_step(
        weight_by_weight,
        "Every single weight moves before the next one's gradient is taken.",
        source="kim-marcel/basic_neural_network#7",
        lr=RATE,
    ),
    faulty_step(
        backprops_through_moved_weights,
        "A layer's weights are adjusted, and then the errors of the layer before it are computed with them.",
        source="CodingTrain/Toy-Neural-Network-JS#72, Bot-Academy/NeuralNetworkFromScratch#3",
        lr=RATE,
    ),
    faulty_step(
        decays_before_it_looks,
        "The gradient is taken at weights that have already decayed.",
        source="tensorflow/addons#2683",
    ),
    faulty_step(
        decays_the_moved_weights,
        "Adam has moved the weights before they decay.",
        source="huggingface/transformers#14539",
        rule=adamw,
    ),
    faulty_step(
        moves_by_its_updated_neighbour,
        "A coupled rule reads its neighbour after that one has moved.",
        source="keras-team/keras#10769",
        rule=Neighbourly,
    ),
    faulty_step(
        counts_once_per_tensor,
        "One count of steps for all tensors, advanced for each of them.",
        source="flashlight/flashlight#143, NVIDIA/DeepLearningExamples#391",
        rule=adam,
    ),
    faulty_step(
        counts_one_ahead,
        "A step on zero gradients has allocated the state, and has been counted.",
        source="NVIDIA/Megatron-LM#5976",
        rule=adam,
    ),
    faulty_step(
        averages_in_copies,
        "The averages are updated in copies: those that are kept stay at zero.",
        source="raskr/rust-autograd#16",
        rule=adam,
    ),
    faulty_step(
        forgets_the_decay,
        "Without momentum the rule takes a short cut that leaves the decay out.",
        source="ml-explore/mlx#440",
        rule=decaying,
    ),
    faulty_step(
        decays_the_unused,
        "A missing gradient is replaced by zeros: the decay moves what takes no part.",
        source="KellerJordan/Muon#54",
        rule=decaying,
    ),
    faulty_step(
        deposits_the_first_twice,
        "The first step uses the gradient twice.",
        source="karpathy/llm.c#548",
    ),
)
