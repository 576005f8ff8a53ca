"""Steps on the user's own models: dealt by rows, compared with one process, and refused in one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

import gdprops
from gdprops.faults.distributed_steps import reduction_faults, right_ranks
from gdprops.faults.distributed_steps.named_ranks import normalized, rows, smooth
from gdprops.model.domain import Domain
from gdprops.model.verdict import Status
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.subjects.distributed_step.own_models import DRAWS, MIXES, examined, trial_case_of

pytestmark = [pytest.mark.usefixtures("ranks"), pytest.mark.xdist_group("ranks")]
OWN: dict[str, Any] = {"world": 2, "models": smooth, "batches": rows, "loss": nn.functional.mse_loss}


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.Linear(3, 1))


def objective(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    loss: Tensor = (model(inputs) - targets).square().mean()
    return loss


def test_a_wrong_step_on_an_own_model_is_found_and_explained() -> None:
    subject = gdprops.distributed_step(reduction_faults.sum_for_the_mean, **OWN)
    report = gdprops.check(subject, "distributed.equals-single", examples=5, seed=0)
    (verdict,) = report.violations
    assert verdict.explanation == "the gradients of the 2 ranks are added, and not averaged"
    assert verdict.blame[0] == "0.weight"
    assert verdict.counterexample is not None
    assert verdict.counterexample.path is not None
    again = gdprops.replay(verdict.counterexample.path, subject)
    assert again["distributed.equals-single"].status is Status.VIOLATED


def test_what_mixes_rows_cannot_be_put_beside_one_process() -> None:
    declared = gdprops.distributed_step(right_ranks.wrapped_in_ddp, **{**OWN, "models": normalized})
    assert examined(declared.declaration.training, "build")[1:] == (16, MIXES)
    declared = gdprops.distributed_step(right_ranks.wrapped_in_ddp, **{**OWN, "models": dropping})
    assert examined(declared.declaration.training, "build")[1:] == (16, DRAWS)
    declared = gdprops.distributed_step(right_ranks.wrapped_in_ddp, **OWN)
    assert examined(declared.declaration.training, "build")[1:] == (16, "")


def few(i: int) -> tuple[Tensor, Tensor]:
    return torch.ones(1, 2), torch.ones(1, 1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"models": st.just(nn.Linear(1, 1))}, "expected a function: ranks are processes of their own, and call it"),
        ({"batches": None}, "models=, loss= without batches=; the user's own model needs models= and batches="),
        ({"batches": few}, "batches(0) has 1 row; expected at least 2, one for each call of a rank"),
        ({"models": lambda: nn.Linear(2, 1)}, "is defined where no import finds it"),
        ({"objective": objective}, "models= needs one of loss="),
    ],
)
def test_own_models_that_cannot_be_used_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(gdprops.UsageError) as error:
        gdprops.check(gdprops.distributed_step(right_ranks.wrapped_in_ddp, **{**OWN, **changed}), examples=2, seed=0)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_rows_that_cannot_be_dealt_evenly_are_left_out() -> None:
    assert Domain(own_rows=11, window=2).own_parts(2) == (4, 4)
    assert Domain(own_rows=11, window=1, ragged=True).own_parts(2) == (7, 3)
    assert Domain(own_rows=8, window=2, ragged=True).own_parts(4) == (2, 2, 2, 2)


def test_a_case_of_an_own_model_is_saved_as_data() -> None:
    declared = gdprops.distributed_step(right_ranks.wrapped_in_ddp, **OWN)
    case = trial_case_of(declared.declaration.training, (8, 8))
    assert decode(encode(case)) == case
