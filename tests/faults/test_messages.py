"""What a violation says: the clause's reason, the wrong parameters and no others, the step, seen and expected."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from gdprops.clauses import catalogue
from gdprops.faults import Fault
from gdprops.model.item import Item
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import run_item
from gdprops.runner.settings import Settings
from gdprops.subjects.user_code.isolation import isolated
from tests.faults.suspects import everyone, measured


def verdict_on(name: str, clause: str) -> Verdict:
    fault = everyone()[name]
    assert isinstance(fault, Fault)
    assert fault.subject is not None
    return run_item(fault.subject(), Item(catalogue()[clause], About.SUBJECT), Settings(seed=0))


class Said(NamedTuple):
    """What a verdict says of a shrunk case."""

    fault: str
    clause: str
    reason: str
    blame: tuple[str, ...]
    step: int | None
    seen: str
    expected: str


SHRUNK = (
    Said("sgd-doubles-the-step", "step.plain", "", ("W1", "W2"), 1, "0.0", "0.5"),
    Said("sgd-sign-flipped", "step.plain", "", ("W1", "W2"), 1, "1.5", "0.5"),
    Said("sgd-off-by-one-millionth", "step.plain", "", ("W1", "W2"), 1, "0.49999950000000004", "0.5"),
    Said("sgd-decays-moved-weights", "step.plain", "", ("W1", "W2"), 1, "0.49975", "0.5"),
    Said("rule-decays-moved-weights", "step.plain", "", ("W1", "W2"), 1, "0.49975", "0.5"),
    Said("sgd-forgets-the-last", "step.plain", "", ("W2",), 1, "1.0", "0.5"),
    Said("sgd-with-hidden-momentum", "step.plain", "", ("W1", "W2"), 2, "0.1875", "0.4375"),
    Said("only-the-first-group-moves", "step.plain", "", ("W2",), 1, "1.0", "0.5"),
    Said(
        "looks-again-for-each-tensor",
        "step.simultaneous",
        "step(closure), against the step fed with g(w)",
        ("W2",),
        1,
        "0.875",
        "0.5",
    ),
    Said(
        "last-tensor-moves-first",
        "step.simultaneous",
        "step(closure), against the step fed with g(w)",
        ("W1",),
        1,
        "0.875",
        "0.5",
    ),
    Said(
        "reads-its-updated-neighbour",
        "step.simultaneous",
        "stepped by an independent copy of the optimizer",
        ("W2",),
        1,
        "0.46875",
        "0.5",
    ),
    Said("sgd-forgets-the-last", "step.moves-all", "1 means that an entry moves", ("w3",), 1, "0.0", "1.0"),
    Said("holds-other-tensors", "step.moves-all", "1 means that an entry moves", ("w1", "w2", "w3"), 1, "0.0", "1.0"),
    Said("moves-one-tensor-per-step", "step.moves-all", "1 means that an entry moves", ("w2", "w3"), 1, "0.0", "1.0"),
    Said("sgd-with-rate-squared", "step.linear-in-lr", "c = 2", ("w1", "w2", "w3"), None, "-0.25", "0.25"),
    Said("sgd-adds-the-last-gradient", "step.fresh-gradient", "", ("w1", "w2", "w3"), 2, "-0.5", "0.0"),
    Said("decays-frozen-parameters", "step.frozen-untouched", "w1 is frozen", ("w1",), 1, "0.9375", "1.0"),
    Said(
        "momentum-shared-by-shape", "step.apply-order", "joint, against block by block", ("w2", "w3"), 1, "0.25", "0.5"
    ),
    Said(
        "momentum-shared-by-shape",
        "optimizer.parameter-order",
        "handed over in the order w3, w2, w1 (if parameters are coupled by design, declare separability=all)",
        ("w1", "w3"),
        1,
        "0.125",
        "0.5",
    ),
    Said(
        "only-the-first-group-moves",
        "optimizer.group-split",
        "each parameter in a group of its own",
        ("w2", "w3"),
        1,
        "1.0",
        "0.5",
    ),
    Said(
        "trusts-only-assigned-gradients",
        "optimizer.gradient-only",
        "gradients from backward(create_graph=True)",
        ("w1", "w2", "w3"),
        1,
        "1.0",
        "0.5",
    ),
    Said(
        "rate-follows-the-loss",
        "optimizer.gradient-only",
        "from a closure that returns 0",
        ("w1", "w2", "w3"),
        1,
        "1.0",
        "0.5",
    ),
    Said(
        "momentum-kept-on-self",
        "optimizer.resume",
        "resumed from its saved state",
        ("w1", "w2", "w3"),
        1,
        "0.25",
        "0.125",
    ),
)


@pytest.mark.parametrize("said", SHRUNK, ids=lambda said: f"{said.fault}-{said.clause}")
def test_a_violation_names_who_is_wrong_when_and_by_how_much(said: Said) -> None:
    verdict = verdict_on(said.fault, said.clause)
    assert verdict.status is Status.VIOLATED
    assert verdict.location is not None
    assert (
        Said(
            said.fault,
            said.clause,
            verdict.reason,
            verdict.blame,
            verdict.first_wrong_step,
            verdict.location.seen,
            verdict.location.expected,
        )
        == said
    )
    assert verdict.location.parameter == said.blame[0]


@pytest.mark.parametrize(
    ("fault", "clause", "reason"),
    [
        ("looks-again-for-each-tensor", "step.cost", "2, 2 gradient evaluations in 2 steps over 2 layers"),
        ("looks-at-its-first-closure-only", "step.cost", "1, 0 gradient evaluations in 2 steps over 2 layers"),
        ("sgd-sign-flipped", "step.descends", "at η = 0.25 the loss goes 0.5 → 1.220703125"),
        (
            "adam-with-stale-gradients",
            "step.fresh-gradient",
            "the second step ends at the same weights when it is given another gradient",
        ),
    ],
)
def test_a_violation_that_is_a_fact_says_it(fault: str, clause: str, reason: str) -> None:
    verdict = verdict_on(fault, clause)
    assert (verdict.status, verdict.reason, verdict.location) == (Status.VIOLATED, reason, None)


@pytest.mark.parametrize(
    ("fault", "clause", "reason", "blame"),
    [
        ("first-layer-forgotten", "gradient.complete", "W1 has no gradient", ("W1",)),
        ("looking-moves-the-weights", "gradient.pure", "computing gradients has changed it", ("W1",)),
        ("looking-centers-the-inputs", "gradient.pure", "computing gradients has changed it", ("inputs",)),
        ("gradient-sign-flipped", "gradient.downhill", "no step against partial derivative 0 lowers the loss", ()),
        ("sweep-never-looks-again", "sequential.cost", "1 gradient evaluation for 2 blocks, 1 for the step", ()),
        ("sweep-goes-twice", "sequential.cost", "4 gradient evaluations for 2 blocks, 1 for the step", ()),
        ("step-looks-once-per-weight", "sequential.cost", "2 gradient evaluations for 2 blocks, 2 for the step", ()),
        (
            "sweep-ignores-the-order",
            "sequential.order-matters",
            "both orders end at the same weights, but must not",
            (),
        ),
        ("step-is-a-sweep", "sequential.gauss-seidel", "", ("the step (Jacobi)",)),
        ("sweep-with-half-the-rate", "sequential.gauss-seidel", "", ("the sweep (Gauss-Seidel)",)),
        ("sweep-stops-early", "sequential.decoupled", "", ("all weights (towers)",)),
    ],
)
def test_a_wrong_system_is_told_what_is_wrong(fault: str, clause: str, reason: str, blame: tuple[str, ...]) -> None:
    with isolated():
        evidence = measured(fault).searched(catalogue()[clause], 0, 100).evidence
    assert evidence is not None
    assert (evidence.reason, evidence.blame) == (reason, blame)


def test_private_noise_is_said_to_be_unsteady_at_most() -> None:
    verdict = verdict_on("draws-private-noise", "optimizer.deterministic")
    assert verdict.reason.startswith("the same run once more")
    assert verdict.first_wrong_step == 1


def test_an_undeclared_near_miss_is_vacuous_with_its_factor() -> None:
    from gdprops.faults.optimizers.plain_descent_faults import DoublesTheStep
    from gdprops.subjects.torch_optimizer.subject import optimizer

    verdict = run_item(
        optimizer(DoublesTheStep, lr=0.5), Item(catalogue()["step.plain"], About.SUBJECT), Settings(seed=0)
    )
    assert verdict.status is Status.VACUOUS
    assert verdict.reason == (
        "nearly: every displacement is 2 times -eta g; declare --rule sgd to check it as plain gradient descent"
    )


def test_a_violation_comes_with_a_script_that_anyone_can_run() -> None:
    verdict = verdict_on("sgd-forgets-the-last", "step.plain")
    assert verdict.counterexample is not None
    assert "from gdprops.faults.optimizers.plain_descent_faults import ForgetsTheLast" in verdict.counterexample.python
    assert "optimizer.step()" in verdict.counterexample.python
