"""What loading saved state casts, and what is made of that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch

from gdprops.faults.optimizers.correct_optimizers import PlainDescent
from gdprops.model.subject import FedSubject
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.optimizer.optimizer_cases import CASE, examined, suspected


def test_what_loading_casts_is_resumed_where_it_does_not() -> None:
    found = suspected("keeps-its-mean-in-float32")
    evidence = examined(found, "resume", CASE)
    assert evidence.decisive
    assert not evidence.violated
    run = cast("FedSubject", found.subject).start(CASE.tensors, CASE.plan)
    assert run.cast_on_loading() == ""
    run.step(CASE.gradients[0])
    assert run.cast_on_loading() == "state[w1]['mean'] from float32 to float64"


def test_a_clock_that_loading_casts_is_seen_before_it_stands_still() -> None:
    evidence = examined(suspected("keeps-its-clock-in-float32"), "resume-low-precision", CASE)
    assert evidence.violated
    assert evidence.reason == "bfloat16 parameters: loading casts state[w1]['clock'] from float32 to bfloat16"
    with isolated():
        left_alone = measured_subject(optimizer(torch.optim.Adam, lr=0.5), Settings())
    assert not examined(left_alone, "resume-low-precision", CASE).violated


class LooksBackEveryTenthStep(PlainDescent):
    """Averages with its slow weights at every tenth step, which it counts on itself, or in its state (``saved``)."""

    saved = False
    calls = 0

    def move_all(self) -> None:
        self.calls += 1
        super().move_all()

    def move(self, p: torch.Tensor, g: torch.Tensor, group: dict[str, Any]) -> None:
        memory = self.memory(p)
        slow = memory.setdefault("slow", p.detach().clone())
        memory["calls"] = memory.get("calls", 0) + 1
        super().move(p, g, group)
        if (memory["calls"] if self.saved else self.calls) % 10 == 0:
            p.copy_(slow.lerp_(p, 0.5))


class CountsInItsState(LooksBackEveryTenthStep):
    saved = True


def test_a_count_that_is_lost_shows_when_its_round_is_over() -> None:
    """Of 13 steps the tenth looks back; saved after the third, a count from 0 on looks back at no other."""
    gradients = (CASE.gradients * 12)[:13]
    for factory, violated in ((LooksBackEveryTenthStep, True), (CountsInItsState, False)):
        with isolated():
            found = measured_subject(optimizer(factory, lr=0.5), Settings())
        assert examined(found, "resume", replace(CASE, gradients=gradients)).violated is violated
        assert not examined(found, "resume", CASE).violated


class KeepsTheLastGradientUnderAName(PlainDescent):
    """What is remembered stands under a name, and not under the parameter: loading leaves it alone."""

    def memory(self, p: torch.Tensor) -> dict[str, Any]:
        memory: dict[str, Any] = vars(self)["state"]["last"]
        return memory

    def direction(self, p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        self.memory(p)["gradient"] = g.float()
        return g


def test_what_stands_under_a_name_is_not_cast() -> None:
    run = optimizer(KeepsTheLastGradientUnderAName, lr=0.5).start(CASE.tensors, CASE.plan)
    run.step(CASE.gradients[0])
    assert run.cast_on_loading() == ""


class KeepsAGraph(PlainDescent):
    """What it remembers of a parameter hangs on the graph of that parameter: nothing that ``copy.deepcopy`` takes."""

    def direction(self, p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            last: torch.Tensor = p * 0 + g + self.memory(p).get("last", 0)
        self.memory(p)["last"] = last
        return last.detach() / 4


def test_state_with_a_graph_is_copied_as_a_file_keeps_it() -> None:
    with isolated():
        found = measured_subject(optimizer(KeepsAGraph, lr=0.5), Settings())
    evidence = examined(found, "resume", CASE)
    assert evidence.decisive
    assert not evidence.violated, evidence.reason


class ShowsNoState(PlainDescent):
    """Wraps another optimizer, shows its groups, and has no attribute ``state``, as OrthoGrad once had none."""

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, lr)
        del self.state


def test_a_wrapper_that_shows_no_state_is_no_error_of_ours() -> None:
    run = optimizer(ShowsNoState, lr=0.5).start(CASE.tensors, CASE.plan)
    run.step(CASE.gradients[0])
    assert run.aliases() == []
    again = run.remembered()
    run.step(CASE.gradients[1])
    assert run.remembered() == again
