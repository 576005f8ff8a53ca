"""What the clauses of the optimizer chapter say of one case, fault by fault, and of the same case done right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import gdprops
from gdprops.clauses import catalogue
from gdprops.faults.optimizers.correct_optimizers import Adam, AMSGrad, Group, Maximizing, Momentum, PlainDescent
from gdprops.faults.optimizers.optimizer_twins import Extrapolates
from gdprops.model.case import Plan
from gdprops.model.traits import IMPLEMENTATIONS
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.update_rule.subject import update_rule
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.optimizer.optimizer_cases import CASE, CASES, examined, mixed, probed, suspected, taken, without
from tests.samples.training_steps import SharpnessAware


class Said(NamedTuple):
    fault: str
    clause: str
    reason: str
    blame: tuple[str, ...] = ()
    step: int | None = None


EVERY = ("w1", "w2", "w3", "w4")
SAID = (
    Said("zeros-for-missing-gradients", "missing-gradient", "its gradient is missing", ("w2",), 2),
    Said(
        "clock-advances-without-a-gradient",
        "missing-gradient",
        "against a run on it alone, without steps that have no gradient",
        ("w2",),
        3,
    ),
    Said("maximize-turns-the-decay", "maximize", "maximize=True, against the negated gradients", EVERY, 1),
    Said("maximize-only-at-first", "maximize", "maximize=True, against the negated gradients", EVERY, 2),
    Said("late-groups-never-move", "late-group", "added after step 2, against a fresh optimizer", EVERY[1:], 3),
    Said("late-groups-start-old", "late-group", "added after step 2, against a fresh optimizer", EVERY[1:], 3),
    Said("closure-never-called", "closure", "step 1: the closure is called 0 times"),
    Said("closure-called-twice", "closure", "step 1: the closure is called 2 times"),
    Said("returns-no-loss", "closure", "step 1: the closure's loss is 1, step(closure) returns None"),
    Said("closure-after-the-move", "closure", "step 1: weights have moved before the closure is called"),
    Said(
        "stays-where-it-looked",
        "closure",
        "the weights stay where the closure was evaluated, and do not come back: at a learning rate of 4.54747e-13 a "
        "step down J = ½|w|² goes up, from 5.5 to 6.20898",
    ),
    Said("zeroes-the-first-group-only", "zero-grad", "zero_grad() leaves a gradient behind", ("w3", "w4")),
    Said(
        "momentum-is-the-gradient",
        "state-not-aliased",
        "after step 1: state[w1]['velocity'] lies in the memory of w1.grad, and 3 more",
    ),
    Said(
        "slow-weights-are-the-weights",
        "state-not-aliased",
        "after step 1: state[w1]['slow'] lies in the memory of w1, and 3 more",
    ),
    Said(
        "momentum-in-one-scratch-buffer",
        "state-not-aliased",
        "after step 1: state[w2]['velocity'] lies in the memory of state[w1]['velocity'], and 5 more",
    ),
    Said("decays-into-the-gradient", "gradient-untouched", "the gradient after the step", EVERY, 1),
    Said(
        "foreach-decays-into-the-gradient", "gradient-untouched", "foreach=True, the gradient after the step", EVERY, 1
    ),
    Said(
        "puts-new-parameters-into-its-groups",
        "storage",
        "after step 1: param_groups no longer hold w1, w2, w3, w4",
    ),
    Said(
        "parameters-lose-a-dimension",
        "storage",
        "after step 1: w3 was float64(1, 3) on cpu and is float64(3,) on cpu",
    ),
    Said("moves-into-new-memory", "in-place", "its numbers are at another address after the step", EVERY),
    Said("reads-memory-in-order", "layout", "parameters transposed in memory", ("w2",), 1),
    Said("moves-a-contiguous-copy", "layout", "parameters transposed in memory", ("w2",), 1),
    Said("foreach-forgets-its-maximum", "implementations", "foreach=True, against the loop", ("w1", "w3", "w4"), 2),
    Said("leaves-ahead-what-has-no-gradient", "missing-gradient", "its gradient is missing", ("w2",), 2),
    Said("foreach-stops-at-a-missing-gradient", "implementations", "foreach=True, against the loop", EVERY[2:], 2),
    Said(
        "forgets-the-rest-of-a-block",
        "shapes",
        "the same numbers repeated in a large tensor, against the small tensor",
        EVERY,
        1,
    ),
    Said("skips-vectors", "shapes", "the same numbers in flat tensors", ("w2", "w3"), 1),
    Said(
        "computes-in-the-first-dtype",
        "mixed-dtypes",
        "float64 among others, against alone (if parameters are coupled by design, declare separability=all)",
        ("w1",),
        1,
    ),
    Said("skips-sparse-gradients", "sparse", "sparse gradients that list every row, against dense ones", EVERY, 1),
    Said("squares-rows-listed-twice", "sparse", "sparse gradients that list every row, against dense ones", EVERY, 1),
    Said("squares-complex-numbers", "complex", "complex parameters, against their real and imaginary parts", EVERY, 1),
    Said(
        "saves-objects",
        "resume-weights-only",
        "torch.load(weights_only=True) of the saved state_dict() does not work: UnpicklingError: Unsupported global: "
        "GLOBAL gdprops.faults.optimizers.memory_faults.Clock was not an allowed global by default",
    ),
    Said(
        "reads-its-defaults",
        "group-split",
        "weight_decay=0.25 given in each group instead of to the constructor",
        EVERY,
        1,
    ),
    Said(
        "reads-the-first-groups-decay",
        "group-split",
        "a group with its own lr, weight_decay, against an optimizer of its own (if parameters are coupled by design, "
        "declare separability=all)",
        ("w2", "w3", "w4"),
        1,
    ),
    Said("takes-any-rate", "rejects-invalid", "accepted, and the weights move: lr=-1.0"),
    Said("declares-what-it-is-not", "traits-as-declared", "separability is declared element but measures tensor"),
)


@pytest.mark.parametrize("said", SAID, ids=lambda said: f"{said.fault}-{said.clause}")
def test_a_violation_says_who_is_wrong_when_and_against_what(said: Said) -> None:
    evidence = examined(suspected(said.fault), said.clause, CASES.get(said.clause, CASE))
    step = None if evidence.location is None else evidence.location.step
    assert evidence.violated
    assert Said(said.fault, said.clause, evidence.reason, evidence.blame, step) == said


CORRECT: tuple[Callable[[], Any], ...] = (
    lambda: optimizer(PlainDescent, lr=0.5),
    lambda: optimizer(Momentum, lr=0.5),
    lambda: optimizer(Adam, lr=0.5),
    lambda: optimizer(AMSGrad, lr=0.5),
    lambda: optimizer(Maximizing, lr=0.5),
    lambda: optimizer(torch.optim.AdamW, lr=0.5),
)


@pytest.mark.parametrize("build", CORRECT)
def test_the_same_cases_done_right_are_no_violations(build: Callable[[], Any]) -> None:
    found = probed(build())
    judging = [c for c in catalogue() if c.chapter == "optimizer" and found.unmet(c) is None]
    assert len(judging) > 15
    for clause in judging:
        name = clause.id.partition(".")[2]
        evidence = examined(found, name, taken(CASES.get(name, CASE), found))
        assert not evidence.violated, (clause.id, evidence)
        later = evidence.acts_later or bool
        with isolated():
            assert all(map(later, evidence.silent or ())), (clause.id, evidence.silent)


class StopsAtAGroupWithoutGradients(PlainDescent):
    """Returns where a group has no gradient, as torch's first multi-tensor SGD did."""

    def move_all(self) -> None:
        for group in self.param_groups:
            held = [p for p in group["params"] if p.grad is not None]
            if not held:
                return
            for p in held:
                self.move(p, p.grad, group)


