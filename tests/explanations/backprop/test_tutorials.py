"""Backprop of tutorials and courses, re-created: what is said of it, and a case to follow with pencil and paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.clauses.implementations.backprop import EARLY
from gdprops.faults import Fault, bank
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings

NEXT = {
    "joelgrus/data-science-from-scratch#31": "the next layer, params[1]",
    "CodingTrain/Toy-Neural-Network-JS#72": "the next layer, W2",
    "VikParuchuri/zero_to_gpt#12": "the next layer each, params[1] and params[2]",
    "LxMLS/lxmls-guide#115": "the next layer, W2",
    "Bot-Academy/NeuralNetworkFromScratch#3, louisjc/mnist-neural-network#1": "the next layer, w_ho",
    "kim-marcel/basic_neural_network#7": "the next layer, outer",
}
TUTORIALS = [fault for fault in bank() if fault.source in NEXT and fault.name in EARLY]


def simultaneous(fault: Fault, seed: int) -> Verdict:
    assert fault.subject is not None
    outcome = check_subject(fault.subject(), clauses="step.simultaneous", settings=Settings(seed=seed, examples=100))
    (verdict,) = (v for v in outcome.verdicts if v.clause == "step.simultaneous")
    return verdict


def test_all_tutorials_are_here() -> None:
    assert {fault.source for fault in TUTORIALS} == set(NEXT)
    assert {fault.name for fault in TUTORIALS} == set(EARLY)


@pytest.mark.parametrize("fault", TUTORIALS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_it_uses_the_updated_weights_of_the_next_layer(fault: Fault, seed: int) -> None:
    verdict = simultaneous(fault, seed)
    assert verdict.status is Status.VIOLATED
    assert verdict.first_wrong_step == 1
    assert verdict.explanation == (
        f"the step uses the already updated weights of {NEXT[fault.source]}: "
        "with every write put off to the end of the step, it is right"
    )
    assert verdict.counterexample is not None
    case: Any = verdict.counterexample.case["case"]
    assert sum(np.size(w["array"]) for w in case["tensors"]) <= 4
    numbers = [v for w in case["tensors"] for v in np.ravel(w["array"])]
    assert all(len(f"{v:g}") <= 5 for v in numbers)
