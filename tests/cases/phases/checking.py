"""How the tests of this folder check a step with phases: few examples in this process, many at night."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

EXAMPLES = int(os.environ.get("GDPROPS_TWIN_EXAMPLES", "3"))


def mlp(inputs: int, outputs: int, *between: nn.Module) -> nn.Sequential:
    """Return a small network; some modules stand behind its activation."""
    return nn.Sequential(nn.Linear(inputs, 3), nn.Tanh(), *between, nn.Linear(3, outputs))


def verdicts(build: Callable[..., Any], **declared: Any) -> dict[str, Verdict]:
    """Return what the clauses about phases say of a step."""
    examples = declared.pop("examples", EXAMPLES)
    subject = training_step(build, name="mine", **declared)
    clauses = ("step.phases", "step.targets")
    outcome = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=examples))
    return {v.clause: v for v in outcome.verdicts if v.about is About.SUBJECT}


def notes_if_held(build: Callable[..., Any], **declared: Any) -> tuple[str, ...]:
    """Require that all that applies is held, and return what is told beside it."""
    found = verdicts(build, **declared)
    judged = {clause: v for clause, v in found.items() if v.status is not Status.NOT_APPLICABLE}
    assert {v.status for v in judged.values()} == {Status.HELD}, [
        (v.clause, v.status, v.reason) for v in judged.values()
    ]
    assert "step.phases" in judged
    assert ("step.targets" in judged) is bool(declared.get("targets"))
    return tuple(note.text for v in judged.values() for note in v.notes)


def only_reason(build: Callable[..., Any], status: Status = Status.VIOLATED, **declared: Any) -> str:
    """Return the reason of the one verdict that is not held."""
    (found,) = (v for v in verdicts(build, **declared).values() if v.status not in (Status.HELD, Status.NOT_APPLICABLE))
    assert found.status is status, found.reason
    return str(found.reason)


def moves(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one ordinary step."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # torch's own
    optimizer.step()
