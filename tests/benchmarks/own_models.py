"""What a check of the user's own model costs: python tests/benchmarks/own_models.py [NAME …]. Prints, asserts nothing.

For networks from 10^4 to 10^7 weights and a small transformer, at 5 examples:

- Time: CPU seconds of the whole check over those of the bare training steps in it, which are the calls of the user's
  ``step`` that the check itself makes; what the check takes beside them (its own gradients, updates and comparisons,
  building models, drawing) is the rest. What making the subject takes, once for all clauses, is printed apart.
- Memory: the largest that a process of its own takes beyond its imports, the user's model, gradients and activations
  included, in models (the bytes of the weights), and over that of a process that runs bare steps alone. A clause is
  measured in a process of its own too: where memory matters is the largest of them, as they run one after another.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

EXAMPLES = 5
CLAUSES = ("step.simultaneous", "step.moves-all", "step.fresh-gradient", "step.once", "step.loss-falls", "step.*")
BATCH = 128
RATE = 1.0


class Transformer(nn.Module):
    """Two encoder layers over tokens, without dropout."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of the classes."""
        out: Tensor = self.out(self.encoder(self.embedding(tokens)).mean(1))
        return out


def mlp(width: int) -> Callable[[], nn.Module]:
    """Return three layers of one width."""
    return lambda: nn.Sequential(
        nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width)
    )


def numbers(width: int) -> Callable[[int], Any]:
    """Return batches for it."""

    def batch(index: int) -> Any:
        generator = torch.Generator().manual_seed(index)
        labels = torch.randint(0, width, (BATCH,), generator=generator)
        return torch.randn(BATCH, width, generator=generator), labels

    return batch


def tokens(index: int) -> Any:
    """Return sentences of 16 tokens and their classes."""
    generator = torch.Generator().manual_seed(index)
    ids = torch.randint(0, 100, (BATCH, 16), generator=generator)
    return ids, torch.randint(0, 10, (BATCH,), generator=generator)


SUBJECTS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Any], nn.Module]] = {
    **{f"mlp-{width}": (mlp(width), numbers(width), nn.CrossEntropyLoss()) for width in (58, 182, 577, 1825)},
    "transformer": (Transformer, tokens, nn.CrossEntropyLoss()),
}
SPENT = [0.0]


def build(model: nn.Module, loss_fn: nn.Module) -> Any:
    """Plain training, whose time is counted."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step(inputs: Tensor, targets: Tensor) -> None:
        began = time.process_time()
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()
        SPENT[0] += time.process_time() - began

    return step, optimizer


def memory() -> float:
    """Return the largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def run(name: str, how: str, bare: float) -> None:
    """Print the figures of one subject: of the bare loop, or of a check beside a bare loop's memory."""
    torch.set_num_threads(1)
    models, batches, loss = SUBJECTS[name]
    small = training_step(build, models=mlp(4), batches=numbers(4), loss=nn.CrossEntropyLoss(), name="warm")
    check_subject(small, clauses="step.simultaneous", settings=Settings(seed=0, examples=1))
    weights = sum(p.numel() for p in models().parameters()) if name != "mlp-1825" else 3 * (1825 * 1825 + 1825)
    size, start = 4.0 * weights, memory()
    if how == "bare":
        step, _ = build(models(), loss)
        for index in range(10):
            step(*batches(index))
        print(f"{(memory() - start) / size:.6f}")
        return
    began = time.process_time()
    subject = training_step(build, models=models, batches=batches, loss=loss, name=name)
    made = time.process_time() - began
    SPENT[0], began = 0.0, time.process_time()
    outcome = check_subject(subject, clauses=how, settings=Settings(seed=0, examples=EXAMPLES))
    whole, taken = time.process_time() - began, (memory() - start) / size
    held = sum(v.status.value == "held" for v in outcome.verdicts)
    print(
        f"{name:12} {weights:9d} weights  {how:19} {whole:6.2f} s = {whole / SPENT[0]:5.2f} x steps"
        f" (made in {made:.2f} s)  memory {taken:6.1f} models = bare {bare:5.1f} x {taken / bare:4.1f}  {held} held",
        flush=True,
    )


def child(name: str, how: str, bare: float, *, read: bool = False) -> str:
    """Measure in a process of its own; return what it prints where that is to be read."""
    command = [sys.executable, __file__, name, how, str(bare)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if read else None).stdout or ""


def main() -> None:
    """Print the figures of the subjects that are named, or of all."""
    if len(sys.argv) == 4:
        run(sys.argv[1], sys.argv[2], float(sys.argv[3]))
        return
    for name in sys.argv[1:] or SUBJECTS:
        bare = float(child(name, "bare", 1.0, read=True))
        for how in CLAUSES:
            child(name, how, bare)


if __name__ == "__main__":
    main()
