"""What whole checks cost, beside another version: python tests/benchmarks/whole_checks.py [CHECKOUT [ROUNDS [JOB]]].

Training steps, backprop and an optimizer, 100 examples. Every job is measured in a process of its own, in both
versions by turns, so that a ratio means something on a busy machine: CPU seconds, the least of some rounds. Jobs named
"whole command" count everything, imports too; the others begin after a short check. In brackets the median over
clauses, in milliseconds an example. Status, examples and decisive examples of a clause stand below where they differ.
A failing step is also measured in a terminal, until the finding is on the screen, and a survey by the median over its
optimizers. JOB is a part of the names of the jobs that are wanted. Prints figures, asserts nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROUNDS = 2
EXAMPLES = 100
BANK = 6
"""How many steps of the bank are wrong, and half as many are right; of all of them the mean is printed."""

STEPS = """
import torch


def build(model, loss_fn):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(inputs, targets):
        optimizer.zero_grad()
        loss_fn(model(inputs), targets).backward()
        optimizer.step()

    return step, optimizer


def layers(model, loss_fn):
    def step(inputs, targets):
        for p in model.parameters():
            (g,) = torch.autograd.grad(loss_fn(model(inputs), targets), [p], allow_unused=True)
            if g is not None:
                with torch.no_grad():
                    p -= 0.1 * g

    return step
"""
COMMANDS: Mapping[str, list[str]] = {
    "training step that passes, whole command": ["train.py:build", "--as", "training-step"],
    "training step layer by layer, whole command": ["train.py:layers", "--as", "training-step", "-p", "lr=0.1"],
    "torch.optim:SGD, whole command": ["torch.optim:SGD", "-p", "lr=0.1", "--rule", "sgd"],
}


def _passing() -> Any:
    from gdprops.faults.training_steps.step_twins import textbook
    from gdprops.subjects.training_step.subject import training_step

    return training_step(textbook, name="passing")


def _failing() -> Any:
    from gdprops.faults.training_steps.late_read_faults import layer_by_layer
    from gdprops.subjects.training_step.subject import training_step

    return training_step(layer_by_layer, lr=0.125, name="failing")


def _backprop() -> Any:
    from gdprops.subjects.backprop.subject import backprop
    from tests.samples import backprop_functions

    return backprop(
        gradients=backprop_functions.gradients, loss=backprop_functions.loss, shapes=backprop_functions.shapes
    )


def _sgd() -> Any:
    from gdprops.kinds.resolve import resolve

    return resolve("torch.optim:SGD", rule="sgd", hyperparameters={"lr": 0.1})


CHECKS: Mapping[str, tuple[Callable[[], Any], str]] = {
    "step.* of a training step that passes": (_passing, "step.*"),
    "step.* of layer by layer": (_failing, "step.*"),
    "all clauses of backprop that passes": (_backprop, "*"),
    "all clauses of torch.optim:SGD": (_sgd, "*"),
}
FINDING = "layer by layer in a terminal, until the finding is seen"
SURVEY = "a survey of torch.optim at 50 examples: median optimizer"
OWN = "a step on a model of its own, all clauses: mean of a bank"


def check(name: str) -> dict[str, Any]:
    """Return the CPU seconds of one check in this process, and what every clause found."""
    import torch

    from gdprops.runner.session import check_subject
    from gdprops.runner.settings import Settings

    torch.set_num_threads(1)
    make, clauses = CHECKS[name]
    check_subject(make(), clauses="step.*", settings=Settings(seed=1, examples=2, reference_examples=2))
    subject, began = make(), time.process_time()
    found = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=EXAMPLES))
    cpu = time.process_time() - began
    each = {f"{v.clause} ({v.about})": [str(v.status), v.examples, v.decisive] for v in found.verdicts}
    run = [v.seconds / v.examples * 1e3 for v in found.verdicts if v.examples and v.about == "subject"]
    return {"cpu": cpu, "median": statistics.median(run), "each": each}


def bank() -> dict[str, Any]:
    """Return the mean CPU seconds of wrong and right steps on a model of their own, making the subject included.

    The reference is run with the first of them and kept, as it is for the command; an older version runs it always.
    """
    import torch
    from torch import nn

    from gdprops.runner.session import check_subject
    from gdprops.runner.settings import profile
    from gdprops.subjects.training_step.subject import training_step
    from tests.cases.test_wrong_steps import RIGHT, WRONG

    torch.set_num_threads(1)
    settings = replace(profile("ci"), counterexamples=None)

    def batch(index: int) -> Any:
        generator = torch.Generator().manual_seed(index)
        return torch.randn(13, 3, generator=generator), torch.randn(13, 2, generator=generator)

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))

    known = [value[:2] for value in list(WRONG.values())[:: len(WRONG) // BANK][:BANK]]
    known += [value[:2] for value in list(RIGHT.values())[:: 2 * len(RIGHT) // BANK][: BANK // 2]]
    spent, each = list[float](), dict[str, Any]()
    for number, (build, declared) in enumerate(known):
        began = time.process_time()
        subject = training_step(build, models=model, batches=batch, loss=nn.MSELoss(), name=f"s{number}", **declared)
        found = check_subject(subject, settings=replace(settings, seed=0, examples=EXAMPLES))
        spent.append(time.process_time() - began)
        each |= {f"{number} {v.clause} ({v.about})": [str(v.status), v.examples, v.decisive] for v in found.verdicts}
    return {"cpu": statistics.mean(spent), "median": 0.0, "each": each}


def command(arguments: list[str], checkout: Path, folder: str) -> dict[str, Any]:
    """Return the CPU seconds of one command; the reference is kept in a folder of the checkout's own."""
    home = {"HOME": f"{folder}/{checkout.name}", "XDG_CACHE_HOME": f"{folder}/{checkout.name}/cache"}
    told = [sys.executable, "-m", "gdprops", "check", *arguments, "--seed", "0", "--examples", str(EXAMPLES), "-q"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(told, check=False, capture_output=True, cwd=folder, env=_environment(checkout) | home)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "median": 0.0, "each": {}}


