"""How fitted numbers and rows are told."""

from __future__ import annotations

import pytest

from gdprops.explanations.training_step.explanation_wording import number, rows_text


@pytest.mark.parametrize(
    ("value", "told"),
    [
        *((1.0, "1"), (1 + 1e-6, "1 + 1e-06"), (1 - 2e-9, "1 - 2e-09"), (1 - 2.0**-52, "1"), (1 + 2.0**-49, "1")),
        *((1 / 3, "1/3"), (0.25, "0.25"), (7.0, "7")),
    ],
)
def test_a_factor_near_one_says_by_how_much(value: float, told: str) -> None:
    assert number(value) == told


@pytest.mark.parametrize(
    ("passes", "told"),
    [([[0]], "row 0"), ([[0, 1, 3]], "rows 0-1, 3"), ([[0], [1]], "rows 0; 1"), ([None], "rows unknown")],
)
def test_a_single_row_is_no_plural(passes: list[list[int] | None], told: str) -> None:
    assert rows_text(passes) == told
