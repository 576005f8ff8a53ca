"""An average of what several steps have left is known from everything else that is written to weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdprops.watching.averaged_weights import AveragedWeights, is_average, nearest_average


def path(steps: int = 6, size: int = 40, momentum: float = 0.9) -> list[Tensor]:
    """Return weights after each step of a noisy descent."""
    generator = torch.Generator().manual_seed(0)
    weights, speed = torch.randn(size, generator=generator) * 0.3, torch.zeros(size)
    slope, found = torch.randn(size, generator=generator), [weights]
    for _ in range(steps):
        speed = momentum * speed + 0.01 * (slope + 0.3 * torch.randn(size, generator=generator))
        weights = weights - speed
        found.append(weights)
    return found


def average(rows: list[Tensor], decay: float) -> Tensor:
    kept = rows[0].clone()
    for row in rows[1:]:
        kept.mul_(decay).add_(row, alpha=1 - decay)
    return kept


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_an_exponential_average_is_one(decay: float) -> None:
    assert is_average(average(path(), decay), path())


def test_the_mean_of_the_last_three_is_one() -> None:
    assert is_average(torch.stack(path()[-3:]).mean(0), path())


def test_everything_else_is_none() -> None:
    rows = path()
    last, noise = rows[-1], torch.randn(40, generator=torch.Generator().manual_seed(1))
    for other in (rows[2], torch.lerp(rows[0], last, 0.5), last.clamp(-0.2, 0.2), 0.99 * last, last + 1e-3 * noise):
        assert not is_average(other, rows)
    assert not is_average(torch.full_like(last, float("nan")), rows)


def test_of_few_contents_or_few_entries_nothing_is_said() -> None:
    assert not is_average(average(path(1), 0.9), path(1))
    assert not is_average(average(path(size=8), 0.9), path(size=8))


def test_a_write_of_another_kind_begins_anew() -> None:
    rows, state = path(), AveragedWeights()

    def step(content: int, begin: Tensor, end: Tensor) -> bool:
        found = state.begins(1, {1: content}, lambda _: {1: begin})
        state.ends(1, {1: content + 1}, lambda _: {1: end})
        return found

    told = [step(k, rows[k], rows[k + 1]) for k in range(5)]
    assert not any(told)
    assert step(10, average(rows[:6], 0.9), rows[6])
    assert not step(20, rows[0], rows[1])
    assert not step(30, average(rows, 0.9), rows[6])


def test_the_nearest_average_has_no_weight_below_0() -> None:
    corners = torch.tensor([[1.0, 1.0], [3.0, -1.0], [5.0, 5.0]], dtype=torch.float64)
    weights = nearest_average(corners)
    assert weights is not None
    assert weights.tolist() == pytest.approx([1.0, 0.0, 0.0])
    inside = nearest_average(torch.tensor([[-1.0, -1.0], [2.0, -1.0], [0.0, 2.0]], dtype=torch.float64))
    assert inside is not None
    assert inside.tolist() == pytest.approx([4 / 9, 2 / 9, 1 / 3])
