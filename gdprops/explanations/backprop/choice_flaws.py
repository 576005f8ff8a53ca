"""Mistakes in the derivative of a choice between two values: ``np.where(z > 0, z, a * z)``.

The error of an entry goes back to the value that was chosen there. A backward pass without the condition lets it go to
a value where the other one was chosen too; one with the condition turned round lets it go to the other one only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gdprops.explanations.backprop.operand_flaws import ORDINAL, Mistake, lines
from gdprops.subjects.backprop.traced_loss import Change, Operation


def in_choices(one: Operation) -> Iterator[Mistake]:
    """Yield the mistakes of a choice between two values, at least one of which depends on a parameter."""
    if one.place.name != "where" or len(one.inputs) != 3:
        return
    where = lines([one.place])
    for k, origin in enumerate(one.origins[1:]):
        if origin is not None:
            told = f"the {ORDINAL[k]} value of where ({where}) is given the error also where the other one is chosen"
            yield Mistake(told, {one.place: _everywhere(k)})
    if all(origin is not None for origin in one.origins[1:]):
        told = f"each value of where ({where}) is given the error where the other one is chosen"
        yield Mistake(told, {one.place: _turned})


def _everywhere(k: int) -> Change:
    def change(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
        if len(recorded.inputs) != 3:
            return result
        chosen = np.asarray(recorded.inputs[0], dtype=bool)
        elsewhere = chosen if k == 1 else ~chosen
        return result + np.where(elsewhere, _moved(recorded, inputs, k), 0.0)

    return change


def _turned(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
    if len(recorded.inputs) != 3:
        return result
    chosen = np.asarray(recorded.inputs[0], dtype=bool)
    return recorded.result + np.where(chosen, _moved(recorded, inputs, 1), _moved(recorded, inputs, 0))


def _moved(recorded: Operation, inputs: Sequence[Any], k: int) -> Any:
    return np.asarray(inputs[1 + k]) - np.asarray(recorded.inputs[1 + k])