def test_a_group_behind_one_without_gradients_moves_as_if_it_were_alone() -> None:
    found = probed(optimizer(StopsAtAGroupWithoutGradients, lr=0.5))
    case = without(replace(CASE, plan=Plan(((1,), (0, 2, 3)), (0.5, 0.5))), 1, 1)
    evidence = examined(found, "missing-gradient", case)
    assert evidence.violated
    assert evidence.reason == "against a run on it alone, without steps that have no gradient"
    assert evidence.blame == ("w1",)


class RootsOfSquares(PlainDescent):
    """Divides by |g| as Adam's first step does: by the size of a complex number."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g / (g.abs() + 0.25)


class SignsOfSquares(PlainDescent):
    """Multiplies by the sign of g², as Yogi's mean does: a turn by 90 degrees goes by unseen, others do not."""

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        return g * (g * g).sgn() ** 2


@pytest.mark.parametrize(("kind", "violated"), [(RootsOfSquares, False), (SignsOfSquares, True)])
def test_a_rule_of_the_sizes_of_complex_numbers_is_right(kind: Any, *, violated: bool) -> None:
    """Real and imaginary parts as real parameters would be divided each by its own size."""
    found = probed(optimizer(kind, lr=0.5))
    assert examined(found, "complex", CASE).violated is violated


