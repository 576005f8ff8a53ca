"""A model whose outputs fit the targets only after ``build`` has replaced its head, as fine-tuning does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.errors import UsageError
from gdprops.model.verdict import Status
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 3), nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Any:
        return self.head(torch.tanh(self.body(x)))


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def with_a_new_head(*, first: bool, outputs: int = 2) -> Any:
    """The optimizer is made after the head is replaced, or before: then it holds the head that was there."""

    def build(model: Any, loss_fn: Any) -> Any:
        if first:
            model.head = nn.Linear(3, outputs, dtype=model.body.weight.dtype)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if not first:
            model.head = nn.Linear(3, outputs, dtype=model.body.weight.dtype)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()

        return step, optimizer

    return build


OWN: dict[str, Any] = {"models": Net, "batches": batches, "loss": nn.MSELoss(), "trains": "*"}


@pytest.mark.parametrize(("first", "status"), [(True, Status.HELD), (False, Status.VIOLATED)])
def test_the_new_head_trains_where_the_optimizer_holds_it(first: bool, status: Status) -> None:
    subject = training_step(with_a_new_head(first=first), name="mine", **OWN)
    settings = Settings(seed=0, examples=5)
    (found,) = check_subject(subject, clauses=("step.complete-as-declared",), settings=settings).verdicts
    assert found.status is status


def test_a_head_that_fits_no_targets_is_a_usage_error_of_one_line() -> None:
    with pytest.raises(UsageError, match=r"mine cannot be used: .* raised RuntimeError at .*: The size of tensor a"):
        training_step(with_a_new_head(first=True, outputs=4), name="mine", **OWN)
