"""Known faults of the error at the output: what stands in the code in place of the derivative of the loss.

Under each of them a loss is tried that no right code fits. What fits then is asked about, and is no verdict: the code
may descend a loss that nobody here knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


class Question(NamedTuple):
    """A fault of the error at the output: its words, and what it makes of the derivative by the outputs."""

    told: str
    change: Callable[[Array, Array], Array]
    turned: bool = False
    divided_twice: bool = False


def _sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


SIGN = Question("if the update had the other sign", lambda slope, o: slope, turned=True)
TWICE = Question(
    "if its gradient were not divided by the number of rows twice, in the layers and at the output, say",
    lambda slope, o: slope,
    divided_twice=True,
)
OF_SIGMOID = (
    Question(
        "if the derivative of the sigmoid were taken where it belongs, and not at the activation itself",
        lambda slope, o: slope * _sigmoid(o) * (1 - _sigmoid(o)) / (o * (1 - o)),
    ),
    Question("if the derivative of the sigmoid did not enter twice", lambda slope, o: slope * o * (1 - o)),
    Question("if the derivative of the sigmoid were not missing", lambda slope, o: slope / (o * (1 - o))),
)
OF_TANH = (
    Question("if the derivative of tanh at the output were not missing", lambda slope, o: slope / (1 - o**2)),
    Question(
        "if the derivative of tanh were taken where it belongs, and not at the activation itself",
        lambda slope, o: slope * (1 - np.tanh(o) ** 2) / (1 - o**2),
    ),
    Question(
        "if the derivative at the output were that of tanh, and not a (1 - a)",
        lambda slope, o: slope * o * (1 - o) / (1 - o**2),
    ),
)


def questions(seen: Sequence[Any]) -> list[Question]:
    """Return the questions that outputs allow."""
    shares = all(bool(((one.output > 0) & (one.output < 1)).all()) for one in seen)
    within = all(bool((np.abs(one.output) < 1).all()) for one in seen)
    return [SIGN, TWICE, *(OF_SIGMOID if shares else OF_TANH if within else ())]
