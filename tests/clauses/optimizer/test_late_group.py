"""A group that is added later to a rule that couples all tensors: where it moves, and where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor

from gdprops.faults.optimizers.correct_optimizers import Group, PlainDescent
from gdprops.model.case import UpdateCase
from gdprops.runner.session import measured_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.torch_optimizer.subject import optimizer
from gdprops.subjects.user_code.isolation import isolated
from tests.clauses.optimizer.optimizer_cases import CASE, examined


class ByTheLargest(PlainDescent):
    """Divides every gradient by one more than the largest entry of all."""

    def entries(self) -> list[float]:
        """Return the largest entry of every gradient."""
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        return [float(p.grad.abs().max()) for p in held]

    def move_all(self) -> None:
        self.largest = max(self.entries(), default=0.0)
        super().move_all()

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        p.sub_(group["lr"] * g / (1 + self.largest))


class ByTheLargestEver(ByTheLargest):
    """Remembers the largest entry that there has been."""

    largest = 0.0

    def entries(self) -> list[float]:
        return [*super().entries(), self.largest]


class MovesItsFirstGroup(ByTheLargest):
    """Looks at no group but the first."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if group is self.param_groups[0]:
            super().move(p, g, group)


def fed(early: tuple[float, ...], late: tuple[float, ...], first: float = 1.0) -> UpdateCase:
    """Return five steps: of the first tensor two and then these, of the others these once they are there."""
    sizes = [(first, first), (first, first), *zip(early, late, strict=True)]
    gradients = [tuple((0 * w + (e if i == 0 else g)) for i, w in enumerate(CASE.tensors)) for e, g in sizes]
    return replace(CASE, gradients=tuple(gradients))


@pytest.mark.parametrize(
    ("early", "late"),
    [
        pytest.param((3.0, 1.0, 1.0), (1.0, -0.5, 0.0), id="there and back"),
        pytest.param((2.0**80, 2.0**80, 2.0**80), (1.0, 1.0, 1.0), id="next to huge gradients"),
    ],
)
def test_a_late_group_that_moves_is_not_accused_where_it_ends_as_it_began(early: Any, late: Any) -> None:
    with isolated():
        right, wrong = (
            measured_subject(optimizer(kind, lr=0.5), Settings()) for kind in (ByTheLargest, MovesItsFirstGroup)
        )
    assert right.subject.traits["separability"] == "all"
    assert not examined(right, "late-group", fed(early, late)).violated
    assert examined(wrong, "late-group", fed(early, late)).reason == "added later, it never moves"


def test_a_step_of_some_ulps_is_no_step_to_ask_for() -> None:
    with isolated():
        found = measured_subject(optimizer(ByTheLargestEver, lr=0.5), Settings())
    assert found.subject.traits["separability"] == "all"
    tiny = (2.0**-45,) * 3
    evidence = examined(found, "late-group", fed((0.0, 0.0, 0.0), tiny, first=2.0**10))
    assert evidence.decisive
    assert not evidence.violated
