"""Counts and kinds in sentences."""

from __future__ import annotations

import pytest

from gdprops.model.wording import on_one_line, ordinal, plural, type_of


@pytest.mark.parametrize(("count", "told"), [(0, "0 passes"), (1, "1 pass"), (2, "2 passes")])
def test_one_is_no_plural(count: int, told: str) -> None:
    assert plural(count, "pass", "passes") == told
    assert plural(count, "row") == told.replace("passes", "rows").replace("pass", "row")


class Estimate:
    """A name with a capital vowel."""


@pytest.mark.parametrize(
    ("value", "told"), [(3, "an int"), (Estimate(), "an Estimate"), ([], "a list"), (None, "a NoneType")]
)
def test_an_article_fits_its_noun(value: object, told: str) -> None:
    assert type_of(value) == told


def test_line_breaks_become_spaces() -> None:
    assert on_one_line(ValueError("a\n  b")) == "a b"


def test_ordinals() -> None:
    assert [ordinal(k) for k in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "13th",
        "21st",
        "112th",
    ]
