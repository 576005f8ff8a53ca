"""Models of a user's own, with tuples, dicts, classes, batch norms and dropout in them, and steps that train them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Step = Callable[[Any, Any], Any]


class Reader(nn.Module):
    """Integers in, classes out; everything that keeps a state or draws random numbers is in between."""

    def __init__(self, drop: float = 0.5) -> None:
        super().__init__()
        self.embedding, self.norm = nn.Embedding(7, 4), nn.LayerNorm(4)
        self.hidden, self.batch_norm = nn.Linear(4, 5), nn.BatchNorm1d(5)
        self.dropout, self.out = nn.Dropout(drop), nn.Linear(5, 3)

    def forward(self, ids: Tensor) -> Tensor:
        h = self.norm(self.embedding(ids)).mean(1)
        out: Tensor = self.out(self.dropout(torch.tanh(self.batch_norm(self.hidden(h)))))
        return out


class Pair(nn.Module):
    """Two inputs, and a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(2, 3), nn.Linear(2, 3)

    def forward(self, a: Tensor, b: Tensor, targets: Tensor | None = None) -> Any:
        out = torch.tanh(self.left(a)) * self.right(b)
        return out if targets is None else {"loss": ((out - targets) ** 2).mean(), "out": out}


class Recomputing(nn.Module):
    """Two layers with one weight, each recomputed in a backward pass of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(3, 3), nn.Linear(3, 3, bias=False), nn.Linear(3, 2)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        h = x.detach().requires_grad_() if torch.is_grad_enabled() else x
        for layer in (self.first, self.second):
            h = checkpoint(lambda z, layer=layer: torch.tanh(layer(z)), h, use_reentrant=True)
        out: Tensor = self.out(h)
        return out


class Bags(nn.Module):
    """Two tables, whose gradients name the rows that were looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = (nn.EmbeddingBag(9, 3, mode=mode, sparse=True) for mode in ("mean", "sum"))

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = torch.tanh(self.left(ids)) * self.right(ids)
        return out


def bags(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randint(0, 9, (4, 3), generator=generator), torch.randint(0, 3, (4,), generator=generator)


def by(make: Callable[..., torch.optim.Optimizer], **options: Any) -> Callable[..., Any]:
    """Return what builds an ordinary step of an optimizer."""

    def build(model: nn.Module, loss_fn: Callable[..., Tensor]) -> tuple[Step, torch.optim.Optimizer]:
        optimizer = make(model.parameters(), **options)

        def step(inputs: Any, targets: Any) -> None:
            optimizer.zero_grad()
            loss_fn(model(inputs), targets).backward()  # type: ignore[no-untyped-call] # torch's
            optimizer.step()

        return step, optimizer

    return build


def with_a_penalty(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Return a loss that holds a derivative itself, as gradient penalties and forces do."""
    x = inputs.detach().clone().requires_grad_()
    out = model(x)
    (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    total: Tensor = ((out - targets) ** 2).mean() + (slope**2).mean()
    return total


def trains_by(model: nn.Module, objective: Callable[..., Tensor]) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def step(inputs: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad()
        objective(model, inputs, targets).backward()  # type: ignore[no-untyped-call] # torch's
        optimizer.step()

    return step, optimizer


def rows_of_three(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def sentences(index: int) -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(index)
    return {"ids": torch.randint(0, 7, (6, 3), generator=generator)}, torch.randint(0, 3, (6,), generator=generator)


def pairs(index: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(index)
    rows = 3 + index % 3
    return (torch.randn(rows, 2, generator=generator), torch.randn(rows, 2, generator=generator)), torch.ones(rows, 3)


def pair_objective(model: nn.Module, inputs: Any, targets: Any) -> Tensor:
    loss: Tensor = model(*inputs, targets)["loss"]
    return loss


def reads(model: nn.Module, loss_fn: Callable[..., Tensor]) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def step(inputs: Any, targets: Any) -> float:
        model.train()
        optimizer.zero_grad()
        loss = loss_fn(model(**inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call] # torch's
        optimizer.step()
        return float(loss)

    return step, optimizer


def trains_pairs(model: nn.Module, objective: Callable[..., Tensor]) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(inputs: Any, targets: Any) -> None:
        optimizer.zero_grad()
        objective(model, inputs, targets).backward()  # type: ignore[no-untyped-call] # torch's
        optimizer.step()

    return step, optimizer


def casts(model: nn.Module, loss_fn: Callable[..., Tensor]) -> tuple[Step, torch.optim.Optimizer]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(inputs: Any, targets: Any) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_fn(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call] # torch's
        optimizer.step()

    return step, optimizer


def accumulates_pairs(model: nn.Module, objective: Callable[..., Tensor]) -> tuple[Step, torch.optim.Optimizer]:
    optimizer, sizes = torch.optim.SGD(model.parameters(), lr=0.1), list[int]()

    def step(inputs: Any, targets: Any) -> None:
        (objective(model, inputs, targets) * len(targets)).backward()  # type: ignore[no-untyped-call] # torch's
        sizes.append(len(targets))
        if len(sizes) == 2:
            for p in model.parameters():
                p.grad = None if p.grad is None else p.grad / sum(sizes)
            optimizer.step()
            optimizer.zero_grad()
            sizes.clear()

    return step, optimizer


def sweeps_pairs(model: nn.Module, objective: Callable[..., Tensor]) -> Step:
    def step(inputs: Any, targets: Any) -> None:
        for p in model.parameters():
            (g,) = torch.autograd.grad(objective(model, inputs, targets), [p])
            p.data -= 0.1 * g

    return step


def drawn_twice(index: int) -> Any:
    """A batch in lists, with what is no tensor beside it."""
    (a, b), targets = pairs(index)
    return [a, {"b": [b], "scale": 2.0, "name": None}], targets


def listed_objective(model: nn.Module, inputs: Any, targets: Any) -> Tensor:
    assert type(inputs) is list
    loss: Tensor = inputs[1]["scale"] * model(inputs[0], inputs[1]["b"][0], targets)["loss"]
    return loss
