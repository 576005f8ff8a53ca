"""What the clauses of the optimizer chapter say of one case, fault by fault, and of the same case done right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from gdprops.adapters.isolation import isolated
from gdprops.adapters.torch_optimizer import optimizer
from gdprops.clauses import catalogue
from gdprops.clauses.alike import rounded_alike
from gdprops.clauses.alternatives import alternatives
from gdprops.faults.correct import Adam, AMSGrad, Group, Maximizing, Momentum, PlainDescent
from gdprops.faults.twin_optimizers import Extrapolates
from gdprops.model.arrays import Array
from gdprops.model.case import Plan, UpdateCase
from gdprops.model.evidence import Evidence
from gdprops.model.traits import IMPLEMENTATIONS
from gdprops.numerics import decisions
from gdprops.runner.session import Measured, measured_subject
from gdprops.runner.settings import Settings
from tests.faults.suspects import measured
from tests.training_steps import SharpnessAware


def ramp(*shape: int) -> Array:
    return np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape) / 4


TENSORS = (ramp(2), ramp(2, 2), ramp(1, 3), ramp(2))
GRADIENTS = tuple(tuple((-0.5) ** t * (k + 1) + w / 10 for k, w in enumerate(TENSORS)) for t in range(5))
CASE = UpdateCase(TENSORS, GRADIENTS, Plan(((0, 1, 2, 3),), (0.5,)), 53, (3, 1, 2, 0, 4))
DECAYING = replace(CASE, plan=replace(CASE.plan, options={"weight_decay": 0.25}))


def without(case: UpdateCase, step: int, tensor: int) -> UpdateCase:
    fed = [list(gradients) for gradients in case.gradients]
    fed[step][tensor] = None
    return replace(case, gradients=tuple(map(tuple, fed)))


def mixed(case: UpdateCase) -> UpdateCase:
    def single(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(a.astype(np.float32) if i % 2 else a for i, a in enumerate(arrays))

    return replace(case, tensors=single(case.tensors), gradients=tuple(map(single, case.gradients)), precision=24)


CASES: dict[str, UpdateCase] = {
    "missing-gradient": without(CASE, 1, 1),
    "implementations": without(CASE, 1, 1),
    "mixed-dtypes": mixed(CASE),
    "group-split": DECAYING,
    "maximize": DECAYING,
}


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
    Said("moves-into-new-memory", "in-place", "its numbers lie elsewhere after the step", EVERY),
    Said("reads-memory-in-order", "layout", "parameters transposed in memory", ("w2",), 1),
    Said("moves-a-contiguous-copy", "layout", "parameters transposed in memory", ("w2",), 1),
    Said("foreach-forgets-its-maximum", "implementations", "foreach=True, against the loop", ("w1", "w3", "w4"), 2),
    Said("leaves-ahead-what-has-no-gradient", "missing-gradient", "its gradient is missing", ("w2",), 2),
    Said("foreach-stops-at-a-missing-gradient", "implementations", "foreach=True, against the loop", EVERY[2:], 2),
    Said(
        "forgets-the-rest-of-a-block",
        "shapes",
        "the same numbers over and over in a large tensor, against the small one",
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
    Said("squares-complex-numbers", "complex", "complex parameters, against their real and imaginary parts", EVERY, 1),
    Said(
        "saves-objects",
        "resume-weights-only",
        "torch.load(weights_only=True) of the saved state_dict() does not work: UnpicklingError: Unsupported global: "
        "GLOBAL gdprops.faults.memory.Clock was not an allowed global by default",
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
    Said("takes-any-rate", "rejects-invalid", "taken, and the weights move: lr=-1.0"),
    Said("declares-what-it-is-not", "traits-as-declared", "separability is declared element but measures tensor"),
)


def examined(found: Measured, clause: str, case: UpdateCase) -> Evidence:
    with isolated():
        evidence: Evidence = catalogue()[f"optimizer.{clause}"].examine(found.subject, case)
    return evidence


def suspected(fault: str) -> Measured:
    found = measured(fault).measured
    assert found is not None
    return found


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


def taken(case: UpdateCase, found: Measured) -> UpdateCase:
    """Return a case without the options that a subject does not take."""
    options = {key: value for key, value in case.plan.options.items() if key in found.domain.options}
    return replace(case, plan=replace(case.plan, options=options))


@pytest.mark.parametrize("build", CORRECT)
def test_the_same_cases_done_right_are_no_violations(build: Callable[[], Any]) -> None:
    with isolated():
        found = measured_subject(build(), Settings())
    judging = [c for c in catalogue() if c.chapter == "optimizer" and found.unmet(c) is None]
    assert len(judging) > 15
    for clause in judging:
        name = clause.id.partition(".")[2]
        evidence = examined(found, name, taken(CASES.get(name, CASE), found))
        assert not evidence.violated, (clause.id, evidence)
        assert not evidence.silent, (clause.id, evidence.silent)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("weight-decay-ignored-without-momentum", "weight_decay"),
        ("rate-read-at-construction", "lr (in param_groups)"),
        ("decay-rate-is-a-constant", "beta"),
        ("amsgrad-does-nothing", "amsgrad"),
    ],
)
def test_a_hyperparameter_that_changes_nothing_is_silent_in_each_case(fault: str, name: str) -> None:
    assert examined(suspected(fault), "hyperparameters-act", CASE).silent == frozenset({name})


class ScalesByItsCurvature(PlainDescent):
    """Divides by a mean of g² that only ``update_curvature`` ever updates, as Sophia's does."""

    def __init__(self, params: Any, lr: float = 0.5, beta: float = 0.75) -> None:
        super().__init__(params, lr, beta=beta)

    @torch.no_grad()
    def update_curvature(self) -> None:
        """Look at the gradients as they stand."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    h = self.memory(p).get("h", torch.zeros_like(p))
                    self.memory(p)["h"] = h.lerp(p.grad.square(), 1 - group["beta"])

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        h: Tensor = self.memory(p).get("h", torch.zeros_like(p))
        return g / (1 + h)


class ForgetsItsDecayRate(ScalesByItsCurvature):
    """Has the same method, which computes with a constant."""

    @torch.no_grad()
    def update_curvature(self) -> None:
        """Look at the gradients, and at no group."""
        for p, memory in self.state.items():
            memory["h"] = torch.ones_like(p)


@pytest.mark.parametrize(("kind", "acts"), [(ScalesByItsCurvature, True), (ForgetsItsDecayRate, False)])
def test_a_hyperparameter_may_act_through_a_method_of_the_optimizers_own(kind: Any, *, acts: bool) -> None:
    with isolated():
        found = measured_subject(optimizer(kind, lr=0.5), Settings())
    evidence = examined(found, "hyperparameters-act", CASE)
    assert evidence.silent == frozenset({"beta"})
    assert evidence.acts_later is not None
    with isolated():
        assert evidence.acts_later("beta") is acts


class Nesterov(Momentum):
    """Looks ahead by a share that shrinks by ``momentum_decay``, where it is told to look ahead."""

    def __init__(self, params: Any, lr: float = 0.5, nesterov: bool = False, momentum_decay: float = 0.25) -> None:
        super().__init__(params, lr, nesterov=nesterov, momentum_decay=momentum_decay)

    def direction(self, p: Tensor, g: Tensor) -> Tensor:
        ahead: Tensor = super().direction(p, g)
        (group,) = (group for group in self.param_groups if any(p is q for q in group["params"]))
        return ahead + group["momentum_decay"] * g if group["nesterov"] else ahead


class Softened(PlainDescent):
    """Divides by 1 + |g|, where no other denominator is asked for: only that one has the epsilon."""

    def __init__(self, params: Any, lr: float = 0.5, eps: float = 0.25, denominator: str = "soft") -> None:
        super().__init__(params, lr, eps=eps)
        self.defaults["denominator"] = denominator
        for group in self.param_groups:
            group["denominator"] = denominator

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g / (g.abs() + (1 if group["denominator"] == "soft" else group["eps"])))


@pytest.mark.parametrize(("kind", "name"), [(Nesterov, "momentum_decay"), (Softened, "eps")])
def test_a_hyperparameter_may_belong_to_a_switch_or_to_a_word(kind: Any, name: str) -> None:
    with isolated():
        found = measured_subject(optimizer(kind, lr=0.5), Settings())
        evidence = examined(found, "hyperparameters-act", CASE)
        assert evidence.silent == frozenset({name})
        assert evidence.acts_later is not None
        assert evidence.acts_later(name)


class TwoEpsilons(PlainDescent):
    """Has an epsilon for its rate too, as Adafactor has, and one that nothing reads where it is not scaled."""

    def __init__(self, params: Any, lr: float = 0.5, eps: tuple[float, float] = (0.25, 0.001)) -> None:
        super().__init__(params, lr)
        self.eps = eps

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g / (g.abs() + self.eps[0]))


def test_of_several_epsilons_the_first_has_to_act() -> None:
    with isolated():
        found = measured_subject(optimizer(TwoEpsilons, lr=0.5), Settings())
    assert examined(found, "hyperparameters-act", CASE).silent == frozenset()


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
    with isolated():
        found = measured_subject(optimizer(StopsAtAGroupWithoutGradients, lr=0.5), Settings())
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
    with isolated():
        found = measured_subject(optimizer(kind, lr=0.5), Settings())
    assert examined(found, "complex", CASE).violated is violated


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("momentum", 0.0, {"momentum": [0.5, 0.25]}),
        ("betas", (0.9, 0.5), {"betas[0]": [(0.5, 0.5), (0.25, 0.5)], "betas[1]": [(0.9, 0.25)]}),
        ("clip", 1.5, {"clip": [0.75, 3.0]}),
        ("clip", 0.0, {}),
        ("every", 1, {"every": [2, 2]}),
        ("fast", True, {}),
        ("most", float("inf"), {}),
        ("most", None, {}),
    ],
)
def test_other_values_of_a_hyperparameter_stay_where_it_has_its_meaning(name: str, value: Any, others: Any) -> None:
    assert alternatives(name, value) == others


def test_rounding_accrues_on_the_way_back_too() -> None:
    case = UpdateCase((np.zeros(1),), ((np.ones(1),), (np.ones(1),)), Plan(((0,),)), 53)
    there_and_back = [[np.array([w])] for w in (0.0, -0.5, 1e-17)]
    seen = [[np.array([w])] for w in (0.0, -0.5, 0.0)]
    assert not rounded_alike(case, seen, there_and_back, lambda _: there_and_back, "").violated
    assert rounded_alike(case, [*seen[:2], [np.array([1e-12])]], there_and_back, lambda _: there_and_back, "").violated


def normalized_in_bfloat16(case: UpdateCase, off: float = 0.0) -> list[list[Any]]:
    """Decay by the rate, and a step of bfloat16 numbers: a gradient next to zero, of the others their signs."""
    (w,), (rate,) = case.tensors, case.plan.rates or ()
    seen = [[w]]
    for g in (np.asarray(g) for (g,) in case.gradients):
        fraction, exponent = np.frexp(g)
        low = np.ldexp(np.round(fraction * 2**8), exponent - 8)
        u = np.where(np.abs(g) < 2**-20, low, np.sign(g) * (0.9375 + off))
        w = (1 - rate) * w - rate * u
        seen.append([w])
    return seen


TIE = 2.0**-24 * (1 + 2.0**-8)
"""Halfway between two numbers of bfloat16: an ulp decides which it becomes."""


@pytest.mark.parametrize("other", [0.0, TIE])
@pytest.mark.parametrize(("off", "violated"), [(2.0**-8, False), (2.0**-5, True)])
def test_what_bfloat16_rounds_is_the_step_and_not_what_a_decay_leaves_of_it(
    off: float, other: float, *, violated: bool
) -> None:
    case = UpdateCase((np.ones(2),), ((np.array([-1.0, other]),),), Plan(((0,),), (0.5,)), 53)
    seen, expected = normalized_in_bfloat16(case, off), normalized_in_bfloat16(case)
    share = decisions.BFLOAT16_SHARE
    assert rounded_alike(case, seen, expected, normalized_in_bfloat16, "", rough=share).violated is violated


class Batching(PlainDescent):
    """Divides by the norm of each tensor, in bfloat16, and one at a time by a norm that rounds otherwise."""

    share = 2.0**-8

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    length = (1 + torch.linalg.vector_norm(p.grad.bfloat16())).to(p.dtype) * self.slower(p)
                    p.sub_(
                        group["lr"] * (p.grad.bfloat16().to(p.dtype) / length) * (1 + self.share * self.alone(group))
                    )

    def alone(self, group: Any) -> bool:
        return len(group["params"]) == 1

    def slower(self, p: torch.Tensor) -> int:
        return 1


class BatchingBadly(Batching):
    share = 2.0**-4


class BatchingInTime(Batching):
    """The same with a clock for every tensor."""

    def slower(self, p: torch.Tensor) -> int:
        memory = self.memory(p)
        memory["step"] = memory.get("step", 0) + 1
        return int(memory["step"])


class BatchingBadlyInTime(BatchingInTime):
    share = 2.0**-4


@pytest.mark.parametrize(("factory", "violated"), [(Batching, False), (BatchingBadly, True)])
def test_a_rule_on_whole_tensors_may_round_otherwise_in_a_batch_and_no_more(factory: Any, *, violated: bool) -> None:
    with isolated():
        found = measured_subject(optimizer(factory, lr=0.5), Settings())
    evidence = examined(found, "group-split", replace(CASE, plan=replace(CASE.plan, rates=None), order=(0, 0)))
    assert found.subject.traits["separability"] == "tensor"
    assert evidence.violated is violated


@pytest.mark.parametrize(("factory", "violated"), [(BatchingInTime, False), (BatchingBadlyInTime, True)])
def test_a_tensor_that_has_missed_a_step_may_be_rounded_otherwise_alone_and_no_more(
    factory: Any, *, violated: bool
) -> None:
    with isolated():
        found = measured_subject(optimizer(factory, traits={"clock": "tensor"}, lr=0.5), Settings())
    missed, (first, *later) = max(CASE.plan.groups, key=len)[0], CASE.gradients
    gradients = (tuple(None if i == missed else g for i, g in enumerate(first)), *later)
    case = replace(CASE, gradients=gradients, plan=replace(CASE.plan, rates=None), order=(0, 0))
    evidence = examined(found, "missing-gradient", taken(case, found))
    assert evidence.decisive
    assert evidence.violated is violated


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
    with isolated():
        found = measured_subject(optimizer(kind), Settings())
    assert found.subject.traits["inputs"] == "closure"
    assert examined(found, "closure", CASE).violated is violated


def test_a_number_that_an_optimizer_takes_but_does_not_keep_by_group_is_left_alone() -> None:
    class Clipping(PlainDescent):
        def __init__(self, params: Any, lr: float = 0.5, most: float = 1.0) -> None:
            super().__init__(params, lr)
            self.most = most

        def direction(self, p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
            return g.clamp(-self.most, self.most)

    with isolated():
        found = measured_subject(optimizer(Clipping, lr=0.5), Settings())
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

    with isolated():
        found = measured_subject(optimizer(Deriving, lr=0.5), Settings())
    evidence = examined(found, "group-split", replace(CASE, order=(1, 0)))
    assert evidence.decisive
    assert not evidence.violated


def test_a_group_is_not_given_what_is_derived_and_no_argument() -> None:
    class Factored(PlainDescent):
        def __init__(self, params: Any, lr: float = 0.5, lr_1d: float = 0.25) -> None:
            super().__init__(params, lr, lr_1d=lr_1d, lr_1d_factor=lr_1d / lr)

        def move(self, p: torch.Tensor, g: torch.Tensor, group: Group) -> None:
            p.sub_(group["lr"] * (group["lr_1d_factor"] if p.ndim == 1 else 1) * g)

    with isolated():
        found = measured_subject(optimizer(Factored, lr=0.5), Settings())
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


def test_what_loading_casts_is_resumed_where_it_does_not() -> None:
    found = suspected("keeps-its-mean-in-float32")
    evidence = examined(found, "resume", CASE)
    assert evidence.decisive
    assert not evidence.violated
    run = found.subject.start(CASE.tensors, CASE.plan)
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
    with isolated():
        found = measured_subject(optimizer(torch.optim.SGD, lr=0.5), Settings())
    flags = found.subject.traits["flags"].split("+")
    fused = [flag for flag in IMPLEMENTATIONS if flag in flags].index("fused")
    evidence = examined(found, "implementations", replace(late, order=(fused,)))
    assert evidence.reason.startswith("fused=True refuses a missing gradient: step() raised TypeError")
    assert not evidence.decisive
