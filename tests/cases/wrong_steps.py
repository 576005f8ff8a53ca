"""Training steps that are wrong in one way each, and right ones beside them: what must be named, and what must not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

RATE = 0.1
Step = Callable[[Tensor, Tensor], None]
Built = tuple[Step, torch.optim.Optimizer]


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def descent(model: nn.Module, rate: float = RATE) -> torch.optim.Optimizer:
    return torch.optim.SGD(trained(model), lr=rate)


def momentum(parameters: Iterable[Any]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=RATE, momentum=0.9)


def of_loss(change: Callable[[nn.Module, Any, Tensor, Tensor], Tensor]) -> Callable[[nn.Module, Any], Built]:
    """Return a textbook step on another loss than the batch's."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer = descent(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            change(model, loss_fn, x, y).backward()  # type: ignore[no-untyped-call] # torch's own
            optimizer.step()

        return step, optimizer

    return build


def of_gradients(change: Callable[[nn.Module, torch.optim.Optimizer], None], scale: float = 1.0) -> Any:
    """Return a textbook step that changes what is in .grad before the update."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer = descent(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            (loss_fn(model(x), y) * scale).backward()
            change(model, optimizer)
            optimizer.step()

        return step, optimizer

    return build


def graded(model: nn.Module) -> list[tuple[nn.Parameter, Tensor]]:
    return [(p, p.grad) for p in model.parameters() if p.grad is not None]


def steps_before_backward(model: nn.Module, loss_fn: Any) -> Built:
    optimizer = descent(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.step()
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()

    return step, optimizer


def smooths_its_loss(share: float) -> Callable[[nn.Module, Any], Built]:
    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer, average = descent(model), list[Tensor]()

        def step(x: Tensor, y: Tensor) -> None:
            loss = loss_fn(model(x), y)
            average.append(loss if not average else (1 - share) * average[-1].detach() + share * loss)
            optimizer.zero_grad()
            average[-1].backward()  # type: ignore[no-untyped-call] # torch's own
            optimizer.step()

        return step, optimizer

    return build


def averages_all_losses(model: nn.Module, loss_fn: Any) -> Built:
    optimizer, losses = descent(model), list[Tensor]()

    def step(x: Tensor, y: Tensor) -> None:
        loss = loss_fn(model(x), y)
        mean = (sum(losses) + loss) / (len(losses) + 1)
        losses.append(loss.detach())
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()

    return step, optimizer


def clips_the_scaled(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for _, g in graded(model):
        g.div_(1024)


def clips_the_unscaled(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for _, g in graded(model):
        g.div_(1024)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)


def in_two_groups(clip: Callable[[list[dict[str, Any]]], object]) -> Callable[[nn.Module, Any], Built]:
    """Return a step whose optimizer has the parameters in turn in two groups, and that clips them somehow."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        parameters = trained(model)
        groups = [{"params": parameters[k::2]} for k in (0, 1) if parameters[k::2]]
        optimizer = torch.optim.SGD(groups, lr=RATE)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            clip(optimizer.param_groups)
            optimizer.step()

        return step, optimizer

    return build


clips_each_group = in_two_groups(lambda groups: [nn.utils.clip_grad_norm_(group["params"], 0.1) for group in groups])
clips_all_groups = in_two_groups(
    lambda groups: nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 0.1)
)


