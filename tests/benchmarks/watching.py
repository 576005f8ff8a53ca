"""What watching costs: python tests/benchmarks/watching.py [steps].

Prints the CPU milliseconds of a bare step, of a watched step and of a step after the watching, on models of 10^4, 10^6
and 10^7 weights and on a small transformer, all in one run, and how much memory is held while it is watched: bytes in
tensors that were not there before, as a share of the bytes of the parameters. Asserts nothing.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

import gdprops


def layers(width: int) -> nn.Sequential:
    """Return two hidden layers of a width."""
    hidden = [part for _ in range(2) for part in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def transformer() -> nn.Sequential:
    """Return four encoder layers between an embedding and a head."""
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(200, 64), encoder, nn.Linear(64, 200))


def tokens() -> Tensor:
    """Return some sentences."""
    return torch.randint(0, 200, (8, 32))


def costs(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Callable[[], Tensor], steps: int) -> float:
    """Return the median CPU seconds of a step."""
    spent = []
    for _ in range(steps):
        inputs = batch()
        began = time.process_time()
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
        spent.append(time.process_time() - began)
    return median(spent)


def held() -> int:
    """Return the bytes of all tensors that exist."""
    gc.collect()
    found = (one for one in gc.get_objects() if type(one) in (Tensor, nn.Parameter) and one.device.type != "meta")
    stores = {store.data_ptr(): store.nbytes() for one in found for store in [one.untyped_storage()]}
    return sum(stores.values())


def main() -> None:
    """Print a line for each model and optimizer."""
    torch.set_num_threads(1)
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    wide = [(layers(width), partial(torch.randn, 32, width)) for width in (64, 700, 2200)]
    models: list[tuple[nn.Module, Callable[[], Tensor]]] = [*wide, (transformer(), tokens)]
    for model, batch in models:
        for optimizer in (torch.optim.SGD(model.parameters(), lr=0.01), torch.optim.Adam(model.parameters())):
            costs(model, optimizer, batch, 3)
            bare = costs(model, optimizer, batch, steps)
            before = held()
            with gdprops.watch(steps=steps + 1):
                watched = costs(model, optimizer, batch, steps)
                more = held() - before
            after = costs(model, optimizer, batch, steps)
            weights, name = sum(p.numel() for p in model.parameters()), type(optimizer).__name__
            times = f"bare {1e3 * bare:8.2f} ms, watched {1e3 * watched:8.2f} ms"
            share = more / sum(p.numel() * p.element_size() for p in model.parameters())
            ratios = f"ratio {watched / bare:.2f}, afterwards {after / bare:.2f}"
            print(f"{weights:>9,} {name:4} {times}, {ratios}, memory {share:+.2f} of the parameters")


if __name__ == "__main__":
    main()
