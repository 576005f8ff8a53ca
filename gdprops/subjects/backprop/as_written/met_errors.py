"""What the user's code has raised while ways to call it were tried: the error that is told where none works.

Most ways are not meant by the code, and fail in the first line that needs another shape. The error that came up most
often, apart from those, is the one that stands in the way; where some object could be trained, one that came up then.
"""

from __future__ import annotations

from collections import Counter

from gdprops.model.wording import on_one_line
from gdprops.subjects.backprop.as_written.bound_calls import Unbound
from gdprops.subjects.user_code.place import place_of

OF_SHAPES = (TypeError, ValueError, IndexError)
"""What is raised where an argument has another shape or number of arguments."""
_MET: Counter[str] = Counter()
_IN_TRAINING: Counter[str] = Counter()
_UNMOVED: Counter[str] = Counter()


def forgotten() -> None:
    """Begin anew."""
    _MET.clear()
    _IN_TRAINING.clear()
    _UNMOVED.clear()


def met(error: BaseException, *, in_training: bool = False) -> None:
    """Remember what was raised; ``in_training``: whether that which was trained had given an output before."""
    if not isinstance(error, (*OF_SHAPES, Unbound)):
        place = place_of(error)
        where = f", line {place.line}" if place is not None else ""
        (_IN_TRAINING if in_training else _MET)[f"{type(error).__name__}: {on_one_line(error)}{where}"] += 1


def unmoved(told: str) -> None:
    """Remember what ran without moving anything; ``told`` says it."""
    _UNMOVED[told] += 1


def most_met() -> str:
    """Return what stood in the way, in words: what ran and moved nothing, else the error that came up most often."""
    if _UNMOVED:
        return _UNMOVED.most_common(1)[0][0]
    return next((f"it raised {told}" for told, _ in (_IN_TRAINING or _MET).most_common(1)), "")
