"""The published chapter on torch's own classes, which hold, and on rules in other forms, which are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import gdprops
from gdprops.clauses import catalogue
from gdprops.clauses.published import CLAUSES
from gdprops.clauses.support.published_forms import moves_at_rest, obeys
from gdprops.errors import UsageError
from gdprops.faults import bank, twins
from gdprops.model.case import Plan, UpdateCase
from gdprops.model.traits import RULES
from gdprops.numerics.decisions import decisive_needed
from gdprops.runner.items import items_for
from gdprops.runner.search import search
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import chosen
from gdprops.subjects.declared_rule import check_rule
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.user_code.isolation import isolated

TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {"centered": True}),
    "adadelta": ("Adadelta", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adamax": ("Adamax", {}),
    "nadam": ("NAdam", {}),
    "radam": ("RAdam", {}),
    "rprop": ("Rprop", {}),
    "adafactor": ("Adafactor", {}),
    "muon": ("Muon", {}),
}
EXAMPLES = 8
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (1, 2))]


def torch_subject(rule: str) -> Any:
    name, given = TORCH[rule]
    if not hasattr(torch.optim, name):
        pytest.skip(f"this torch has no {name}")
    return optimizer(getattr(torch.optim, name), rule=rule, lr=0.1, **given)


def test_every_rule_has_its_clause() -> None:
    assert [clause.id for clause in CLAUSES] == [f"published.{name}" for name in RULES]
    assert all(clause.needs.rule == clause.id.partition(".")[2] for clause in CLAUSES)


def test_the_rule_sgd_with_a_decay_is_not_held_to_plain_gradient_descent() -> None:
    """With lr = 0.1 and weight_decay = 0.01 the published sgd moves w by -0.1 (g + 0.01 w), and not by -0.1 g."""
    decaying = optimizer(torch.optim.SGD, rule="sgd", lr=0.1, weight_decay=0.01)
    report = gdprops.check(decaying, clauses=("step.plain", "step.moves-all", "published.*"), examples=5, seed=0)
    told = {v.clause: v.status.value for v in report.verdicts}
    assert (told["step.plain"], told["step.moves-all"], told["published.sgd"]) == ("not-applicable", "held", "held")
    assert [v.reason for v in report.verdicts if v.clause == "step.plain"] == [
        "not plain gradient descent: its weights decay"
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("precision", [53, 24])
@pytest.mark.parametrize("rule", TORCH)
def test_torchs_own_class_is_what_it_is_called(rule: str, precision: int, seed: int) -> None:
    clause = catalogue()[f"published.{rule}"]
    with isolated():
        measured = measured_subject(torch_subject(rule), chosen(None))
        domain = replace(measured.domain, precisions=(precision,))
        assert measured.subject.traits.conflicts == ()
        found = search(
            lambda case: clause.examine(measured.subject, case),
            clause.cases(domain),
            examples=EXAMPLES,
            seed=seed,
            shrink=False,
        )
    assert found.bug is None
    assert found.evidence is None, found.evidence
    assert found.decisive >= decisive_needed(EXAMPLES)


def verdict_of(subject: Any) -> Any:
    (verdict,) = gdprops.check(subject, clauses="published.*", examples=10, seed=0).verdicts
    return verdict


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("adam-without-state", "what it does instead: its state is zero again at every step"),
        ("adam-without-correction", "what it does instead: the bias of the means is not corrected"),
        (
            "adam-with-epsilon-inside",
            "what it does instead: ε stands inside the square root (optax (eps_root): --rule adam:epsilon-inside)",
        ),
        (
            "adam-begins-with-a-synthetic-step",
            "what it does instead: its state has seen a gradient of zeros before the first step",
        ),
        ("adamw-couples-its-decay", "what it does instead: the decay goes through the gradient (Adam)"),
        ("adamw-decays-moved-weights", "what it does instead: the weights decay after they have moved"),
        ("amsgrad-never-stores-its-maximum", "what it does instead: it is Adam: the maximum is not kept"),
        (
            "adadelta-remembers-gradients",
            "what it does instead: ρ * u + (1 - ρ) * g * g stands where the formula says ρ * u + (1 - ρ) * d * d",
        ),
        ("lamb-forgets-the-ratio", "what it does instead: there is no trust ratio (AdamW)"),
    ],
)
def test_a_violation_names_the_form_that_was_found(fault: str, said: str) -> None:
    subject = next(f for f in bank() if f.name == fault).subject
    assert subject is not None
    verdict = verdict_of(subject())
    assert verdict.status == "violated"
    assert verdict.explanation is not None
    assert verdict.explanation.startswith(said), verdict.explanation


def test_a_declared_dialect_is_held_to_and_the_rules_own_form_named() -> None:
    twin = next(t for t in twins() if t.name == "adam-as-in-keras").subject
    assert twin is not None
    assert verdict_of(twin()).status == "held"
    undeclared: Any = twin()
    assert verdict_of(replace(undeclared, rule="adam")).explanation.startswith(
        "what it does instead: ε stands beside the uncorrected root (ε-hat) "
        "(Kingma and Ba 2015, end of section 2; Keras, TensorFlow 1: --rule adam:epsilon-hat)"
    )
    other = verdict_of(optimizer(torch.optim.Adam, rule="adam:epsilon-hat", lr=0.1))
    assert other.explanation == "what it does instead: adam in its own form (--rule adam)"


class Warm(torch.optim.SGD):
    """Plain descent that shows a hyperparameter which nobody publishes."""

    def __init__(self, params: Any, lr: float = 0.5) -> None:
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            group["warm"] = 3


def test_unknown_hyperparameters_are_said() -> None:
    verdict = verdict_of(optimizer(Warm, rule="adamax", lr=0.5))
    assert verdict.explanation.startswith("no known form of adamax does what was seen; adamax knows no warm=3")
    assert "betas=(0.9, 0.999), eps=1e-08 is assumed" in verdict.explanation


def test_a_form_that_may_not_show_is_named_in_the_reason() -> None:
    """At mu = 0 and lambda = 0 momentum is plain descent: only the forms that differ even then are rivals."""
    verdict = verdict_of(optimizer(torch.optim.SGD, rule="momentum", lr=0.5, momentum=0.0, dampening=0.0))
    assert verdict.status == "held"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("adm", r"rule='adm'; expected one of sgd, momentum, .*; did you mean 'adam' or 'radam' or 'nadam'\?"),
        ("adam:hat", r"rule='adam:hat'; expected a dialect of adam: epsilon-hat, epsilon-inside"),
        ("rprop:", r"rule='rprop:'; expected a dialect of rprop: minus, plus"),
        ("sgd:torch", r"rule='sgd:torch'; expected sgd, which has no dialects"),
    ],
)
def test_a_rule_that_nobody_publishes_is_refused(rule: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_rule(rule)


def test_only_the_declared_rule_is_looked_at_and_undeclared_says_how() -> None:
    def published(subject: Any) -> list[str]:
        return [i.clause.id for i in items_for(subject, tuple(catalogue())) if i.clause.chapter == "published"]

    assert published(torch_subject("adam")) == ["published.adam"]
    report = gdprops.check(optimizer(torch.optim.Adam, lr=0.1), clauses="published.adam", examples=5, seed=0)
    assert report.verdicts[0].status == "not-applicable"
    assert report.verdicts[0].reason == "the subject does not declare this published rule (--rule NAME declares one)"


class RpropInSingle(torch.optim.Optimizer):
    """Rprop whose factors are chosen by torch.where from plain numbers: they are float32 beside float64 weights."""

    factors = (0.5, 1.2)

    def __init__(self, params: Any, lr: float = 0.01, etas: Any = (0.5, 1.2), step_sizes: Any = (1e-6, 50)) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                same = p.grad * s.get("g", torch.zeros_like(p))
                factor = torch.where(same > 0, self.factors[1], torch.where(same < 0, self.factors[0], 1.0))
                s["d"] = (s.get("d", torch.full_like(p, group["lr"])) * factor.to(p.dtype)).clamp(*group["step_sizes"])
                s["g"] = p.grad * (same >= 0)
                p.sub_(s["g"].sign() * s["d"])


class RpropOff(RpropInSingle):
    """The larger factor is 1.2 and a millionth."""

    factors = (0.5, 1.2 + 1e-6)


@pytest.mark.parametrize(("kind", "violated"), [(RpropInSingle, False), (RpropOff, True)])
def test_a_number_that_is_kept_in_float32_is_no_other_rule(kind: Any, *, violated: bool) -> None:
    subject, w = optimizer(kind, rule="rprop", lr=0.01), np.array([1.0, -2.0])
    case = UpdateCase((w,), ((w,), (w,), (-w,)), Plan(((0,),), (0.5,)), 53, (0,))
    assert obeys(subject, case).violated is violated
    assert moves_at_rest(subject, case), "Rprop's least step size is 1e-6 at every rate"
    assert not moves_at_rest(optimizer(torch.optim.SGD, rule="sgd", lr=0.01), case)
