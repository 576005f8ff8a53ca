"""Small pieces of text that all reports use: counts, ratios and locations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gdprops.model.ending import Ending, ending_of
from gdprops.model.verdict import Status
from gdprops.model.wording import on_one_line

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


ADVISED = "bold yellow"
"""The style of a violated recommendation, which does not fail the run."""


def style_of(verdict: Verdict) -> str:
    """Return the style of a verdict in a terminal."""
    return ADVISED if ending_of(verdict) is Ending.ADVISED else STYLES[verdict.status]


def number(value: float) -> str:
    """Return a number with three significant digits."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3g}"


def ran(verdict: Verdict) -> bool:
    """Say whether any example of a verdict was examined."""
    return verdict.examples > 0


def ratio(verdict: Verdict) -> str:
    """Return a verdict's worst ratio (difference seen / allowed); ``exact`` if only equality is allowed."""
    if not ran(verdict):
        return ""
    return "exact" if verdict.worst_ratio is None else number(verdict.worst_ratio)


def decisive(verdict: Verdict) -> str:
    """Return the numbers of a verdict's decisive and examined examples, as ``97/100``."""
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
    """Return the different reasons, the most frequent first, with counts if there are several."""
    counted = Counter(reason or "no reason given" for reason in reasons).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return "; ".join(reason if count == 1 else f"{count} × {reason}" for reason, count in counted)


def found_in_short(verdict: Verdict) -> str:
    """Return in one sentence what a violation is: its explanation, else its reason, else the wrong parameters."""
    told = verdict.explanation or verdict.reason.strip()
    if told.startswith("Traceback"):
        told = told.splitlines()[-1]
    if not told and verdict.blame:
        told = f"wrong: {', '.join(verdict.blame)}"
    return on_one_line(told or verdict.statement)
