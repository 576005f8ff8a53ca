"""A slope that is learned, of a rectifier that is written with where: which value is wrong is told, and its line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.subject import backprop

Array = Any
SHAPES = {"W": (2, 3), "a": (3,), "V": (3, 2)}


def loss(p: Any, X: Array, y: Array) -> Any:
    z = X @ p["W"]
    h = np.where(z > 0, z, p["a"] * z)
    return 0.5 * np.sum((h @ p["V"] / np.sqrt(3) - y) ** 2)


def verdict_on(flaw: str) -> Verdict:
    def gradients(p: Any, X: Array, y: Array) -> Any:
        z = X @ p["W"]
        on = z <= 0 if flaw == "turned" else z > 0
        h = np.where(z > 0, z, p["a"] * z)
        d = (h @ p["V"] / np.sqrt(3) - y) / np.sqrt(3)
        e = d @ p["V"].T * (np.sqrt(3) if flaw == "undivided" else 1)
        to_slope = e * z if flaw == "everywhere" else np.where(on, 0, e * z)
        return {"W": X.T @ (e * np.where(on, 1, p["a"])), "a": to_slope.sum(axis=0), "V": h.T @ d}

    subject = backprop(loss, gradients=gradients, shapes=SHAPES, samples="rows", targets="numbers", outputs=2)
    (found,) = check_subject(subject, clauses="gradient.matches-loss", settings=Settings(seed=0, examples=15)).verdicts
    return found


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("everywhere", "a: the second value of where (line 21) is given the error also where the other one is chosen"),
        ("turned", "W, a: each value of where (line 21) is given the error where the other one is chosen"),
        (
            "undivided",
            "W, a: the derivative by the first operand of the quotient is not divided by the other one (line 22)",
        ),
    ],
)
def test_the_value_or_the_quotient_is_named(flaw: str, told: str) -> None:
    found = verdict_on(flaw)
    assert found.status is Status.VIOLATED
    assert told in (found.explanation or "")


def test_the_right_gradients_are_not_accused() -> None:
    assert verdict_on("").status is Status.HELD
