"""The probe: what torch's documentation says of its optimizers, and near misses that it must not pass over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gdprops.errors import UsageError
from gdprops.faults.optimizers.closure_and_missing_gradient_faults import DecaysWhatHasNoGradient
from gdprops.model.clause import Needs
from gdprops.model.domain import Domain
from gdprops.model.traits import Traits
from gdprops.subjects.probe.measure import measurement
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.update_rule.subject import update_rule
from tests.subjects import odd_optimizers


def measured(factory: Any, rule: str | None = None, **hyperparameters: Any) -> tuple[Traits, Domain]:
    found = measurement(optimizer(factory, rule=rule, **hyperparameters))
    return found.traits, found.domain


DENSE = {"inputs": "gradient", "randomness": "none", "clock": "tensor", "modes": "no"}
EDGES = {"lr_zero": "still", "gradient_zero": "still", "gradient_none": "untouched", "gradient_nan": "element"}
FORMS = {
    "dtypes": "float64+float32+bfloat16+float16",
    "computes": "float64",
    "complex": "accepted",
    "storage": "in-place",
}
LINEAR = DENSE | EDGES | FORMS | {"separability": "element", "lr_response": "linear", "shapes": "any"}
LOOPS = {"flags": "foreach+maximize+differentiable"}
FUSED = {"flags": "foreach+fused+maximize+differentiable"}
NONLINEAR = LINEAR | LOOPS | {"lr_response": "nonlinear"}
DECAYS = {"gradient_zero": "moves"}
NORMS = {"separability": "tensor", "gradient_nan": "tensor", "complex": "rejects"}

TORCH: list[tuple[str, dict[str, Any], dict[str, str], str]] = [
    ("SGD", {"lr": 0.1}, LINEAR | FUSED, "yes"),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, LINEAR | FUSED, "no"),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, LINEAR | FUSED, "no"),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}, LINEAR | FUSED, "no"),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}, LINEAR | FUSED | DECAYS, "no"),
    (
        "SGD",
        {"lr": 0.1, "maximize": True},
        LINEAR | {"flags": "foreach+fused+differentiable"},
        "nearly: every displacement is -1 times -eta g",
    ),
    ("Adam", {}, LINEAR | FUSED, "no"),
    ("Adam", {"amsgrad": True}, LINEAR | FUSED, "no"),
    ("AdamW", {}, LINEAR | FUSED | DECAYS, "no"),
    ("Adamax", {}, LINEAR | LOOPS, "no"),
    ("NAdam", {}, LINEAR | LOOPS, "no"),
    ("RAdam", {}, LINEAR | LOOPS, "no"),
    ("Adagrad", {}, LINEAR | FUSED, "no"),
    ("Adadelta", {}, LINEAR | LOOPS, "no"),
    ("RMSprop", {}, LINEAR | LOOPS, "no"),
    ("ASGD", {}, NONLINEAR | DECAYS, "no"),
    ("Rprop", {}, NONLINEAR | {"lr_zero": "moves", "gradient_nan": "silent"}, "no"),
    ("Adafactor", {}, NONLINEAR | NORMS | {"flags": "foreach+maximize"}, "no"),
    ("LBFGS", {}, {"inputs": "closure", "randomness": "none"}, "no"),
    ("SparseAdam", {}, {"inputs": "sparse"}, "no"),
    ("Muon", {}, LINEAR | NORMS | DECAYS | {"shapes": "2"}, "no"),
]


@pytest.mark.parametrize(("name", "given", "expected", "plain"), TORCH, ids=lambda part: str(part)[:40])
def test_torchs_optimizers_are_what_their_documentation_says(
    name: str, given: dict[str, Any], expected: dict[str, str], plain: str
) -> None:
    if not hasattr(torch.optim, name):
        pytest.skip(f"this torch has no {name}")
    traits, _ = measured(getattr(torch.optim, name), **given)
    assert {key: found.value for key, found in traits} == expected
    assert traits.plain == plain
    assert traits.conflicts == ()
    assert all(found.evidence and not found.declared for _, found in traits)


@pytest.mark.parametrize(
    ("factory", "plain"),
    [
        (odd_optimizers.Rule, "yes"),
        (odd_optimizers.Twice, "nearly: every displacement is 2 times -eta g"),
        (odd_optimizers.Climbing, "nearly: every displacement is -1 times -eta g"),
        (odd_optimizers.OffByAMillionth, "nearly: every displacement is 1.000001 times -eta g"),
        (odd_optimizers.SquaresTheRate, "nearly: every displacement is 0.125 times -eta g"),
        (odd_optimizers.PlainForTheFirst, "nearly: 1 of 3 tensors moves by -eta g at every step, the others do not"),
        (odd_optimizers.PlainAtFirst, "no"),
        (odd_optimizers.NormalizedByTensor, "no"),
    ],
)
def test_a_near_miss_of_plain_descent_is_said_in_words(factory: Any, plain: str) -> None:
    assert measured(factory)[0].plain == plain


def test_a_factor_is_told_without_the_digits_that_rounding_makes() -> None:
    class ClimbsInSingle(odd_optimizers.SingleOnly):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            super().move(number, group, p, -g)

    assert measured(ClimbsInSingle)[0].plain == "nearly: every displacement is -1 times -eta g"


def test_what_adds_up_to_plain_descent_is_not_held_to_one_rounding() -> None:
    """QHM without momentum moves by 0.7 eta g and by 0.3 eta g: the sum is eta g but for its roundings."""

    class InTwoParts(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            p.sub_(0.7 * group["lr"] * g).sub_(0.3 * group["lr"] * g)

    assert measured(InTwoParts)[0].plain == "nearly: every tensor moves by -eta g, but in several roundings"


def test_a_rule_is_as_coarse_as_with_the_options_of_its_cases() -> None:
    """LARS scales by the norms of a tensor only what decays."""

    class ScalesWhatDecays(odd_optimizers.Rule):
        def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0) -> None:
            super().__init__(params, lr, weight_decay=weight_decay)

        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            p.sub_(group["lr"] * g * (p.norm() / g.norm() if group["weight_decay"] else 1.0))

    traits, _ = measured(ScalesWhatDecays)
    assert traits["separability"] == "tensor"
    assert traits.known["separability"].evidence.startswith("nearly: element-wise, but not with weight_decay; ")


def test_a_step_that_wants_other_processes_is_refused_and_not_accused() -> None:
    class Gathers(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            torch.distributed.all_reduce(g)

    with pytest.raises(UsageError, match=r"step\(\) needs torch\.distributed, and there is no process group; call"):
        measured(Gathers)


def test_plain_at_some_later_steps_only_is_a_near_miss() -> None:
    class Warming(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            self.state[p]["t"] = t = self.state[p].get("t", 0) + 1
            p.sub_(group["lr"] * g * min(1.0, t / 3))

    assert measured(Warming)[0].plain == "nearly: every tensor moves by -eta g at steps 3, 4 only"


@pytest.mark.parametrize(
    ("factory", "separability"),
    [
        (odd_optimizers.Rule, "element"),
        (odd_optimizers.NormalizedByTensor, "tensor"),
        (odd_optimizers.NormalizedByGroup, "group"),
        (odd_optimizers.NormalizedByAll, "all"),
    ],
)
def test_separability_is_how_far_a_disturbance_spreads(factory: Any, separability: str) -> None:
    assert measured(factory)[0]["separability"] == separability


def test_an_uneven_coupling_is_printed_and_switches_nothing_off() -> None:
    """What reaches some tensors and not others is no separability but a bug that clauses about order must see."""
    traits, _ = measured(odd_optimizers.Uneven)
    assert traits["separability"] == "tensor"
    said = traits.known["separability"].evidence
    assert said.startswith("nearly: an uneven coupling (tensor 1 on tensor 2, tensor 1 on tensor 3)")


@pytest.mark.parametrize(
    ("factory", "response", "rate"),
    [
        (odd_optimizers.Rule, "linear", True),
        (odd_optimizers.IgnoresTheRate, "ignored", True),
        (odd_optimizers.SquaresTheRate, "nonlinear", True),
        (odd_optimizers.HidesItsRate, "own-schedule", False),
    ],
)
def test_the_response_to_the_rate(factory: Any, response: str, *, rate: bool) -> None:
    traits, domain = measured(factory)
    assert traits["lr_response"] == response
    assert domain.rate is rate


@pytest.mark.parametrize(
    ("factory", "randomness"),
    [
        (odd_optimizers.Rule, "none"),
        (odd_optimizers.Noisy, "global"),
        (odd_optimizers.RoundsByChance, "global"),
        (odd_optimizers.PrivatelyNoisy, "private"),
        (odd_optimizers.PrivatelyNoisyAlike, "private"),
    ],
)
def test_randomness_is_none_global_or_private(factory: Any, randomness: str) -> None:
    assert measured(factory)[0]["randomness"] == randomness


def test_what_takes_low_precisions_only_is_said_to() -> None:
    with pytest.raises(UsageError, match="HalvesOnly takes bfloat16 parameters only; expected float64 or float32"):
        measured(odd_optimizers.HalvesOnly)


TAKEN = frozenset({"closure", "bfloat16", "float64 beside float32", "complex parameters", "sparse gradients"})


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (odd_optimizers.Rule, Domain(plain=True, features=TAKEN)),
        (odd_optimizers.MatricesOnly, Domain(plain=True, dimensions=frozenset({2}), empty=False, features=TAKEN)),
        (odd_optimizers.OneGroupOnly, Domain(plain=True, groups=False, features=TAKEN)),
        (
            odd_optimizers.NoEmptyTensors,
            Domain(plain=True, empty=False, features=TAKEN - {"complex parameters", "sparse gradients"}),
        ),
        (
            odd_optimizers.DoubleOnly,
            Domain(plain=True, precisions=(53,), features=frozenset({"closure", "sparse gradients"})),
        ),
        (
            odd_optimizers.SingleOnly,
            Domain(plain=True, precisions=(24,), features=frozenset({"closure", "sparse gradients"})),
        ),
        (odd_optimizers.HidesItsRate, Domain(rate=False, features=TAKEN)),
        (odd_optimizers.picky, Domain(plain=True, options={"weight_decay": 0.25, "momentum": 0.5}, features=TAKEN)),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_the_domain_is_what_cases_may_contain(factory: Any, expected: Domain) -> None:
    given: Any = {"lr": 0.1} if factory is odd_optimizers.picky else {}
    assert measured(factory, **given)[1] == expected


def test_options_that_the_user_has_set_are_left_to_the_user() -> None:
    assert dict(measured(torch.optim.SGD, lr=0.1)[1].options) == {
        "weight_decay": 0.25,
        "momentum": 0.5,
        "maximize": True,
        "nesterov": True,
    }
    assert "momentum" not in measured(torch.optim.SGD, lr=0.1, momentum=0.9)[1].options


@pytest.mark.parametrize(
    ("factory", "inputs", "evidence"),
    [
        (odd_optimizers.NeedsAClosure, "closure", "step() raised RuntimeError: a closure, please"),
        (odd_optimizers.CallsItsClosureBlindly, "closure", "step() raised RuntimeError: the loss, please"),
        (odd_optimizers.CrashesWithItsClosure, "closure", "step() raised RuntimeError: a closure, please"),
        (
            odd_optimizers.CrashesAtTheThird,
            "gradient",
            "the probe did not finish: step() raised IndexError: the third step",
        ),
    ],
)
def test_a_crash_is_told_from_the_wish_for_a_closure(factory: Any, inputs: str, evidence: str) -> None:
    traits, _ = measured(factory)
    assert traits["inputs"] == inputs
    assert traits.known["inputs"].evidence == evidence


def test_a_step_that_never_works_is_not_driven_and_nothing_examines_it() -> None:
    found = measurement(optimizer(odd_optimizers.NeverWorks))
    assert found.traits["inputs"] == "unknown"
    assert found.barred.startswith("step() raised RuntimeError at ")
    (note,) = found.notes
    assert note.text == f"cannot be driven by a plain gradient: {found.barred}"


def test_what_a_step_raises_before_it_is_measured_is_not_measured_and_not_refused() -> None:
    """RuntimeError is how constructors refuse parameter groups: raised at the third step, it refuses nothing."""

    class Breaks(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            self.state[p]["t"] = t = self.state[p].get("t", 0) + 1
            if t == 3:
                raise RuntimeError("the third step")
            super().move(number, group, p, g)

    traits, domain = measured(Breaks)
    assert traits.plain == "not measured"
    assert "separability" not in traits.known
    assert domain.unmeasured.startswith("not measured: step() raised RuntimeError at ")
    assert domain.unmeasured.endswith(": the third step")
    for needs in (Needs(groups=True), Needs(option="maximize"), Needs(feature="bfloat16"), Needs(plain=True)):
        assert needs.unmet(traits, domain, rule=None) == domain.unmeasured


def test_traits_of_a_step_that_never_works_are_not_measured() -> None:
    found = measurement(optimizer(odd_optimizers.NeverWorks))
    assert (found.traits.known, found.traits.plain) == ({}, "not measured")


def test_what_raises_at_its_first_calls_only_is_measured_and_told() -> None:
    class WarmsUp(odd_optimizers.Rule):
        calls = 0

        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            WarmsUp.calls += 1
            if WarmsUp.calls < 6:
                raise RuntimeError("warming up")
            super().move(number, group, p, g)

    found = measurement(optimizer(WarmsUp))
    assert found.unsteady
    assert (found.traits["inputs"], found.traits["dtypes"], found.traits.plain) == (
        "gradient",
        "float64+float32+bfloat16+float16",
        "yes",
    )
    (note,) = found.notes
    assert note.text.startswith("not every run is alike: step() raised RuntimeError at ")
    assert not measurement(optimizer(odd_optimizers.CrashesAtTheThird)).unsteady


def test_an_optimizer_of_factors_takes_its_parameters_in_pairs() -> None:
    traits, _ = measured(odd_optimizers.MovesFactors)
    assert traits["inputs"] == "pairs"
    assert "shapes cannot be multiplied" in traits.known["inputs"].evidence


def test_a_buffer_that_tensors_share_by_mistake_is_no_optimizer_of_pairs() -> None:
    """It raises on the same tensors, and moves a single one: that is a bug and no trait."""
    traits, _ = measured(odd_optimizers.OneBufferForAll)
    assert traits["inputs"] == "gradient"
    assert traits.known["inputs"].evidence.startswith("the probe did not finish: step() raised RuntimeError")


def test_a_declaration_stands_and_a_measurement_that_differs_is_a_conflict() -> None:
    traits = measurement(
        optimizer(odd_optimizers.NormalizedByAll, traits={"separability": "element", "clock": "tensor"})
    ).traits
    assert traits["separability"] == "element"
    assert traits["clock"] == "tensor"
    assert traits.conflicts == ("separability is declared element but measures all",)


def test_a_declared_rule_declares_its_traits() -> None:
    """Else a squared rate would not be a violation of linearity but a response that is not linear."""
    traits = measurement(optimizer(odd_optimizers.SquaresTheRate, rule="sgd")).traits
    assert traits["lr_response"] == "linear"
    assert traits.known["lr_response"].declared
    assert traits.known["lr_response"].evidence.startswith("declared: rule sgd; each of four steps")
    assert traits.conflicts == ("lr_response is declared linear but measures nonlinear",)


def rule(params: Any, grads: Any, state: Any, *, lr: float = 0.1, momentum: float = 0.0) -> tuple[Any, Any]:
    velocity = {k: momentum * (state or {}).get(k, 0) + g for k, g in grads.items()}
    return {k: w - lr * velocity[k] if k in velocity else w for k, w in params.items()}, velocity


def test_an_update_rule_is_probed_like_an_optimizer() -> None:
    found = measurement(update_rule(rule))
    traits, domain = found.traits, found.domain
    without = ("storage", "complex", "dtypes")
    expected = {key: value for key, value in LINEAR.items() if key not in without} | {
        "dtypes": "float64+float32",
        "computes": "float64",
    }
    assert {key: found.value for key, found in traits if key != "complex"} == expected
    assert traits.plain == "yes"
    assert domain.options == {"momentum": 0.5}
    assert not domain.groups, "it has one learning rate"


def test_probing_twice_finds_the_same() -> None:
    subject = optimizer(torch.optim.Adam)
    assert measurement(subject) == measurement(subject)


def test_the_probe_leaves_no_trace_in_the_subject() -> None:
    subject = optimizer(torch.optim.SGD, lr=0.1)
    measurement(subject)
    assert subject.traits == Traits()
    assert subject.hyperparameters == {"lr": 0.1}
    assert np.isfinite(subject.own_rate or 0)


@pytest.mark.parametrize(
    ("factory", "plain"),
    [
        (
            odd_optimizers.Projecting,
            "nearly: every tensor moves by -eta g while weights are small, not from weights of size 1024",
        ),
        (
            odd_optimizers.SwitchesAtTheHundredth,
            "nearly: every tensor moves by -eta g until step 99, not at step 100",
        ),
    ],
)
def test_what_is_plain_for_a_few_small_steps_only_is_not_plain(factory: Any, plain: str) -> None:
    traits, domain = measured(factory)
    assert traits.plain == plain
    assert not domain.plain


@pytest.mark.parametrize("factory", [odd_optimizers.CoupledLate, odd_optimizers.SwitchesTogether])
def test_a_coupling_that_sets_in_late_is_found_and_said(factory: Any) -> None:
    traits, _ = measured(factory)
    assert traits["separability"] == "group"
    assert traits.known["separability"].evidence.endswith("in four steps (it sets in late)")


def test_a_rate_that_is_there_and_does_nothing_is_a_near_miss() -> None:
    said = measured(odd_optimizers.IgnoresTheRate)[0].known["lr_response"].evidence
    assert said.startswith("nearly: there is a learning rate, but setting it changes nothing; each of four steps")


@pytest.mark.parametrize(
    ("factory", "key", "value", "evidence"),
    [
        (
            odd_optimizers.Rule,
            "clock",
            "tensor",
            "a tensor with its first gradient at step 3 or 4 moves as in a fresh optimizer",
        ),
        (
            odd_optimizers.CountsByGroup,
            "clock",
            "group",
            "a tensor with its first gradient at step 3 or 4 does not move as in a fresh optimizer, but a tensor in a "
            "group added then does",
        ),
        (
            odd_optimizers.ZerosForNone,
            "gradient_none",
            "as-zero",
            "a tensor without a gradient at the second step moves there",
        ),
        (odd_optimizers.RaisesOnNone, "gradient_none", "rejects", "step() raised ValueError: a gradient is missing"),
        (odd_optimizers.ZerosForNone, "gradient_zero", "moves", "four steps with gradients of zeros"),
        (odd_optimizers.ZerosForNone, "lr_zero", "moves", "four steps after setting the rate to 0"),
        (odd_optimizers.Rule, "gradient_nan", "element", "one NaN in a gradient at step 2 of 4"),
        (odd_optimizers.NormalizedByTensor, "gradient_nan", "tensor", "one NaN in a gradient at step 2 of 4"),
        (odd_optimizers.NormalizedByAll, "gradient_nan", "all", "one NaN in a gradient at step 2 of 4"),
        (odd_optimizers.SkipsNan, "gradient_nan", "silent", "one NaN in a gradient at step 2 of 4"),
        (odd_optimizers.RaisesOnNan, "gradient_nan", "raises", "step() raised FloatingPointError: NaN in a gradient"),
        (odd_optimizers.Averages, "modes", "yes", "eval() after four steps changes the weights"),
        (odd_optimizers.Rule, "modes", "no", "it has no eval()"),
    ],
)
def test_the_traits_of_the_edges(factory: Any, key: str, value: str, evidence: str) -> None:
    found = measured(factory)[0].known[key]
    assert (found.value, found.evidence) == (value, evidence)


def test_an_optimizer_that_differentiates_its_gradient_needs_a_graph() -> None:
    traits, _ = measured(odd_optimizers.NeedsAGraph)
    assert traits["inputs"] == "create-graph"


def test_an_option_that_bends_the_answer_to_the_rate_is_left_out_where_that_is_judged() -> None:
    class Proximal(odd_optimizers.Rule):
        def __init__(self, params: Any, lr: float = 0.1, weight_decay: float = 0.0) -> None:
            super().__init__(params, lr, weight_decay=weight_decay)

        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            p.div_(1 + group["lr"] * group["weight_decay"])
            super().move(number, group, p, g)

    traits, domain = measured(Proximal)
    assert traits["lr_response"] == "linear"
    assert domain.nonlinear == {"weight_decay"}
    assert measured(torch.optim.SGD, lr=0.1)[1].nonlinear == frozenset()


def test_an_optimizer_that_listens_to_the_loss_is_said_to() -> None:
    traits, _ = measured(odd_optimizers.ListensToTheLoss)
    assert traits["inputs"] == "loss"
    assert traits.known["inputs"].evidence == (
        "step() after assigning .grad works; nearly: step(closure) with the same gradients moves the weights "
        "differently for another loss"
    )


def test_a_rule_that_treats_vectors_otherwise_is_not_element_wise() -> None:
    traits, _ = measured(odd_optimizers.DecaysMatrices)
    assert traits["separability"] == "tensor"
    assert traits.known["separability"].evidence.startswith(
        "nearly: element-wise, but the same numbers move differently as vectors and as matrices; one entry"
    )


def test_the_clock_of_a_rule_that_waits_is_seen_once_it_moves() -> None:
    assert measured(odd_optimizers.WaitsForTheGroup)[0]["clock"] == "group"


def test_the_clock_of_a_tensor_that_does_not_move_is_not_known() -> None:
    class MovesSmallWeights(odd_optimizers.WaitsForTheGroup):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            super().move(number, group, p, g * (p.abs() < 0.5))

    assert "clock" not in measured(MovesSmallWeights)[0].known


def test_an_option_that_makes_the_group_count_is_left_out_where_clocks_are_judged() -> None:
    class Kicks(odd_optimizers.Rule):
        def __init__(self, params: Any, lr: float = 0.1, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
            super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay)

        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            group["t"] = group.get("t", 0) + (p is group["params"][0])
            super().move(number, group, p, g + (group["momentum"] * g if group["t"] > 1 else 0))

    traits, domain = measured(Kicks)
    assert traits["clock"] == "tensor"
    assert domain.counted == {"momentum"}


def test_a_decay_of_what_has_no_gradient_is_no_clock() -> None:
    traits, domain = measured(DecaysWhatHasNoGradient)
    assert traits["clock"] == "tensor"
    assert domain.counted == frozenset()


def test_empty_tensors_are_no_cases_where_one_alone_is_refused() -> None:
    class NeedsEntries(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            if not sum(q.numel() for q in group["params"]):
                raise ValueError("nothing to move")
            super().move(number, group, p, g)

    assert not measured(NeedsEntries)[1].empty


@pytest.mark.parametrize(("error", "taken"), [(ValueError, False), (AttributeError, True)])
def test_frozen_parameters_are_no_cases_where_they_are_refused(error: type[Exception], *, taken: bool) -> None:
    """As torch.optim did before 0.4.1 (pytorch#7419); what is no refusal is a crash, and shows."""

    class WantsGradients(odd_optimizers.Rule):
        def __init__(self, params: Any, **given: Any) -> None:
            super().__init__(params, **given)
            if not all(p.requires_grad for group in self.param_groups for p in group["params"]):
                raise error("optimizing a parameter that doesn't require gradients")

    assert measured(WantsGradients)[1].frozen is taken


def test_a_rule_that_waits_gets_longer_feeds() -> None:
    class Waiting(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            self.state[p]["t"] = t = self.state[p].get("t", 0) + 1
            if t > 5:
                super().move(number, group, p, g)

    assert measured(Waiting)[1].waits == 5
    assert measured(odd_optimizers.Rule)[1].waits == 0


class WithoutKernels(torch.optim.SGD):
    """Raises where a parameter is a convolution's kernel."""

    def step(self, closure: Any = None) -> Any:
        if any(p.dim() > 2 for group in self.param_groups for p in group["params"]):
            raise IndexError("too many indices")
        return super().step(closure)


def test_numbers_of_dimensions_that_raise_are_told_as_not_examined() -> None:
    (note,) = measurement(optimizer(WithoutKernels, lr=0.1)).notes
    assert note.text.startswith("tensors with 3 or 4 dimensions were not examined: step() raised IndexError at ")
    assert note.text.endswith(": too many indices")
    assert measurement(optimizer(torch.optim.SGD, lr=0.1)).notes == ()
