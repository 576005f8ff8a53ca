"""Mistakes in the derivative of a sum, a difference or a product, by one of its two operands.

r = a + b, a - b, a b, a / b or a @ b answers to its operands by r0 + da + db, where da is how r moves with a alone. A
backward pass that forgets one of two paths has no da; one that loses a sign has -da; the derivative of a product that
lacks the other factor has (a - a0) for da, as has a quotient's that is not divided; one that takes the wrong factor
has a0 (a - a0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gdprops.subjects.backprop.traced_loss import Change, Operation, Place


class Mistake(NamedTuple):
    """What is told, and how operations at some places answer instead."""

    text: str
    changes: Mapping[Place, Change]


OPERATIONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "add": ("sum", np.add),
    "subtract": ("difference", np.subtract),
    "multiply": ("product", np.multiply),
    "divide": ("quotient", np.divide),
    "matmul": ("product", np.matmul),
    "dot": ("product", np.dot),
}
ORDINAL = ("first", "second")
Moves = Callable[[Any, Any, Any], Any]
"""How the result moves instead with one operand: from that operand now and then, and da."""


def lines(places: Sequence[Place]) -> str:
    """Return the lines of some places as words: ``line 7``, ``lines 7 and 9``."""
    found = sorted({place.line for place in places})
    return f"line{'s' if len(found) > 1 else ''} {' and '.join(map(str, found))}"


def in_operands(one: Operation) -> Iterator[Mistake]:
    """Yield the mistakes of one operation on two operands, at least one of which depends on a parameter."""
    if one.place.name not in OPERATIONS or len(one.inputs) != 2:
        return
    what, where = OPERATIONS[one.place.name][0], lines([one.place])
    both = all(origin is not None for origin in one.origins)
    for k, origin in enumerate(one.origins):
        if origin is None:
            continue
        term = f"{origin} in the {what}" if isinstance(origin, str) else f"the {ORDINAL[k]} operand of the {what}"
        if both:
            yield _mistake(one, k, f"no error goes back through {term} ({where})", _nothing)
        yield _mistake(one, k, f"the error that goes back through {term} has the wrong sign ({where})", _flipped)
        if one.place.name == "multiply":
            yield _mistake(one, k, f"the derivative by {term} lacks the other factor ({where})", _alone)
            yield _mistake(one, k, f"the derivative by {term} takes that operand and not the other one ({where})", _own)
        if one.place.name == "divide" and k == 0:
            yield _mistake(one, k, f"the derivative by {term} is not divided by the other one ({where})", _alone)


def _mistake(one: Operation, k: int, text: str, moves: Moves) -> Mistake:
    return Mistake(text, {one.place: _answering(one.place.name, k, moves)})


def _answering(name: str, k: int, moves: Moves) -> Change:
    operate = OPERATIONS[name][1]

    def change(recorded: Operation, inputs: Sequence[Any], result: Any) -> Any:
        if len(recorded.inputs) != 2:
            return result
        then, now = recorded.inputs, tuple(inputs)
        mine = operate(now[0], then[1]) if k == 0 else operate(then[0], now[1])
        others = operate(then[0], now[1]) if k == 0 else operate(now[0], then[1])
        moved = moves(now[k], then[k], mine - recorded.result)
        return others + np.broadcast_to(moved, np.shape(recorded.result))

    return change


def _nothing(now: Any, then: Any, moved: Any) -> Any:
    return 0 * moved


def _flipped(now: Any, then: Any, moved: Any) -> Any:
    return -moved


def _alone(now: Any, then: Any, moved: Any) -> Any:
    return now - then


def _own(now: Any, then: Any, moved: Any) -> Any:
    return then * (now - then)
