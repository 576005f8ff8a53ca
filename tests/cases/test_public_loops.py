"""Public reports about training loops of one loss, created again: each is caught, and its correction holds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step
from tests.cases.test_two_looks import Sam

Builds = Callable[[Any, Any], Any]


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Dropout(0.5), nn.Linear(3, 2))


def batches(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=g), torch.randn(4, 2, generator=g)


def sgd(m: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.5)


def decaying(optimizer: Any) -> Any:
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


@dataclass
class Loop:
    """A loop in windows of ``window`` micro-batches, as most projects write it, and what a report changes in it."""

    window: int = 1
    clears_each: bool = False
    clears: bool = True
    divides: bool = True
    clips: str = ""
    schedules: str = ""

    def __call__(self, m: Any, loss_fn: Any) -> Any:
        optimizer = sgd(m)
        scheduler = decaying(optimizer)
        count = [0]

        def clip() -> None:
            nn.utils.clip_grad_norm_(m.parameters(), 0.1)

        def step(x: Tensor, y: Tensor) -> None:
            if self.clears_each:
                optimizer.zero_grad()
            count[0] += 1
            (loss_fn(m(x), y) / (self.window if self.divides else 1)).backward()
            if self.clips == "each":
                clip()
            if count[0] % self.window == 0:
                if self.clips == "before":
                    clip()
                optimizer.step()
                if self.clips == "after":
                    clip()
                if self.schedules == "update":
                    scheduler.step()
                if self.clears:
                    optimizer.zero_grad()
            if self.schedules == "call":
                scheduler.step()

        return step, optimizer


def evaluated(m: Any, loss_fn: Any, *, back: bool = True) -> Any:
    optimizer = sgd(m)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(m(x), y).backward()
        optimizer.step()
        m.eval()
        with torch.no_grad():
            m(x)
        if back:
            m.train()

    return step, optimizer


def averaged(m: Any, loss_fn: Any, *, ramps: bool = True) -> Any:
    optimizer, ema, t = sgd(m), copy.deepcopy(m), [0]

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(m(x), y).backward()
        optimizer.step()
        d = decay(t[0]) if ramps else 0.9
        t[0] += 1
        with torch.no_grad():
            for p, q in zip(ema.parameters(), m.parameters(), strict=True):
                p.mul_(d).add_(q, alpha=1 - d)

    return {"step": step, "optimizer": optimizer, "average": ema}


def decay(t: int) -> float:
    return float(0.9 * (1 - torch.exp(torch.tensor(-(t + 1) / 4.0, dtype=torch.float64))))


def looks_twice(m: Any, loss_fn: Any, *, clears: bool = True) -> Any:
    optimizer = Sam(m.parameters(), lr=0.1)

    def step(x: Tensor, y: Tensor) -> None:
        loss_fn(m(x), y).backward()
        optimizer.first_step(zero_grad=clears)
        loss_fn(m(x), y).backward()
        optimizer.second_step(zero_grad=True)

    return step, optimizer


def in_half_precision(m: Any, loss_fn: Any, *, clears: bool = True) -> Any:
    optimizer = sgd(m)

    def step(x: Tensor, y: Tensor) -> None:
        loss_fn(m(x), y).backward()
        optimizer.step()
        if clears:
            optimizer.zero_grad()

    return step, optimizer


@dataclass
class Report:
    """``bad`` as it was reported, ``good`` as it was corrected, the clause that is violated, and words of its name."""

    where: str
    bad: Builds
    good: Builds
    clause: str
    said: str
    declared: dict[str, Any] = field(default_factory=dict)


IN_WINDOWS: dict[str, Any] = {"accumulate": 3, "micro": "equal"}
REPORTS = [
    Report(
        "bytetriper/RAE#67: cleared in every micro-batch",
        Loop(3, clears_each=True),
        Loop(3),
        "step.accumulation",
        "only the last micro-batch counts",
        IN_WINDOWS,
    ),
    Report(
        "karpathy/nanoGPT#168: not divided by the number of micro-batches",
        Loop(3, divides=False),
        Loop(3),
        "step.accumulation",
        "the sum of the micro-batches' means",
        IN_WINDOWS,
    ),
    Report(
        "facebookresearch/nwm#16: one branch never clears",
        lambda m, f: in_half_precision(m, f, clears=False),
        in_half_precision,
        "step.fresh-gradient",
        "no zero_grad",
    ),
    Report(
        "jongwook/onsets-and-frames#24: clipped after the step",
        Loop(clips="after"),
        Loop(clips="before"),
        "step.clipping",
        "the gradient is not clipped",
        {"clip_norm": 0.1},
    ),
    Report(
        "Deci-AI/super-gradients#653: clipped in every micro-batch",
        Loop(3, clips="each"),
        Loop(3, clips="before"),
        "step.clipping",
        "clipped",
        {**IN_WINDOWS, "clip_norm": 0.1},
    ),
    Report(
        "starVLA/starVLA#210: the scheduler advances per micro-batch",
        Loop(3, schedules="call"),
        Loop(3, schedules="update"),
        "clock.schedule",
        "at update 1 the rate is ",
        {**IN_WINDOWS, "schedule": decaying},
    ),
    Report(
        "shubhamagarwal92/mmd#14: left in evaluation mode",
        lambda m, f: evaluated(m, f, back=False),
        evaluated,
        "step.mode",
        "from step 2 on gradients are taken in evaluation mode",
    ),
    Report(
        "roboflow/rf-detr#59: the ramp of the decay is not used",
        lambda m, f: averaged(m, f, ramps=False),
        averaged,
        "clock.average",
        "average",
        {"average": decay},
    ),
    Report(
        "rollovd/LookSAM#3: both looks' gradients add up",
        lambda m, f: looks_twice(m, f, clears=False),
        looks_twice,
        "step.simultaneous",
        "the gradients of both looks add up",
    ),
    Report(
        "zjunlp/HVPNeT#5, JIA-Lab-research/PFENet#10: modules are listed one by one, and one is forgotten",
        lambda m, f: (_moves(m, f, o := torch.optim.SGD(m[0].parameters(), lr=0.1)), o),
        lambda m, f: (_moves(m, f, o := sgd(m)), o),
        "step.complete",
        "in no group of the optimizer",
    ),
]


def _moves(m: Any, loss_fn: Any, optimizer: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss_fn(m(x), y).backward()
        optimizer.step()

    return step


def verdict(report: Report, build: Builds) -> Verdict:
    given = {"models": model, "batches": batches, "loss": nn.MSELoss(), **report.declared}
    subject = training_step(build, name="mine", **given)
    outcome = check_subject(subject, clauses=(report.clause,), settings=Settings(seed=0, examples=5, timeout=600))
    (found,) = (v for v in outcome.verdicts if v.about is About.SUBJECT)
    return found


def require_caught_and_corrected(report: Report) -> None:
    """Require that the reported code is violated with what is said of it, and that the corrected code holds."""
    found = verdict(report, report.bad)
    assert found.status is Status.VIOLATED, found.reason
    assert report.said in f"{found.explanation} {found.reason}"
    corrected = verdict(report, report.good)
    assert corrected.status is Status.HELD, corrected.reason


@pytest.mark.nightly
@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.where.partition(":")[0])
def test_a_public_bug_is_caught_and_named_and_its_correction_holds(report: Report) -> None:
    require_caught_and_corrected(report)
