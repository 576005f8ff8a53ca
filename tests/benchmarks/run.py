"""What a check costs: python tests/benchmarks/run.py [examples]. Prints figures, asserts nothing.

Clause by clause the CPU time of an example is split into drawing (Hypothesis, the strategies and their certificates),
building (the subject over copies of the tensors), oracle (our gradients and losses), subject (the user's own code) and
comparison (the rest of the clause). Gradient evaluations per example and decisive examples per second stand beside it:
a clause must not win by doing more of the cheap work or less of the useful.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gdprops.clauses import catalogue
from gdprops.clauses.support import gradient_bounds, optimizer_runs, workbench
from gdprops.kinds.resolve import resolve
from gdprops.model.clause import Clause
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.numerics import numpy_system, torch_system
from gdprops.runner import items, session
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer import run
from gdprops.subjects.torch_optimizer import subject as torch_optimizer

PARTS = ("drawing", "building", "oracle", "subject", "comparison")
MAIN_JOB = ["check", "torch.optim:SGD", "-p", "lr=0.1", "--rule", "sgd", "--seed", "0", "-q"]


class Meter:
    """CPU seconds by part, without what a nested part has already counted, and the number of looks."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.looks = 0
        self._nested = [0.0]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside under a name."""
        began = time.process_time()
        self._nested.append(0.0)
        try:
            yield
        finally:
            whole = time.process_time() - began
            self.spent[name] += whole - self._nested.pop()
            self._nested[-1] += whole

    def counted(self, name: str, function: Callable[..., Any], *, look: bool = False) -> Callable[..., Any]:
        """Return the function with its time counted under a name."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.looks += look
            with self.part(name):
                return function(*args, **kwargs)

        return timed


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count every oracle, every build and every call of the subject while inside."""
    oracles: list[tuple[Any, str, bool]] = [
        (module, "gradient_at", True) for module in (optimizer_runs, gradient_bounds, workbench, numpy_system)
    ]
    oracles += [(module, "loss_at", False) for module in (optimizer_runs, workbench)]
    oracles += [(torch_system.TorchSystem, "gradient", True)]
    replaced: list[tuple[Any, str, str, bool]] = [(where, name, "oracle", look) for where, name, look in oracles]
    replaced += [(torch_optimizer.TorchOptimizer, "start", "building", False)]
    replaced += [(run.TorchRun, name, "subject", False) for name in ("step", "step_closure")]
    kept = [(where, name, getattr(where, name)) for where, name, _, _ in replaced]
    for where, name, part, look in replaced:
        setattr(where, name, meter.counted(part, getattr(where, name), look=look))
    try:
        yield
    finally:
        for where, name, function in kept:
            setattr(where, name, function)


def measure(clause: Clause, about: About, examples: int) -> dict[str, float]:
    """Return one clause's milliseconds by part, looks per example, and decisive examples per second."""
    subject = resolve("torch.optim:SGD", rule="sgd", hyperparameters={"lr": 0.1})
    item = Item(clause, about)
    session.run_item(subject, item, Settings(examples=5, reference_examples=5, seed=1))
    meter = Meter()
    plain: Any = items.examiner

    def examiner(*args: Any) -> Callable[[Any], Any]:
        return meter.counted("comparison", plain(*args))

    session.examiner = examiner  # type: ignore[assignment, attr-defined] # wrapped for the measurement
    try:
        with metered(meter):
            began = time.process_time()
            settings = Settings(examples=examples, reference_examples=examples, seed=0)
            verdict = session.run_item(subject, item, settings)
            whole = time.process_time() - began
    finally:
        session.examiner = plain  # type: ignore[attr-defined]
    inside = {part: meter.spent[part] for part in PARTS[1:]}
    drawn = max(whole - sum(inside.values()), 0.0)
    figures = {part: seconds / verdict.examples * 1e3 for part, seconds in {"drawing": drawn, **inside}.items()}
    total = sum(figures.values())
    return {**figures, "total": total, "looks": meter.looks / verdict.examples, "decisive/s": verdict.decisive / whole}


def table(examples: int) -> None:
    """Print the table of all clauses about torch.optim:SGD and about the reference, and its medians."""
    columns = (*PARTS, "total", "looks", "decisive/s")
    print(f"\nCPU milliseconds per example at {examples} examples")
    print(f"{'':43}" + "".join(f"{column:>11}" for column in columns))
    subject = resolve("torch.optim:SGD", rule="sgd", hyperparameters={"lr": 0.1})
    rows = []
    for item in items.items_for(subject, tuple(catalogue())):
        if item.clause.needs.plain is False and item.about is About.SUBJECT:
            continue
        row = measure(item.clause, item.about, examples)
        rows.append(row)
        print(f"{item.clause.id:32} {item.about:10}" + "".join(f"{row[c]:11.2f}" for c in columns), flush=True)
    for name, summary in (("median", statistics.median), ("largest", max)):
        print(f"{name:43}" + "".join(f"{summary(row[c] for row in rows):11.2f}" for c in columns))


def whole(arguments: list[str], title: str) -> None:
    """Print the CPU and wall seconds and the peak memory of one command, imports included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "gdprops", *arguments], check=False, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = after.ru_maxrss / 1024
    print(f"{title:43} {cpu:8.2f} s CPU {wall:8.2f} s wall {memory:8.0f} MB (largest so far)  exit {done.returncode}")


def main() -> None:
    """Print everything."""
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    whole(["--help"], "gdprops --help")
    whole(["show"], "gdprops show")
    whole([*MAIN_JOB, "--examples", str(examples)], f"the whole check, {examples} examples per clause")
    whole([*MAIN_JOB, "--examples", str(examples), "-n", "2"], "the same with -n 2")
    table(examples)


if __name__ == "__main__":
    main()