def normalizes_one_by_one(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Normalizes views of the gradients, for a similarity that is logged."""
    for _, g in graded(model):
        flat = g.view(-1)
        flat /= flat.norm() + 1e-12


def normalizes_a_copy(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for _, g in graded(model):
        flat = g.flatten().clone()
        flat /= flat.norm() + 1e-12


def trains_on_from_its_average(model: nn.Module, loss_fn: Any) -> Built:
    optimizer, kept = descent(model), [p.detach().clone() for p in trained(model)]

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            for p, average in zip(trained(model), kept, strict=True):
                p.copy_(average.lerp_(p, 0.125))

    return step, optimizer


def climbs_by_hand(*, comes_back: bool) -> Callable[[nn.Module, Any], Built]:
    """Return SAM written out, whose climb is undone before the update, or is not."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer = descent(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            held = [p.detach().clone() for p in model.parameters()]
            slopes = [p for p in model.parameters() if p.grad is not None]
            length = torch.stack([p.grad.norm() for p in slopes if p.grad is not None]).norm() + 1e-12
            with torch.no_grad():
                for p in slopes:
                    p.add_(p.grad / length, alpha=0.05)
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            if comes_back:
                with torch.no_grad():
                    for p, was in zip(model.parameters(), held, strict=True):
                        p.copy_(was)
            optimizer.step()

        return step, optimizer

    return build


def rounds_to(dtype: torch.dtype) -> Callable[[nn.Module, torch.optim.Optimizer], None]:
    def change(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for p in model.parameters():
            if p.grad is not None:
                p.grad = p.grad.to(dtype).to(p.dtype)

    return change


def averages(*, into_weights: bool) -> Callable[[nn.Module, Any], Built]:
    """Return a step that keeps a running average of the weights, or mixes it into them by mistake."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer = descent(model)
        kept = [p.detach().clone() for p in trained(model)]

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            with torch.no_grad():
                for p, average in zip(trained(model), kept, strict=True):
                    (p if into_weights else average).lerp_(average if into_weights else p, 0.125)

        return step, optimizer

    return build


def bounds_its_weights(model: nn.Module, loss_fn: Any) -> Built:
    """Bounds the weights where it should bound the gradients."""
    optimizer = descent(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        for p in trained(model):
            p.data.clamp_(-0.75, 0.75)
        optimizer.step()

    return step, optimizer


def decays_beside_adamw(model: nn.Module, loss_fn: Any) -> Built:
    optimizer = torch.optim.AdamW(trained(model), lr=RATE, weight_decay=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            for p in trained(model):
                p.mul_(1 - RATE * 0.1)
        optimizer.step()

    return step, optimizer


def scaler_clips(*, unscales: bool) -> Callable[[nn.Module, Any], Built]:
    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer, scaler = descent(model), torch.amp.GradScaler("cpu", init_scale=256.0)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            scaler.scale(loss_fn(model(x), y)).backward()
            if unscales:
                scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()

        return step, optimizer

    return build


def guarded_clip(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for _, g in graded(model):
        g.mul_(min(1.0, 0.5 / (float(g.norm()) + 1e-5)))


def clips_by_kind(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for of_biases in (True, False):
        kind = [p for name, p in model.named_parameters() if name.endswith("bias") == of_biases]
        torch.nn.utils.clip_grad_norm_(kind, 0.5)


def momentum_in_grad(model: nn.Module, loss_fn: Any) -> Step:
    buffers: dict[nn.Parameter, Tensor] = {}

    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad(set_to_none=False)
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            for p, g in graded(model):
                if p in buffers:
                    buffers[p].mul_(0.9).add_(g)
                else:
                    buffers[p] = g
                p.add_(buffers[p], alpha=-RATE)

    return step


def by_hand_at(rate: Callable[[torch.optim.Optimizer, list[float]], float]) -> Callable[[nn.Module, Any], Built]:
    """Return a step that moves by hand at some of the rates that a scheduler has set so far, the last one in force."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer, rates = descent(model), list[float]()
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)

        def step(x: Tensor, y: Tensor) -> None:
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            with torch.no_grad():
                for p, g in graded(model):
                    p.sub_(rate(optimizer, rates) * g)
            optimizer._opt_called = True  # type: ignore[attr-defined] # or the scheduler warns
            scheduler.step()

        return step, optimizer

    return build


def in_chunks(size: int, *, drops: bool) -> Callable[[nn.Module, Any], Built]:
    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer = descent(model)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            kept = (len(x) // size * size or len(x)) if drops else len(x)
            for a, b in zip(torch.split(x[:kept], size), torch.split(y[:kept], size), strict=True):
                (loss_fn(model(a), b) * (len(a) / kept if is_mean(loss_fn) else 1.0)).backward()
            optimizer.step()

        return step, optimizer

    return build


def is_mean(loss_fn: Any) -> bool:
    return getattr(loss_fn, "reduction", "sum") == "mean"


def means_of_chunks(model: nn.Module, loss_fn: Any) -> Step:
    """The model is not called, only its ``forward``: nobody sees the rows."""

    def step(x: Tensor, y: Tensor) -> None:
        parts = list(zip(torch.split(x, 3), torch.split(y, 3), strict=True))
        loss = torch.stack([loss_fn(model.forward(a), b) for a, b in parts]).mean()
        move(model, torch.autograd.grad(loss, trained(model), allow_unused=True))

    return step


def move(model: nn.Module, gradients: Iterable[Tensor | None], rate: float = RATE) -> None:
    for p, g in zip(trained(model), gradients, strict=True):
        p.data -= 0 if g is None else rate * g


def window(when: Callable[[int], bool]) -> Callable[[nn.Module, Any], Built]:
    """Return a step that updates at the calls, counted from 1, that are told."""

    def build(model: nn.Module, loss_fn: Any) -> Built:
        optimizer, seen, calls = descent(model), list[Tensor](), list[int]()

        def step(x: Tensor, y: Tensor) -> None:
            seen.append(x)
            calls.append(1)
            (loss_fn(model(x), y) * len(x)).backward()
            if when(len(calls)):
                for _, g in graded(model):
                    g.div_(sum(map(len, seen)))
                optimizer.step()
                optimizer.zero_grad()
                seen.clear()

        return step, optimizer

    return build


def hooks(*, once: bool, biases: bool = False, factor: float = 0.5) -> Callable[[nn.Module, Any], Step]:
    def build(model: nn.Module, loss_fn: Any) -> Step:
        optimizer = descent(model, RATE if biases else RATE / factor)

        def register() -> None:
            for name, p in model.named_parameters():
                if p.requires_grad and (not biases or name.endswith("bias")):
                    p.register_hook(lambda g: g * factor)  # type: ignore[no-untyped-call] # torch's own

        if once:
            register()

        def step(x: Tensor, y: Tensor) -> None:
            if not once:
                register()
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

        return step

    return build


def once_per_name(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            for _, p in model.named_parameters(remove_duplicate=False):
                if p.grad is not None:
                    p.sub_(RATE * p.grad)

    return step


def once_per_module(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        model.zero_grad()
        loss_fn(model(x), y).backward()
        with torch.no_grad():
            for module in model.modules():
                for p in module.parameters(recurse=False):
                    p.sub_(0 if p.grad is None else RATE * p.grad)

    return step


def shuffled(model: nn.Module, loss_fn: Any, *, both: bool = False) -> Built:
    optimizer, generator = descent(model), torch.Generator().manual_seed(0)

    def step(x: Tensor, y: Tensor) -> None:
        order = torch.randperm(len(x), generator=generator)
        optimizer.zero_grad()
        loss_fn(model(x[order]), y[order] if both else y).backward()
        optimizer.step()

    return step, optimizer


def shuffled_together(model: nn.Module, loss_fn: Any) -> Built:
    return shuffled(model, loss_fn, both=True)


def is_column(y: Tensor, loss_fn: Any) -> bool:
    return y.ndim == 2 and y.shape[1] == 1 and not isinstance(loss_fn, nn.BCEWithLogitsLoss)


def squeezed(model: nn.Module, loss_fn: Any, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    loss: Tensor = loss_fn(out.squeeze(1) if is_column(y, loss_fn) and out.shape[1:] == (1,) else out, y)
    return loss


def flattened(model: nn.Module, loss_fn: Any, x: Tensor, y: Tensor) -> Tensor:
    loss: Tensor = loss_fn(model(x), y.flatten() if is_column(y, loss_fn) else y)
    return loss


def both_squeezed(model: nn.Module, loss_fn: Any, x: Tensor, y: Tensor) -> Tensor:
    column = is_column(y, loss_fn)
    loss: Tensor = loss_fn(model(x).squeeze(1) if column else model(x), y.squeeze(1) if column else y)
    return loss


def softmax_twice(model: nn.Module, loss_fn: Any, x: Tensor, y: Tensor) -> Tensor:
    out = model(x)
    loss: Tensor = loss_fn(out.softmax(1) if isinstance(loss_fn, nn.CrossEntropyLoss) else out, y)
    return loss


def rolled(model: nn.Module, loss_fn: Any, x: Tensor, y: Tensor) -> Tensor:
    loss: Tensor = loss_fn(model(x), y.roll(1, 0))
    return loss


def times(k: Callable[[torch.optim.Optimizer], float]) -> Callable[[nn.Module, torch.optim.Optimizer], None]:
    def change(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for _, g in graded(model):
            g.mul_(k(optimizer))

    return change


def heavy_ball_with_decay(model: nn.Module, loss_fn: Any) -> Step:
    last: dict[nn.Parameter, Tensor] = {}

    def step(x: Tensor, y: Tensor) -> None:
        found = torch.autograd.grad(loss_fn(model(x), y), trained(model), allow_unused=True)
        for p, g in zip(trained(model), found, strict=True):
            if g is not None:
                last[p] = -RATE * g + 0.5 * last.get(p, torch.zeros_like(p)) - 0.01 * p.data
                p.data += last[p]

    return step


def two_backwards(model: nn.Module, loss_fn: Any) -> Built:
    optimizer = descent(model)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        size = torch.stack([p.square().sum() for p in trained(model)]).sum()
        (0.01 * size).backward()  # type: ignore[no-untyped-call] # torch's own
        loss_fn(model(x), y).backward()
        optimizer.step()

    return step, optimizer


def sweeps_at_a_third(model: nn.Module, loss_fn: Any) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        for layer in model.children():
            own = [p for p in layer.parameters() if p.requires_grad]
            found = torch.autograd.grad(loss_fn(model(x), y), own, allow_unused=True) if own else ()
            for p, g in zip(own, found, strict=True):
                p.data -= 0 if g is None else 0.3 * RATE * g

    return step


def grows(model: nn.Module, loss_fn: Any) -> Step:
    calls: list[int] = []

    def step(x: Tensor, y: Tensor) -> None:
        calls.append(1)
        found = torch.autograd.grad(loss_fn(model(x), y), trained(model), allow_unused=True)
        move(model, found, RATE * len(calls))

    return step
