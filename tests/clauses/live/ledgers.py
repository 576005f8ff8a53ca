"""Ledgers written by hand, event by event: a run of one optimizer on parameters 1 and 2, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gdprops.clauses import catalogue
from gdprops.model.code_place import Place
from gdprops.model.ledger import (
    BackwardBegins,
    BackwardEnds,
    Deposit,
    Ending,
    Event,
    Forward,
    Holding,
    Ledger,
    Optimizer,
    Parameter,
    SchedulerStep,
    StepBegins,
    StepEnds,
)

BOTH = (1, 2)


def line(number: int) -> Place:
    return Place("train.py", number)


def look(call: int, weights: dict[int, int], *, at: int = 11, to: tuple[int, ...] = BOTH, **more: Any) -> list[Event]:
    """Return a forward pass at these contents and a backward pass that deposits; ``had`` is what .grad held before."""
    before = more.pop("had", {})
    passed = Forward(1, line(at - 1), reads=weights, **{k: more.pop(k) for k in ("inputs", "training") if k in more})
    begins = BackwardBegins(call, line(at), gradients=before, **more)
    return [passed, begins, *(Deposit(call, p) for p in to), BackwardEnds(call)]


def step(number: int, before: dict[int, int], after: dict[int, int], *, optimizer: int = 1, **more: Any) -> list[Event]:
    """Return a step from some contents to others, with what its gradients hold."""
    at, gradients = more.pop("at", 12), more.pop("gradients", dict.fromkeys(before, Holding.KEPT))
    moved = frozenset(p for p in before if before[p] != after[p])
    ends = StepEnds(number, after, moved, more.pop("stuck", frozenset()))
    return [StepBegins(number, optimizer, line(at), gradients, before, **more), ends]


def run(*parts: Sequence[Event], **facts: Any) -> Ledger:
    given: dict[str, Any] = {
        "parameters": {1: Parameter("a", 1), 2: Parameter("b", 1)},
        "optimizers": {1: Optimizer("SGD", frozenset(BOTH)), 2: Optimizer("Adam", frozenset(BOTH))},
        **facts,
    }
    return Ledger(tuple(event for part in parts for event in part), **given)


def usual(steps: int = 4) -> Iterator[list[Event]]:
    """Yield looks and steps as they should be, each step leaving new contents."""
    for k in range(steps):
        yield look(k + 1, {1: 10 * k, 2: 10 * k + 1})
        yield step(k + 1, {1: 10 * k, 2: 10 * k + 1}, {1: 10 * k + 10, 2: 10 * k + 11})


def falling(*rates: float, ticks: bool = True, inputs: Sequence[int] = (), extra: Sequence[Event] = ()) -> Ledger:
    """Return a run that is watched to its twentieth step, with a rate for each step and a scheduler after it."""
    events: list[Event] = []
    for k, rate in enumerate(rates):
        now, then = {1: 10 * k, 2: 10 * k + 1}, {1: 10 * k + 10, 2: 10 * k + 11}
        events += [*extra, *look(k + 1, now, inputs=inputs[k] if inputs else k + 1)]
        events += step(k + 1, now, then, rates={1: rate, 2: rate})
        events += [SchedulerStep(1, 1, line(14), after_update=True)] * ticks
    return run(events, ending=Ending.STOPPED)


def said(clause: str, ledger: Ledger) -> list[str]:
    return [finding.sentence for finding in catalogue()[f"live.{clause}"].examine(ledger, None).findings]


def all_said(ledger: Ledger) -> list[str]:
    found = (c.examine(ledger, None) for c in catalogue() if c.chapter == "live")
    return [finding.sentence for evidence in found for finding in evidence.findings]
