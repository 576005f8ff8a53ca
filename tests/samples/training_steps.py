"""Training steps as people write them: correct ones of unusual plumbing, and faulty ones named for the fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Step = Callable[[Tensor, Tensor], Any]


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def linears(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if next(iter(module.parameters(recurse=False)), None) is not None]


def ordinary(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = loss_fn(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call] # torch's
        optimizer.step()
        return loss

    return step, optimizer


def with_momentum_and_a_scheduler(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))

    def step(x: Tensor, y: Tensor) -> float:
        scheduler.step()
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step, optimizer


def measures_its_norm(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)

    def step(x: Tensor, y: Tensor) -> float:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        total = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
        optimizer.step()
        return float(total)

    return step, optimizer


class SharpnessAware(torch.optim.Optimizer):
    """SAM as it is written: the gradient is there before ``step``, whose closure gives that of the worst place near."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.1})
        self.base = torch.optim.SGD(self.param_groups, lr=0.1)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # as people write it
        assert closure is not None, "it requires a closure"
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        start = [p.clone() for p in held]
        length = torch.stack([p.grad.norm() for p in held if p.grad is not None]).norm() + 1e-12
        for p in held:
            p.add_(0.05 * p.grad / length)
        self.zero_grad()
        torch.enable_grad()(closure)()
        for p, was in zip(held, start, strict=True):
            p.copy_(was)
        self.base.step()


def sharpness_aware(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = SharpnessAware(model.parameters())

    def step(x: Tensor, y: Tensor) -> None:
        def closure() -> None:
            loss_fn(model(x), y).backward()

        closure()
        optimizer.step(closure)
        optimizer.zero_grad()

    return step, optimizer


def adamw(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad(set_to_none=False)
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def in_backward(model: nn.Module, loss_fn: nn.Module) -> Step:
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters() if p.requires_grad}

    def hook(p: Tensor) -> None:
        optimizers[p].step()  # type: ignore[index] # the hook is handed the parameter itself
        optimizers[p].zero_grad()  # type: ignore[index] # likewise

    for p in optimizers:
        p.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call] # torch's
    return lambda x, y: loss_fn(model(x), y).backward()


def without_an_optimizer(model: nn.Module, loss_fn: nn.Module) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        moving = [p for p in model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss_fn(model(x), y), moving, allow_unused=True)
        with torch.no_grad():
            for p, g in zip(moving, gradients, strict=True):
                if g is not None:
                    p.sub_(0.1 * g)

    return step


def one_step_call_per_parameter(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    moving = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(moving, lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        gradients = [p.grad for p in moving]
        optimizer.zero_grad()
        for p, g in zip(moving, gradients, strict=True):
            p.grad = g
            optimizer.step()
            p.grad = None

    return step, optimizer


def clips_its_norm(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()

    return step, optimizer


def layer_by_layer(model: nn.Module, loss_fn: nn.Module, *, back: bool = False, lr: float = 0.1) -> Step:
    layers = linears(model)[::-1] if back else linears(model)
    optimizers = [torch.optim.SGD(layer.parameters(recurse=False), lr=lr) for layer in layers]

    def step(x: Tensor, y: Tensor) -> None:
        for optimizer in optimizers:
            model.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

    return step


def last_layer_first(model: nn.Module, loss_fn: nn.Module) -> Step:
    return layer_by_layer(model, loss_fn, back=True)


def layer_by_layer_slowly(model: nn.Module, loss_fn: nn.Module) -> Step:
    return layer_by_layer(model, loss_fn, lr=1e-3)


def forgets_zero_grad(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def one_step_behind(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer, kept = sgd(model), list[Any]()

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        kept.append([None if p.grad is None else p.grad.clone() for p in model.parameters()])
        for p, g in zip(model.parameters(), kept[max(len(kept) - 2, 0)], strict=True):
            p.grad = g
        optimizer.step()

    return step, optimizer


def steps_twice(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        optimizer.step()

    return step, optimizer


def holds_other_tensors(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD([p.detach().clone().requires_grad_() for p in model.parameters()], lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def row_by_row(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        for row in range(len(x)):
            optimizer.zero_grad()
            loss_fn(model(x[row : row + 1]), y[row : row + 1]).backward()
            optimizer.step()

    return step, optimizer


def mean_of_means(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        parts = [slice(0, 1), slice(1, None)] if len(x) > 1 else [slice(None)]
        for part in parts:
            (loss_fn(model(x[part]), y[part]) / len(parts)).backward()
        optimizer.step()

    return step, optimizer


def half_the_loss(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        (loss_fn(model(x), y) / 2).backward()
        optimizer.step()

    return step, optimizer


def skips_biases(model: nn.Module, loss_fn: nn.Module) -> Step:
    weights = [p for name, p in model.named_parameters() if not name.endswith("bias")]
    optimizer = torch.optim.SGD(weights, lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step


def doubles_from_the_fifth_step_on(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer, taken = sgd(model), [0]

    def step(x: Tensor, y: Tensor) -> None:
        taken[0] += 1
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        for p in model.parameters():
            if taken[0] >= 5 and p.grad is not None:
                p.grad.mul_(2)
        optimizer.step()

    return step, optimizer


def doubles_from_the_third_step_on(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer, taken = sgd(model), [0]

    def step(x: Tensor, y: Tensor) -> None:
        taken[0] += 1
        optimizer.zero_grad()
        (loss_fn(model(x), y) * (2 if taken[0] >= 3 else 1)).backward()
        optimizer.step()

    return step, optimizer


def zeroes_until_the_third_step(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer, taken = sgd(model), [0]

    def step(x: Tensor, y: Tensor) -> None:
        taken[0] += 1
        if taken[0] < 3:
            optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def zeroes_too_late_from_the_third_step_on(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer, taken = sgd(model), [0]

    def step(x: Tensor, y: Tensor) -> None:
        taken[0] += 1
        if taken[0] < 3:
            optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        if taken[0] >= 3:
            optimizer.zero_grad()
        optimizer.step()

    return step, optimizer


def all_but_the_first(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    return _trains(model, loss_fn, list(model.parameters())[1:])


def the_first_by_hand(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    first, *others = model.parameters()
    step, optimizer = _trains(model, loss_fn, others)

    def as_well(x: Tensor, y: Tensor) -> None:
        step(x, y)
        if first.grad is not None:
            first.data.sub_(0.1 * first.grad)

    return as_well, optimizer


def _trains(model: nn.Module, loss_fn: nn.Module, parameters: list[nn.Parameter]) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD([{"params": parameters}], lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def scheduler_first(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        scheduler.step()
        optimizer.step()

    return step, optimizer


def maximizes(model: nn.Module, loss_fn: nn.Module, *, what: float = -1.0) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5, maximize=True)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        (what * loss_fn(model(x), y)).backward()
        optimizer.step()

    return step, optimizer


def maximizes_the_loss(model: nn.Module, loss_fn: nn.Module) -> tuple[Step, torch.optim.Optimizer]:
    return maximizes(model, loss_fn, what=1.0)
