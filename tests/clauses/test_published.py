"""The published chapter on torch's own classes, which hold, and on rules in other forms, which are named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import gdprops
from gdprops.clauses import catalogue
from gdprops.clauses.published import CLAUSES
from gdprops.errors import UsageError
from gdprops.faults import bank, twins
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
EXAMPLES, SEEDS = 8, (0, 1, 2)


def torch_subject(rule: str) -> Any:
    name, given = TORCH[rule]
    if not hasattr(torch.optim, name):
        pytest.skip(f"this torch has no {name}")
    return optimizer(getattr(torch.optim, name), rule=rule, lr=0.1, **given)


def test_every_rule_has_its_clause() -> None:
    assert [clause.id for clause in CLAUSES] == [f"published.{name}" for name in RULES]
    assert all(clause.needs.rule == clause.id.partition(".")[2] for clause in CLAUSES)


@pytest.mark.parametrize("precision", [53, 24])
@pytest.mark.parametrize("rule", TORCH)
def test_torchs_own_class_is_what_it_is_called(rule: str, precision: int) -> None:
    clause = catalogue()[f"published.{rule}"]
    with isolated():
        measured = measured_subject(torch_subject(rule), chosen(None))
        domain = replace(measured.domain, precisions=(precision,))
        assert measured.subject.traits.conflicts == ()
        for seed in SEEDS:
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
        ("adadelta-remembers-gradients", "no known form of adadelta does what was seen"),
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