class KeepsItsVelocities(Extrapolates):
    """Keeps the velocities where no state_dict finds them."""

    def memory(self, p: Tensor) -> dict[str, Any]:
        self.kept: dict[int, dict[str, Any]] = getattr(self, "kept", {})
        return self.kept.setdefault(id(p), {})


BY_CLOSURES = ("deterministic", "resume", "resume-weights-only", "missing-gradient", "closure", "zero-grad", "storage")


@pytest.mark.parametrize("clause", BY_CLOSURES)
def test_an_optimizer_that_needs_its_closure_is_stepped_with_closures(clause: str) -> None:
    with isolated():
        found = measured_subject(optimizer(Extrapolates, lr=0.5), Settings())
        lost = measured_subject(optimizer(KeepsItsVelocities, lr=0.5), Settings())
    assert {key: trait.value for key, trait in found.subject.traits} == {"inputs": "closure", "randomness": "none"}
    evidence = examined(found, clause, CASES.get(clause, CASE))
    assert evidence.decisive
    assert not evidence.violated
    assert examined(lost, clause, CASES.get(clause, CASE)).violated is clause.startswith("resume")


class ReturnsANumber(SharpnessAware):
    """Returns the number of its calls for the loss."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        super().step(closure)
        return 0.5


@pytest.mark.parametrize(("kind", "violated"), [(SharpnessAware, False), (ReturnsANumber, True)])
def test_a_step_that_needs_its_closure_elsewhere_need_not_return_a_loss(kind: Any, *, violated: bool) -> None:
    found = probed(optimizer(kind))
    assert found.subject.traits["inputs"] == "closure"
    assert examined(found, "closure", CASE).violated is violated


def test_a_number_that_an_optimizer_takes_but_does_not_keep_by_group_is_left_alone() -> None:
    class Clipping(PlainDescent):
        def __init__(self, params: Any, lr: float = 0.5, most: float = 1.0) -> None:
            super().__init__(params, lr)
            self.most = most

        def direction(self, p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
            return g.clamp(-self.most, self.most)

    found = probed(optimizer(Clipping, lr=0.5))
    evidence = examined(found, "group-split", replace(CASE, order=(255, 255)))
    assert evidence.decisive
    assert not evidence.violated


def test_a_group_is_given_what_a_constructor_derives_from_its_numbers() -> None:
    class Deriving(PlainDescent):
        def __init__(self, params: Any, lr: float = 0.5, pull: float = 0.25, pull_1d: float | None = None) -> None:
            super().__init__(params, lr, pull=pull, pull_1d=pull if pull_1d is None else pull_1d)

        def direction(self, p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
            group = next(group for group in self.param_groups if any(p is q for q in group["params"]))
            pull: float = group["pull_1d" if p.ndim == 1 else "pull"]
            return g + pull * p

    found = probed(optimizer(Deriving, lr=0.5))
    evidence = examined(found, "group-split", replace(CASE, order=(1, 0)))
    assert evidence.decisive
    assert not evidence.violated


def test_a_group_is_not_given_what_is_derived_and_no_argument() -> None:
    class Factored(PlainDescent):
        def __init__(self, params: Any, lr: float = 0.5, lr_1d: float = 0.25) -> None:
            super().__init__(params, lr, lr_1d=lr_1d, lr_1d_factor=lr_1d / lr)

        def move(self, p: torch.Tensor, g: torch.Tensor, group: Group) -> None:
            p.sub_(group["lr"] * (group["lr_1d_factor"] if p.ndim == 1 else 1) * g)

    found = probed(optimizer(Factored, lr=0.5))
    evidence = examined(found, "group-split", replace(CASE, order=(1, 0)))
    assert evidence.violated
    assert "a group with its own lr, lr_1d, against an optimizer of its own" in evidence.reason


def test_a_coupling_may_be_declared_where_a_clause_takes_it_for_a_bug() -> None:
    evidence = examined(suspected("momentum-shared-by-shape"), "locality", CASE)
    assert evidence.reason == "w4 changed (if parameters are coupled by design, declare separability=all)"


def test_defaults_that_climb_are_told_by_the_square_of_the_weights() -> None:
    near = replace(CASE, order=(0,))
    evidence = examined(suspected("climbs-while-it-warms-up"), "descends-by-default", near)
    assert evidence.violated
    assert evidence.reason.startswith("|w|² goes 3.375 → 3.3782967 → … → ")
    steep = replace(CASE, order=(1,))
    assert examined(suspected("climbs-while-it-warms-up"), "descends-by-default", steep).violated
    assert examined(suspected("hand-written-sgd"), "descends-by-default", steep).decisive


def test_implementations_are_compared_on_several_dtypes() -> None:
    fault, twin = (
        examined(suspected(name), "implementations", mixed(CASE))
        for name in ("foreach-decays-once-per-dtype", "amsgrad-in-two-ways")
    )
    assert fault.violated
    assert fault.reason == "foreach=True, against the loop"
    assert fault.blame == EVERY
    assert twin.decisive
    assert not twin.violated


def test_an_implementation_that_refuses_a_missing_gradient_aloud_is_not_compared_there() -> None:
    late = replace(without(CASE, 0, 0), plan=replace(CASE.plan, options={"momentum": 0.5}))
    found = probed(optimizer(torch.optim.SGD, lr=0.5))
    flags = found.subject.traits["flags"].split("+")
    fused = [flag for flag in IMPLEMENTATIONS if flag in flags].index("fused")
    evidence = examined(found, "implementations", replace(late, order=(fused,)))
    assert evidence.reason.startswith("fused=True refuses a missing gradient: step() raised TypeError")
    assert not evidence.decisive


def goes_up(params: Any, grads: Any, state: Any, lr: float = 0.5, maximize: bool = True) -> Any:
    """Climb, unless it is told to descend."""
    signed = lr if maximize else -lr
    return {k: w + signed * grads[k] if k in grads else w for k, w in params.items()}, state


def test_a_rule_that_maximizes_by_default_is_right() -> None:
    evidence = examined(probed(update_rule(goes_up)), "maximize", CASE)
    assert evidence.decisive
    assert not evidence.violated


def goes_up_unasked(params: Any, grads: Any, state: Any, lr: float = 0.5) -> Any:
    """Climb, and declare nothing."""
    return goes_up(params, grads, state, lr)


def test_what_climbs_and_declares_nothing_is_no_success_and_what_maximizes_is() -> None:
    undeclared, declared, torchs = (
        gdprops.check(subject, clauses=["step.*", "optimizer.d*"], examples=10, seed=0)
        for subject in (
            update_rule(goes_up_unasked),
            update_rule(goes_up),
            optimizer(torch.optim.SGD, lr=0.5, maximize=True),
        )
    )
    assert (undeclared.exit_code, undeclared["step.descends"].status) == (5, "vacuous")
    assert "It climbs, and no clause has decided" in str(undeclared)
    assert (declared.exit_code, torchs.exit_code) == (0, 0)
    assert declared["step.descends"].vacuous_reasons == {"maximize is set": 10}
