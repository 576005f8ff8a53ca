"""Right watched scripts that look odd in what they do to weights: displaced looks, several optimizers, own updates."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.fault import Twin
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd


def sharpness_aware() -> None:
    """Look at displaced weights, go back by subtracting, and step."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        mse(model(inputs), targets).backward()
        away = [0.05 * weight.grad / weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
        with torch.no_grad():
            for weight, by in zip(model.parameters(), away, strict=True):
                weight.add_(by)
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        with torch.no_grad():
            for weight, by in zip(model.parameters(), away, strict=True):
                weight.sub_(by)
        optimizer.step()
        optimizer.zero_grad()


def extragradient() -> None:
    """Step to a point ahead, look there, go back, and step with that gradient."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        start = [weight.detach().clone() for weight in model.parameters()]
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        with torch.no_grad():
            for weight, old in zip(model.parameters(), start, strict=True):
                weight.copy_(old)
        optimizer.step()


def reptile() -> None:
    """Take some inner steps, then move a part of the way."""
    model = plain()
    for task in range(3):
        start = copy.deepcopy(model.state_dict())
        inner = sgd(model, lr=0.05)
        for inputs, targets in batches()[task : task + 3]:
            inner.zero_grad()
            mse(model(inputs), targets).backward()
            inner.step()
        model.load_state_dict({name: old + 0.5 * (model.state_dict()[name] - old) for name, old in start.items()})


def binary_weights() -> None:
    """Look at the signs of the weights, and step from the weights themselves."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        real = [weight.data.clone() for weight in model.parameters()]
        for weight in model.parameters():
            weight.data.sign_()
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        for weight, own in zip(model.parameters(), real, strict=True):
            weight.data.copy_(own)
        optimizer.step()
        for weight in model.parameters():
            weight.data.clamp_(-1, 1)


def lookahead() -> None:
    """Go back a part of the way after every third step."""
    model = plain()
    optimizer, slow = sgd(model), [weight.detach().clone() for weight in plain().parameters()]
    for index, (inputs, targets) in enumerate(batches(9)):
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        if index % 3 == 2:
            for weight, old in zip(model.parameters(), slow, strict=True):
                weight.data.copy_(old.lerp_(weight.data, 0.5))


class Nested(torch.optim.Optimizer):
    """An optimizer that lets another one on the same parameters do the work."""

    def __init__(self, base: torch.optim.Optimizer) -> None:
        super().__init__(base.param_groups, {})
        self.base, self.param_groups = base, base.param_groups

    def step(self, closure: Any = None) -> Any:
        """Step by the inner optimizer, and pull the weights to zero a little."""
        self.base.step()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data.mul_(0.99)


def nested_optimizers() -> None:
    """Train with an optimizer inside an optimizer."""
    model = plain()
    optimizer = Nested(sgd(model, momentum=0.9))
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def updates_in_backward() -> None:
    """Step each parameter in a hook as soon as its gradient is there."""
    model = plain()
    optimizers: dict[Tensor, Any] = {weight: torch.optim.SGD([weight], lr=0.1) for weight in model.parameters()}

    def update(weight: Tensor) -> None:
        optimizers[weight].step()
        optimizers[weight].zero_grad()

    for weight in model.parameters():
        weight.register_post_accumulate_grad_hook(update)
    for inputs, targets in batches():
        mse(model(inputs), targets).backward()


def master_weights() -> None:
    """Keep float32 copies of bfloat16 weights, step these, and copy them back."""
    model = plain().to(torch.bfloat16)
    masters = [weight.detach().float().requires_grad_() for weight in model.parameters()]
    optimizer = torch.optim.SGD(masters, lr=0.1, momentum=0.9)
    for inputs, targets in batches():
        model.zero_grad()
        mse(model(inputs.bfloat16()), targets.bfloat16()).backward()
        for master, weight in zip(masters, model.parameters(), strict=True):
            assert weight.grad is not None
            master.grad = weight.grad.float()
        optimizer.step()
        for master, weight in zip(masters, model.parameters(), strict=True):
            weight.data.copy_(master.data)


def two_optimizers_one_loss() -> None:
    """Train an embedding with a rule of its own."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 4, sparse=True), nn.Linear(4, 5))
    sparse, dense = torch.optim.SparseAdam(model[0].parameters(), lr=0.01), sgd(model[1])
    for index in range(6):
        tokens = torch.arange(3) + index % 3
        sparse.zero_grad()
        dense.zero_grad()
        nn.functional.cross_entropy(model(tokens), tokens).backward()
        sparse.step()
        dense.step()


def embedding_of_bounded_norm() -> None:
    """Train an embedding that renormalizes its rows while it looks them up."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 4, max_norm=0.5), nn.Linear(4, 5))
    optimizer = sgd(model)
    for index in range(6):
        tokens = torch.arange(3) + index % 3
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(tokens), tokens).backward()
        optimizer.step()


