"""What ranks raise, and how they end, as gdprops tells it: once for all ranks that it happened to."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from gdprops.errors import SubjectCrash, SubjectStopped
from gdprops.model.wording import plural

if TYPE_CHECKING:
    from gdprops.subjects.distributed_step.ranks.pool import Outcome

FOLLOWS = ("closed by peer", "reset by peer", "Connection refused", "Broken pipe", "Timed out waiting")
"""What gloo says on a rank when another one has gone."""


def crash_of(found: Outcome, world: int) -> SubjectCrash | None:
    """Return the first exception of the user's code, None where there is none."""
    raised = [(rank, one.raised) for rank, one in sorted(found.ran.items()) if one.raised is not None]
    own = [(rank, one) for rank, one in raised if not any(text in one.text for text in FOLLOWS)] or raised
    if not own:
        return None
    _, first = min(own, key=lambda pair: pair[1].at)
    same = [rank for rank, one in own if (one.type, one.place) == (first.type, first.place)]
    where = on_ranks(same, world)
    place = f", at {first.place}" if first.place else ""
    error = type(first.type, (Exception,), {})(first.text)
    text = f": {first.text}" if first.text else ""
    return SubjectCrash(first.doing, error, told=f"{first.doing} {where} raised {first.type}{text}{place}")


def death_of(found: Outcome) -> SubjectStopped:
    """Return how ranks ended that have ended their processes."""
    rank, (code, place) = min(found.died.items())
    return SubjectStopped(f"rank {rank} {_how(code)}{f', {place}' if place else ''}")


def _how(code: int) -> str:
    if code >= 0:
        return f"ended its process with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def on_ranks(ranks: list[int], world: int) -> str:
    """Return in words on which ranks something is so."""
    if len(ranks) == world:
        return f"on all {world} ranks" if world > 1 else "on one process"
    shown = ", ".join(map(str, ranks))
    return f"on {'rank' if len(ranks) == 1 else 'ranks'} {shown} of {plural(world, 'rank')}"