def until_seen(arguments: list[str], checkout: Path, folder: str) -> dict[str, Any]:
    """Return the CPU seconds that a command and its processes have used when a violation stands in its terminal."""
    told = [sys.executable, "-m", "gdprops", "check", *arguments, "--seed", "0", "--examples", str(EXAMPLES)]
    home = {"HOME": f"{folder}/{checkout.name}", "XDG_CACHE_HOME": f"{folder}/{checkout.name}/cache", "TERM": "xterm"}
    ours, theirs = pty.openpty()
    environment = _environment(checkout) | home
    with subprocess.Popen(
        told, cwd=folder, env=environment, start_new_session=True, stdin=theirs, stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        shown = b""
        while b"VIOLATED" not in shown:
            shown += os.read(ours, 1 << 12)
        spent = _spent_by(running.pid)
        running.terminate()
        with contextlib.suppress(OSError):
            while os.read(ours, 1 << 12):
                pass
    return {"cpu": spent, "median": 0.0, "each": {}}


def _spent_by(process: int) -> float:
    """Return the CPU seconds of a process and of all that descend from it."""
    parents, ticks = dict[int, int](), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            pid = int(stat.parent.name)
            parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {process}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")


def survey(checkout: Path, folder: str) -> dict[str, Any]:
    """Return the median CPU seconds of an optimizer of a survey."""
    file = Path(folder, checkout.name, "survey.json")
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    told = [*(sys.executable, "-m", "gdprops", "survey", "torch.optim"), "--examples", "50", "--seed", "0", "-n", "2"]
    subprocess.run(
        [*told, "-q", "--json", str(file)], check=False, capture_output=True, cwd=folder, env=_environment(checkout)
    )
    runs = json.loads(file.read_text(encoding="utf-8"))["reports"]
    return {"cpu": statistics.median(run["timing"]["cpu_seconds"] for run in runs), "median": 0.0, "each": {}}


def _environment(checkout: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout)}


def measured(name: str, checkout: Path, folder: str) -> dict[str, Any]:
    """Return the figures of one job in one version."""
    if name == FINDING:
        return until_seen(COMMANDS["training step layer by layer, whole command"], checkout, folder)
    if name == SURVEY:
        return survey(checkout, folder)
    if name in COMMANDS:
        return command(COMMANDS[name], checkout, folder)
    asked = [sys.executable, __file__, "--job", name]
    environment = _environment(checkout) | {"XDG_CACHE_HOME": tempfile.mkdtemp(dir=folder)}
    done = subprocess.run(asked, check=True, capture_output=True, text=True, env=environment, cwd=folder)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(checkouts: list[Path], rounds: int, only: str = "") -> None:
    """Print a line for every job, and what clauses found where that differs between the first and the last version."""
    others = list[str]()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(STEPS, encoding="utf-8")
        for name in (job for job in (*COMMANDS, FINDING, *CHECKS, OWN, SURVEY) if only in job):
            found = [[measured(name, checkout, folder) for checkout in checkouts] for _ in range(rounds)]
            least = [min(one[k]["cpu"] for one in found) for k in range(len(checkouts))]
            shown = (f"{cpu:7.2f} s{_median(one)}" for cpu, one in zip(least, found[-1], strict=True))
            ratio = f"  x {least[-1] / least[0]:.2f}" if len(least) > 1 else ""
            print(f"{name:58} {'  '.join(shown)}{ratio}", flush=True)
            first, last = found[-1][0]["each"], found[-1][-1]["each"]
            others += [f"{name}: {key} {was} -> {last.get(key)}" for key, was in first.items() if last.get(key) != was]
    print("status, examples and decisive examples that differ:", *(others or ["none"]), sep="\n  ")


def _median(figures: Mapping[str, Any]) -> str:
    return f" ({figures['median']:4.1f} ms)" if figures["median"] else ""


def main() -> None:
    """Print everything, for the other checkout first where one is named."""
    if sys.argv[1:2] == ["--job"]:
        print(json.dumps(bank() if sys.argv[2] == OWN else check(sys.argv[2])))
        return
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    compare([*(Path(folder).resolve() for folder in sys.argv[1:2]), ROOT], rounds, "".join(sys.argv[3:4]))


if __name__ == "__main__":
    main()
