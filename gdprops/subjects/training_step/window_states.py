"""A window whose micro-batches meet different states: dropout draws other masks for each, batch norm has moved on.

The loss of such a window is no loss of its joined rows. It is the mean of its micro-batches' losses, weighted by their
rows, or by what ``counts=`` counts, and each is computed from the state that the user's own forward pass of this
micro-batch has met.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from gdprops.errors import Unsupported
from gdprops.subjects.training_step.counted_windows import NOTHING_COUNTS, Separate
from gdprops.subjects.training_step.structures import rows_of
from gdprops.subjects.training_step.tasks import Data

if TYPE_CHECKING:
    from torch import nn

    from gdprops.subjects.training_step.forward_passes import Pass
    from gdprops.subjects.training_step.forward_state import ForwardState
    from gdprops.subjects.training_step.tasks import Task
    from gdprops.subjects.user_code.isolation import RandomState


class Met(NamedTuple):
    """The state that the forward pass of some rows of a window has met: those from ``start`` to ``end``."""

    start: int
    end: int
    state: ForwardState


def window_states(passes: Sequence[Pass], sizes: Sequence[int] | None) -> tuple[Met, ...]:
    """Return what the pass of each micro-batch has met; nothing where all have met one state, or it is not known.

    ``passes``: the differentiated passes; ``sizes``: the rows of each micro-batch of a declared window.
    """
    if sizes is None or [one.rows for one in passes] != list(sizes) or len({one.met.modes for one in passes}) > 1:
        return ()
    first = passes[0].met
    if all(one.met.drawn == first.drawn and _have_equal_buffers(one.met, first) for one in passes):
        return ()
    ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    return tuple(Met(end - one.rows, end, one.met) for one, end in zip(passes, ends, strict=True))


def with_outside(window: Sequence[Met], outside: RandomState) -> tuple[Met, ...]:
    """Return the states with the random numbers of Python and NumPy at the step's start.

    Raises `Unsupported` where the passes meet different random numbers of torch: then those of others may differ too.
    """
    if len({one.state.drawn for one in window}) > 1:
        raise Unsupported("random numbers of Python or NumPy are drawn in a window of several micro-batches")
    return tuple(one._replace(state=one.state._replace(random=outside.with_torch(one.state.random))) for one in window)


def _have_equal_buffers(one: ForwardState, other: ForwardState) -> bool:
    return all(a.equal(b) for a, b in zip(one.buffers, other.buffers, strict=True))


def met_in(window: Sequence[Met], rows: slice) -> list[Met]:
    """Return what the passes of some rows have met; their rows are counted from the first of these rows on."""
    low, high, _ = rows.indices(window[-1].end)
    cut = [Met(max(one.start, low) - low, min(one.end, high) - low, one.state) for one in window]
    return [one for one in cut if one.start < one.end]


def window_loss(
    task: Task, model: nn.Module, data: Data, met: Sequence[Met], put: Callable[[ForwardState], None]
) -> Tensor:
    """Return the loss of some micro-batches, each computed from the state that its pass has met.

    Raises `Unsupported` where nothing counts in them.
    """
    if isinstance(data.inputs, Separate):
        parts = [(Data(x, y), float(c)) for x, (y, c) in zip(data.inputs, data.targets, strict=True)]
    else:
        parts = [(Data(*rows_of(tuple(data), slice(m.start, m.end))), float(m.end - m.start)) for m in met]
    total, losses = sum(c for _, c in parts), list[Tensor]()
    if total == 0:
        raise Unsupported(NOTHING_COUNTS)
    for (part, c), one in zip(parts, met, strict=True):
        if c > 0:
            put(one.state)
            losses.append(c / total * task.objective(model, part))
    window: Tensor = sum(losses[1:], losses[0])
    return window
