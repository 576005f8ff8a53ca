"""Small phrases that every text report shares: counts, ratios and places."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gdprops.model.verdict import Status

if TYPE_CHECKING:
    from gdprops.model.evidence import Location
    from gdprops.model.verdict import Verdict

STYLES = {
    Status.HELD: "green",
    Status.VIOLATED: "bold red",
    Status.ABORTED: "bold red",
    Status.VACUOUS: "yellow",
    Status.NOT_APPLICABLE: "dim",
    Status.ACCEPTED: "cyan",
    Status.ERROR: "bold magenta",
}


def number(value: float) -> str:
    """Return a number short enough for a table and a sentence."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3g}"


def ran(verdict: Verdict) -> bool:
    """Say whether any example was tried."""
    return verdict.examples > 0


def ratio(verdict: Verdict) -> str:
    """Return the worst seen / allowed; ``exact`` where nothing but equality was allowed."""
    if not ran(verdict):
        return ""
    return "exact" if verdict.worst_ratio is None else number(verdict.worst_ratio)


def decisive(verdict: Verdict) -> str:
    """Return decisive / tried examples."""
    return f"{verdict.decisive}/{verdict.examples}" if ran(verdict) else ""


def place(location: Location) -> str:
    """Return the parameter, the index and the step of a location."""
    index = ", ".join(map(str, location.index))
    parts = [location.parameter]
    if location.index:
        parts.append(f"index ({index},)" if len(location.index) == 1 else f"index ({index})")
    if location.step is not None:
        parts.append(f"step {location.step}")
    return ", ".join(parts)


def tally(reasons: Iterable[str]) -> str:
    """Return the different reasons, the most frequent first, with how often each was given where they differ."""
    counted = Counter(reason or "no reason given" for reason in reasons).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return "; ".join(reason if count == 1 else f"{count} × {reason}" for reason, count in counted)
