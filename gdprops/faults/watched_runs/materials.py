"""The small networks and batches that the watched scripts train on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BATCHES = 8


class Network(nn.Module):
    """Two layers with batch norm, and a bare parameter that no layer owns."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return two numbers for each row."""
        out: Tensor = self.last(torch.tanh(self.norm(self.first(inputs))) * self.scale)
        return out


def network() -> Network:
    """Return a network with the same weights every time."""
    torch.manual_seed(0)
    return Network()


def plain() -> nn.Sequential:
    """Return two linear layers without anything that depends on the mode."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def batches(count: int = BATCHES, *, rows: int = 6, inputs: int = 3, outputs: int = 2) -> list[tuple[Tensor, Tensor]]:
    """Return the same random batches every time."""
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(rows, inputs, generator=generator), torch.randn(rows, outputs, generator=generator))
        for _ in range(count)
    ]


def ragged(count: int = BATCHES) -> list[tuple[Tensor, Tensor]]:
    """Return batches of different numbers of rows."""
    generator = torch.Generator().manual_seed(1)
    sizes = [2 + index % 3 for index in range(count)]
    return [(torch.randn(n, 3, generator=generator), torch.randn(n, 2, generator=generator)) for n in sizes]


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error."""
    return nn.functional.mse_loss(outputs, targets)


def sgd(model: nn.Module, lr: float = 0.1, momentum: float = 0.0) -> torch.optim.SGD:
    """Return SGD on all parameters of a model."""
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
