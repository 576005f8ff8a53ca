"""Every fault of training steps in the bank is explained by what it does, with the clause that it violates."""

from __future__ import annotations

import pytest

from gdprops.faults import Fault, bank, twins
from gdprops.subjects.training_step.subject import TrainingStep
from tests.explanations.training_step.examples import instead, of_fault

pytestmark = pytest.mark.xdist_group("explained faults")
FORWARD = "layer by layer, first layer first: each layer's gradient is taken after the layers before it have moved"
UPDATED = "the step uses the already updated weights of"
SIMULTANEOUS, ACCUMULATION, CLIPPING = "step.simultaneous", "step.accumulation", "step.clipping"
ANY = ""
FRESH, MOVES_ALL, ONCE = "step.fresh-gradient", "step.moves-all", "step.once"
EXPLAINED = {
    "steps-twice": (ONCE, "the optimizer is called 2 times in one step, each time with the same gradients"),
    "listed-twice": (
        ONCE,
        "the same update is applied twice or, which gives the same weights, the gradient is doubled",
    ),
    "never-zeroes": (FRESH, "the gradient is added to those of the earlier steps (no zero_grad)"),
    "steps-before-backward": (FRESH, "the last step's gradient is used (stale)"),
    "last-layer-first": (SIMULTANEOUS, "tensor by tensor, last to first: each is moved before the next one's gradient"),
    "writes-before-backward": (
        SIMULTANEOUS,
        "the weights are changed (multiplied by 0.75) between the forward pass and its backward",
    ),
    "forgets-the-first-layer": (MOVES_ALL, "the first parameter stays where it is"),
    "decays-the-frozen": (
        "step.frozen-untouched",
        "after a right update all weights, frozen ones too, are multiplied by 63/64",
    ),
    "unfreezes-in-the-step": (
        "step.frozen-untouched",
        "what was frozen when build returned the step is trained like everything else: the step sets requires_grad "
        "or ignores it",
    ),
    "climbs": (SIMULTANEOUS, "the step climbs: the gradient's sign is flipped"),
    "means-of-micro-batches": (
        ACCUMULATION,
        "the gradients of 7 micro-batches (rows 0-1; 2-3; 4-5; 6-7; 8-9; …; 12) are added up, "
        "their losses each divided by their number",
    ),
    "steps-on-the-sum": (ACCUMULATION, "8-9; …; 12) are added up, their losses as they are"),
    "steps-on-every-micro-batch": (
        ACCUMULATION,
        "one update per micro-batch, each at the weights that the last one left: rows 0-1; 2-3; 4-5; 6-7; 8-9; …; 12",
    ),
    "divides-by-the-full-count": (
        ACCUMULATION,
        "a short window's gradient is divided by the micro-batches of a whole one",
    ),
    "hooks-step-on-every-micro-batch": (ACCUMULATION, "one update per micro-batch, each at the weights that the last"),
    "clips-each-tensor": (CLIPPING, "each parameter's gradient is clipped by itself, to the norm 0.5"),
    "hooks-step-before-clipping": (CLIPPING, "the gradient is not clipped"),
    "clips-after-the-step": (CLIPPING, "the gradient is not clipped"),
    "clips-every-micro-batch": (CLIPPING, "the sum is clipped again after each of them"),
    "hooks-fire-per-use": (ANY, UPDATED),
    "hooks-share-the-last-part": (
        MOVES_ALL,
        "some parameters stay where they are, all others are right; in the largest",
    ),
    "steps-when-its-counter-is-full": (ANY, "some parameters move twice as far, all others are right"),
    "layer-by-layer": (SIMULTANEOUS, FORWARD),
    "layer-by-layer-slowly": (SIMULTANEOUS, FORWARD),
    "second-half-looks-late": (
        SIMULTANEOUS,
        "the gradients of the second half of the network are taken after the first half has moved",
    ),
    "biases-after-weights": (SIMULTANEOUS, "the biases' gradients are taken after the weights have moved"),
    "weight-by-weight": (SIMULTANEOUS, "weight by weight: each single weight's gradient is taken after others have"),
    "backprops-through-moved-weights": (
        ANY,
        f"{UPDATED} layer2.weight and layer3.weight while the gradients of the layers before are computed (in-place "
        "backprop): with their old values it is right",
    ),
    "decays-before-it-looks": (
        SIMULTANEOUS,
        "the weights are changed (multiplied by 31/32) before the gradient is taken at them",
    ),
    "decays-the-moved-weights": (
        SIMULTANEOUS,
        "the decay is applied to the weights that the step has already moved",
    ),
    "moves-by-its-updated-neighbour": (ANY, "in the update of another parameter: with their old values it is"),
    "counts-once-per-tensor": (
        SIMULTANEOUS,
        "the step counter is advanced once per parameter instead of once per step",
    ),
    "clears-its-state": (SIMULTANEOUS, "the optimizer's state starts anew each step"),
    "makes-a-new-optimizer": (SIMULTANEOUS, "the optimizer's state starts anew each step"),
    "counts-one-ahead": (SIMULTANEOUS, "the step counter runs one step ahead"),
    "averages-in-copies": (SIMULTANEOUS, "the rule's averages are forgotten after every step"),
    "forgets-the-decay": (SIMULTANEOUS, "weight_decay is not applied"),
    "decays-the-unused": (MOVES_ALL, "a missing gradient is replaced by zeros: parameters that take no part move too"),
    "deposits-the-first-twice": (
        SIMULTANEOUS,
        "the gradients of 2 passes over the whole batch are added up, their losses as they are",
    ),
    "looks-again-between-optimizers": (
        SIMULTANEOUS,
        "the biases' gradients are taken after the weights have moved",
    ),
    "means-of-token-means": (ACCUMULATION, "are added up, their losses each divided by their number"),
}
FITTED = {"decays-the-frozen", "divides-by-the-full-count"}
"""Their explanation has a number that was fitted to what was seen."""
WEIGHTS_ARE_RIGHT = {
    "trains-a-copy",
    "ticks-once-per-tensor",
    "unfreezes-in-build",
    "leaves-the-body-out",
    "holds-only-what-is-frozen",
    "stays-in-evaluation-mode",
    "leaves-the-declared-out",
    "unfreezes-the-declared",
    "unfreezes-too-early",
    "schedules-four-times",
    "schedules-before-the-step",
    "warms-up-from-the-peak",
    "averages-with-a-flipped-sign",
    "averages-before-the-step",
    "decays-one-update-late",
    "saves-no-optimizer",
    "saves-no-count",
    "counts-outside-its-states",
}
"""The clause itself says it all: what the optimizer holds, what is unfrozen, a mode, a rate; U is right there."""


