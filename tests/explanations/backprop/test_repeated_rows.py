"""A table of rows that samples look up: what ``g[rows] += d`` loses is named, and ``np.add.at`` is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gdprops.explanations.backprop.repeated_rows import OF_THE_LAST_ROW
from gdprops.model.verdict import Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.backprop.subject import backprop

Array = Any
SHAPES = {"E": (2, 3), "V": (3, 2)}


def looked_up(X: Array) -> Array:
    return (X[:, 0] > 0).astype(int)


def loss(p: Any, X: Array, y: Array) -> Any:
    return 0.5 * np.sum((np.tanh(p["E"][looked_up(X)]) @ p["V"] - y) ** 2) / len(X)


def verdict_on(*, repeated: bool, divided: bool) -> Verdict:
    def gradients(p: Any, X: Array, y: Array) -> Any:
        rows, h = looked_up(X), np.tanh(p["E"][looked_up(X)])
        d = (h @ p["V"] - y) / len(X)
        e, table = d @ p["V"].T * (1 - h**2) * (1 if divided else len(X)), np.zeros_like(p["E"])
        if repeated:
            np.add.at(table, rows, e)
        else:
            table[rows] += e
        return {"E": table, "V": h.T @ d}

    subject = backprop(loss, gradients=gradients, shapes=SHAPES, samples="rows", targets="numbers", inputs=2, outputs=2)
    (found,) = check_subject(subject, clauses="gradient.matches-loss", settings=Settings(seed=0, examples=15)).verdicts
    return found


@pytest.mark.parametrize("divided", [True, False])
def test_what_an_index_adds_only_once_is_named(*, divided: bool) -> None:
    found = verdict_on(repeated=False, divided=divided)
    assert (found.status, found.explanation) == (Status.VIOLATED, f"E: {OF_THE_LAST_ROW}")


def test_what_adds_all_is_right() -> None:
    assert verdict_on(repeated=True, divided=True).status is Status.HELD
