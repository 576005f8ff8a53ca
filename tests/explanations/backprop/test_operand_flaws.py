"""A backward pass that is wrong by one operand of a sum, a difference or a product: which one is told, and its line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.subject import backprop

Array = Any
SHAPES = {"W1": (2, 3), "G": (2, 3), "V": (3, 1)}
MASK = np.array([1.5, 0.0, 1.5])


def gated(p: Any, X: Array) -> tuple[Array, Array]:
    return np.tanh(X @ p["W1"]), np.tanh(X @ p["G"])


def loss(p: Any, X: Array, y: Array) -> Any:
    h, gate = gated(p, X)
    mixed = h * gate - 0.5 * gate
    kept = (h + mixed) * MASK
    return 0.5 * np.sum((kept @ p["V"] - y) ** 2)


def gradients(p: Any, X: Array, y: Array, flaw: str = "") -> Any:
    """Return the gradients, with one flaw."""
    h, gate = gated(p, X)
    kept = (h + h * gate - 0.5 * gate) * MASK
    d = kept @ p["V"] - y
    e = d @ p["V"].T * (1.0 if flaw == "mask" else MASK)
    through_h = e * gate + (0 if flaw == "path" else e)
    through_gate = e * (gate if flaw == "own" else h) + (0.5 if flaw == "sign" else -0.5) * e
    return {
        "W1": X.T @ (through_h * (1 - h**2)),
        "G": X.T @ (through_gate * (1 - gate**2)),
        "V": kept.T @ d,
    }


def verdict_on(flaw: str) -> Verdict:
    def flawed(p: Any, X: Array, y: Array) -> Any:
        return gradients(p, X, y, flaw)

    subject = backprop(loss, gradients=flawed, shapes=SHAPES, samples="rows", targets="numbers", outputs=1)
    (found,) = check_subject(subject, clauses="gradient.matches-loss", settings=Settings(seed=0, examples=30)).verdicts
    return found


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("path", "W1: no error goes back through the first operand of the sum (line 27)"),
        (
            "sign",
            "G: the error that goes back through the second operand of the difference has the wrong sign (line 26)",
        ),
        (
            "own",
            "G: the derivative by the second operand of the product takes that operand and not the other one (line 26)",
        ),
        ("mask", "W1, G: the derivative by the first operand of the product lacks the other factor (line 27)"),
    ],
)
def test_the_operand_is_named(flaw: str, told: str) -> None:
    found = verdict_on(flaw)
    assert found.status is Status.VIOLATED
    assert told in (found.explanation or "")


def test_the_right_gradients_are_not_accused() -> None:
    assert verdict_on("").status is Status.HELD