def thaws_the_body_later() -> None:
    """Train the head alone at first, and add the body to the optimizer later."""
    model = plain()
    model[0].requires_grad_(False)
    optimizer = sgd(model[2])
    for index, (inputs, targets) in enumerate(batches()):
        if index == 4:
            model[0].requires_grad_(True)
            optimizer.add_param_group({"params": model[0].parameters(), "lr": 0.01})
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def heads_that_take_turns() -> None:
    """Step one head's loss after the other on the same batch, the body with both."""
    torch.manual_seed(0)
    body, first, second = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    optimizer = sgd(nn.ModuleList([body, first, second]))
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(first(body(inputs)), targets[:, :1]).backward()
        optimizer.step()
        optimizer.zero_grad()
        mse(second(body(inputs)), targets[:, 1:]).backward()
        optimizer.step()


def epochs_on_one_batch() -> None:
    """Take several steps on one batch, as PPO does."""
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for inputs, targets in batches(3):
        for _ in range(4):
            optimizer.zero_grad()
            mse(model(inputs), targets).backward()
            optimizer.step()


def decay_written_out() -> None:
    """Shrink the weights by one factor after the step."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(1 - 0.1 * 0.01)


def averages_for_evaluation() -> None:
    """Swap averaged weights in to evaluate, and swap them out again."""
    model = plain()
    optimizer, average = sgd(model), copy.deepcopy(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()
        for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
            mean.data.lerp_(weight.data, 0.1)
        own = copy.deepcopy(model.state_dict())
        model.load_state_dict(average.state_dict())
        with torch.no_grad():
            model(inputs)
        model.load_state_dict(own)


def low_rank_adapter() -> None:
    """Train two small factors beside a frozen weight."""
    torch.manual_seed(0)
    frozen = nn.Linear(3, 2).requires_grad_(False)
    down, up = nn.Linear(3, 1, bias=False), nn.Linear(1, 2, bias=False)
    nn.init.zeros_(up.weight)
    optimizer = torch.optim.AdamW([*down.parameters(), *up.parameters()], lr=0.01)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(frozen(inputs) + up(down(inputs)), targets).backward()
        optimizer.step()


def deep_copies_as_inner_learners() -> None:
    """Adapt a copy of the model to each task, and give its gradient to the model."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        learner = copy.deepcopy(model)
        inner = sgd(learner, lr=0.05)
        for _ in range(2):
            inner.zero_grad()
            mse(learner(inputs[:3]), targets[:3]).backward()
            inner.step()
        inner.zero_grad()
        mse(learner(inputs[3:]), targets[3:]).backward()
        for weight, fast in zip(model.parameters(), learner.parameters(), strict=True):
            weight.grad = None if fast.grad is None else fast.grad.clone()
        optimizer.step()


def idle_experts() -> None:
    """Train the expert that the gate chooses; the others wait for their turn."""
    torch.manual_seed(0)
    experts, gate = nn.ModuleList([nn.Linear(3, 2) for _ in range(6)]), nn.Linear(3, 6)
    optimizer = torch.optim.Adam([*experts.parameters(), *gate.parameters()])
    for inputs, targets in batches(4):
        shares = gate(inputs).softmax(-1)
        chosen = int(shares.mean(0).argmax())
        optimizer.zero_grad()
        mse(experts[chosen](inputs) * shares[:, chosen : chosen + 1], targets).backward()
        optimizer.step()


TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script)
    for script in (
        sharpness_aware,
        extragradient,
        reptile,
        binary_weights,
        lookahead,
        nested_optimizers,
        updates_in_backward,
        master_weights,
        two_optimizers_one_loss,
        embedding_of_bounded_norm,
        thaws_the_body_later,
        heads_that_take_turns,
        epochs_on_one_batch,
        decay_written_out,
        averages_for_evaluation,
        low_rank_adapter,
        deep_copies_as_inner_learners,
        idle_experts,
    )
)