def has_one_loss(fault: Fault) -> bool:
    """Say whether a fault is a training step of one process without phases: others are named by their own clauses."""
    subject = None if fault.subject is None else fault.subject()
    return isinstance(subject, TrainingStep) and subject.declaration.phases is None


TRAINED = [f.name for f in bank() if has_one_loss(f)]


@pytest.mark.parametrize("fault", EXPLAINED)
def test_a_fault_is_explained_by_what_it_does(fault: str) -> None:
    found = of_fault(fault)
    assert found is not None
    clause, text = EXPLAINED[fault]
    assert text in found.text
    assert found.clause == clause
    assert (found.constants == 0) == (fault not in FITTED)


@pytest.mark.parametrize("fault", sorted(WEIGHTS_ARE_RIGHT))
def test_what_is_no_wrong_step_is_not_explained(fault: str) -> None:
    assert of_fault(fault) is None


def test_no_fault_is_left_out() -> None:
    assert set(TRAINED) == set(EXPLAINED) | WEIGHTS_ARE_RIGHT
    assert len(EXPLAINED) >= 30


def test_nine_of_ten_are_explained_without_a_fitted_constant() -> None:
    assert len(FITTED) <= 0.1 * len(EXPLAINED)


@pytest.mark.parametrize("twin", [t for t in twins() if t.name.startswith("training-")], ids=lambda twin: twin.name)
def test_a_correct_step_needs_no_explanation(twin: object) -> None:
    assert instead(twin.subject()) is None  # type: ignore[attr-defined] # a twin
