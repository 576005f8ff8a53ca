"""A step of each framework is simultaneous, however it is run; a layer-by-layer trainer is caught and named."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

import gdprops
from tests.frameworks import trainers

SIMULTANEOUS = {
    "tensorflow": (
        trainers.trains_all_at_once_in_tensorflow,
        trainers.trains_in_a_tf_function,
        trainers.trains_in_graph_mode,
        trainers.trains_on_a_batch_in_keras,
        trainers.fits_one_batch_in_keras,
        trainers.accumulates_in_keras,
    ),
    "optax": (trainers.trains_all_at_once_in_jax,),
}
LAYER_BY_LAYER = {
    "tensorflow": (
        trainers.trains_layer_by_layer_in_tensorflow,
        trainers.trains_layer_by_layer_in_a_tf_function,
        trainers.trains_layer_by_layer_in_graph_mode,
        trainers.trains_layer_by_layer_in_keras,
    ),
    "optax": (trainers.trains_layer_by_layer_in_jax,),
}
STEPS = ("step.simultaneous", "step.plain", "step.moves-all", "step.fresh-gradient", "step.once")


AT_NIGHT = (
    trainers.fits_one_batch_in_keras,
    trainers.trains_layer_by_layer_in_tensorflow,
    trainers.trains_layer_by_layer_in_a_tf_function,
)
"""They take ten seconds each, and others of the same framework run by day."""


def _installed(chosen: dict[str, tuple[Any, ...]]) -> list[Any]:
    return [
        pytest.param(trainer, marks=[pytest.mark.nightly] * (trainer in AT_NIGHT), id=trainer.__name__)
        for framework, found in chosen.items()
        if find_spec(framework)
        for trainer in found
    ]


def _checked(trainer: Any, clauses: tuple[str, ...]) -> Any:
    """Return the report of eight examples: of so many, some may be undecided."""
    subject = gdprops.backprop(trainers.loss, trainer, shapes=trainers.SHAPES)
    return gdprops.check(subject, clauses=clauses, examples=8, seed=0, timeout=600)


@pytest.mark.parametrize("trainer", _installed(SIMULTANEOUS))
def test_its_steps_are_simultaneous(trainer: Any) -> None:
    report = _checked(trainer, STEPS)
    assert [v.status for v in report.verdicts if v.about == "subject"] == ["held"] * len(STEPS), str(report)


@pytest.mark.parametrize("trainer", _installed(LAYER_BY_LAYER))
def test_a_layer_by_layer_trainer_is_caught_blamed_and_explained(trainer: Any) -> None:
    (verdict,) = _checked(trainer, ("step.simultaneous",)).verdicts
    assert verdict.status == "violated"
    assert set(verdict.blame) <= {"W2", "b2"}
    assert verdict.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after ")
