"""What a check of a training step on drawn networks costs: python tests/benchmarks/training_steps.py [examples].

Prints CPU seconds without imports (a short check comes first) of all clauses of a training step at 100 examples each,
with and without the reference's own, and how many of them the user's step itself takes. Asserts nothing.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

SPENT = [0.0, 0.0]


def build(model: nn.Module, loss_fn: nn.Module) -> Any:
    """Plain training, whose time and calls are counted."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs: Tensor, targets: Tensor) -> None:
        began = time.process_time()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        SPENT[:] = SPENT[0] + time.process_time() - began, SPENT[1] + 1

    return step, optimizer


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    subject = training_step(build, name="ordinary")
    check_subject(subject, settings=Settings(seed=1, examples=2, reference_examples=2))
    for clauses in ("step.*", "*"):
        SPENT[:] = 0.0, 0.0
        began = time.process_time()
        outcome = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=examples))
        whole = time.process_time() - began
        held = sum(v.status.value == "held" for v in outcome.verdicts)
        print(
            f"{clauses:8} {examples} examples  {held:2d} held  {whole:5.2f} s CPU, of which {SPENT[0]:.2f} s in "
            f"{SPENT[1]:.0f} of the user's steps"
        )


if __name__ == "__main__":
    main()
