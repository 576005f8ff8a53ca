"""No clause accuses a correct subject. `GDPROPS_TWIN_EXAMPLES=1000` looks 200 times as long."""

from __future__ import annotations

import os

import pytest

from gdprops.faults import twins
from gdprops.runner.kill_matrix import Accusation, accusations
from tests.faults.suspects import measured, of_one

pytestmark = pytest.mark.daily(0.6)  # two of three; all at night, and at 1000 examples

EXAMPLES = int(os.environ.get("GDPROPS_TWIN_EXAMPLES", "3"))
FEWEST_JUDGES = {
    "draws-global-noise": 2,
    "saves-its-generator": 3,
    "extrapolates": 7,
    "looks-uphill": 7,
    "clips-the-global-norm": 9,
    "momentum-as-in-keras": 8,
    "lars-rule": 8,
    "training-acts-and-follows": 2,
    "training-delays-its-actor": 2,
    "training-plays-with-a-clipped-critic": 1,
}
JUDGES = {"training-": 6, "backprop-": 7, "ranks-": 3}
OF_EACH_TWIN = pytest.mark.parametrize("twin", [of_one(twin.name, twin.name) for twin in twins()])


@OF_EACH_TWIN
def test_a_correct_twin_is_not_accused(twin: str) -> None:
    assert accusations(measured(twin), examples=EXAMPLES) == ()


@OF_EACH_TWIN
def test_a_twin_is_judged_by_what_its_faults_are_judged_by(twin: str) -> None:
    fewest = next((n for kind, n in JUDGES.items() if twin.startswith(kind)), 10)
    assert len(measured(twin).judges()) >= FEWEST_JUDGES.get(twin, fewest)


def test_a_fault_would_be_accused() -> None:
    said = accusations(measured("sgd-sign-flipped"), examples=5)
    assert {"step.plain", "step.descends", "step.trains"} <= {accusation.clause for accusation in said}
    assert all(accusation.reason for accusation in said)
    assert Accusation("sgd-sign-flipped", "step.descends", "at η = 0.25 the loss goes 0.5 → 1.220703125") in said


@pytest.mark.parametrize(
    ("twin", "separability"),
    [("hand-written-adam", "element"), ("trust-ratio", "tensor"), ("clips-the-global-norm", "all")],
)
def test_twins_are_coupled_as_far_as_they_say(twin: str, separability: str) -> None:
    found = measured(twin).measured
    assert found is not None
    assert found.subject.traits["separability"] == separability
