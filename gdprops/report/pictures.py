"""Draw the pictures of a report as SVG, with matplotlib.

Text and axes take the text color of the page; the colors of the data are visible on light and dark pages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.model.ending import Ending, ending_of
from gdprops.model.verdict import About, Status
from gdprops.report.phrases import number
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict

INK = "#010203"
"""A placeholder color, which `_drawn` replaces by the text color of the page (``currentColor``)."""
STEP, FIRST, LAST, RIGHT, WRONG = "#2f8fdd", "#e08a1e", "#b05fd0", "#3a9e5f", "#d9534f"
ADVICE = "#e08a1e"
"""The color of a violated recommendation, which does not fail the run."""
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "gdprops",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.framealpha": 0.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
LARGEST, SMALLEST = 1e3, 1e-6
"""The range of the axis of ratios; bars that leave it are cut off, and end in an arrow and their number."""
MOST_DRAWN = 12
"""The most parameters whose displacement is drawn."""


BESIDE = {"textcoords": "offset points", "va": "center", "fontsize": 9}
"""How a mark stands beside the end of a bar."""


class Picture(NamedTuple):
    """A picture: the name of its file, its title and caption, and the SVG."""

    name: str
    title: str
    caption: str
    svg: str


def write_figures(path: str, outcomes: Sequence[Outcome]) -> None:
    """Write every picture of these runs into a folder, as SVG files."""
    for picture in [*lessons(), *(p for outcome in outcomes for p in pictures_of(outcome))]:
        text = picture.svg.replace("currentColor", "black")
        write_file(Path(path) / f"{picture.name}.svg", text)


def pictures_of(outcome: Outcome) -> Iterator[Picture]:
    """Yield the pictures of one run: its worst ratios, and the displacements of each violation."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", outcome.subject).strip("-.")[:60]
    found = worst_ratios(outcome)
    if found is not None:
        yield found._replace(name=f"ratios-{name}")
    for verdict in outcome.of(About.SUBJECT):
        shown = displacements(verdict)
        if shown is not None:
            yield shown._replace(name=f"displacement-{name}-{verdict.clause}")


def lessons() -> list[Picture]:
    """Return the two pictures that are the same in every report."""
    return [cost_surface(), divergence()]


def _drawn(draw: Callable[[Any], None], width: float, height: float) -> str:
    """Return as SVG what ``draw`` draws on one pair of axes; pyplot's global state is not used."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    inside = text.getvalue()
    picture = inside[inside.index("<svg") :].replace(INK, "currentColor")
    return picture.replace("<svg ", '<svg role="img" aria-hidden="true" ', 1)  # screen readers read the caption


def cost_surface() -> Picture:
    """Return the picture of a two-weight network's cost, with one simultaneous step and two sweeps drawn on it."""
    from gdprops.report.landscape_data import BACKWARD, FORWARD, RATE, TwoWeights

    small = TwoWeights()

    def draw(axes: Any) -> None:
        _contours(axes, small)
        start, stepped = small.start, small.stepped()
        _path(axes, [start, stepped], STEP, "one step: both weights at once")
        _path(axes, small.swept(FORWARD), FIRST, "sweep, w₁ first: w₂ sees the moved w₁")
        _path(axes, small.swept(BACKWARD), LAST, "sweep, w₂ first: w₁ sees the moved w₂")
        axes.plot(*start, "o", color=INK, markersize=7)
        axes.annotate("start", start, xytext=(8, 8), textcoords="offset points")
        axes.set(xlabel="w₁ (first layer)", ylabel="w₂ (last layer)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)

    title = "One step is one step"
    caption = (
        "The cost J(w₁, w₂) = ½ Σ (w₂ tanh(w₁x) − y)² of a network with two weights, from dark (low) to light. "
        f"From one start and at one learning rate ({RATE}), the simultaneous step and the two sweeps end at three "
        "different places: a sweep takes its second gradient at the place to which its first move has led. The first "
        "weight that a sweep moves agrees with the step."
    )
    return Picture("cost-surface", title, caption, _drawn(draw, 6.4, 5.6))


def _contours(axes: Any, small: Any) -> None:
    import numpy as np

    first, second = np.meshgrid(np.linspace(0.1, 0.9, 60), np.linspace(1.35, 1.85, 60))
    axes.contourf(first, second, small.cost(first, second), levels=14, cmap="cividis", alpha=0.45)


def _path(axes: Any, corners: Sequence[Any], color: str, label: str) -> None:
    axes.plot([c[0] for c in corners], [c[1] for c in corners], color=color, linewidth=2.4, label=label)
    for a, b in pairwise(corners):
        arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 2.4, "mutation_scale": 16}
        axes.annotate("", xy=tuple(b), xytext=tuple(a), arrowprops=arrow)


def divergence() -> Picture:
    """Return the picture of the distance between sweeps and the step over the learning rate, with the law."""
    from gdprops.report.landscape_data import BACKWARD, FORWARD, RATES, TwoWeights

    small = TwoWeights()

    def draw(axes: Any) -> None:
        for order, color, label in ((FORWARD, FIRST, "w₁ first"), (BACKWARD, LAST, "w₂ first")):
            axes.loglog(RATES, small.law(order), color=color, linewidth=1.5, label=f"law, {label}: η² |lower(H) g|")
            axes.loglog(RATES, small.apart(order), "o", color=color, markersize=6, label=f"measured, {label}")
        axes.set(xlabel="learning rate η", ylabel="|sweep − step|")
        axes.annotate("slope 2", (RATES[5], small.law(FORWARD)[5]), xytext=(-52, 6), textcoords="offset points")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)

    caption = (
        "How far a sweep ends from the simultaneous step, at learning rates from "
        f"{number(RATES[-1])} to {number(RATES[0])}, both axes logarithmic. The points are measured, the lines are the "
        "law η² |lower(H) g|, computed from the Hessian and not from sweeps: halving the rate quarters the difference."
    )
    return Picture("divergence", "A sweep diverges by the square of the rate", caption, _drawn(draw, 6.4, 5.2))


def worst_ratios(outcome: Outcome) -> Picture | None:
    """Return the picture of each clause's worst ratio (difference seen / allowed); None if all clauses were exact."""
    found = [v for v in outcome.of(About.SUBJECT) if v.worst_ratio is not None and v.examples]
    if not found:
        return None

    def draw(axes: Any) -> None:
        sizes = [_clipped(v.worst_ratio or 0.0) for v in found]
        axes.barh(range(len(found)), sizes, color=[_color(v) for v in found], log=True)
        axes.set_yticks(range(len(found)), [v.clause for v in found])
        for row, verdict in enumerate(found):
            axes.annotate(_cut(verdict.worst_ratio or 0.0), (sizes[row], row), (3, 0), **BESIDE)
        axes.axvline(1.0, color=INK, linewidth=1.2, linestyle="--")
        axes.set(xlabel="worst seen / allowed (dashed: all that is allowed)", xlim=(SMALLEST, LARGEST * 2))
        axes.invert_yaxis()

    caption = (
        "The largest difference of all examples as a share of what rounding can explain, clause by clause. Left of the "
        "dashed line is agreement; orange is a violated recommendation. A bar that ends in an arrow and a number is "
        "cut off there. Clauses that are decided exactly have no bar: they allow nothing but equality."
    )
    return Picture("ratios", "Worst ratios", caption, _drawn(draw, 7.2, 0.8 + 0.3 * len(found)))


def _color(verdict: Verdict) -> str:
    if ending_of(verdict) is Ending.ADVISED:
        return ADVICE
    return WRONG if verdict.status in (Status.VIOLATED, Status.ACCEPTED) else RIGHT


def _clipped(ratio: float) -> float:
    return LARGEST if math.isnan(ratio) else min(max(ratio, SMALLEST), LARGEST)


def _cut(ratio: float) -> str:
    """Return the mark of a bar that leaves the axis: an arrow and its number; nothing for a bar that is whole."""
    if SMALLEST <= ratio <= LARGEST:
        return ""
    return f"← {number(ratio)}" if ratio < SMALLEST else f"→ {number(ratio)}"


def displacements(verdict: Verdict) -> Picture | None:
    """Return the picture of how far each parameter moved and should have moved; None if a verdict does not say so."""
    moved = [c for c in verdict.compared if c.moved_seen is not None and c.moved_expected is not None]
    if not moved or not all(math.isfinite(c.moved_seen or 0.0) for c in moved):
        return None
    told = sorted(moved, key=lambda c: not c.wrong)[:MOST_DRAWN] if len(moved) > MOST_DRAWN else moved
    left_out = f" Of {len(moved)} parameters {MOST_DRAWN} are drawn, wrong ones first." if told != moved else ""

    def draw(axes: Any) -> None:
        places = range(len(told))
        axes.barh([k - 0.2 for k in places], [c.moved_expected for c in told], 0.38, color=STEP, label="expected")
        seen = [c.moved_seen for c in told]
        colors = [_color(verdict) if c.wrong else RIGHT for c in told]
        axes.barh([k + 0.2 for k in places], seen, 0.38, color=colors, label="seen")
        axes.set_yticks(list(places), [c.parameter + (" (wrong)" if c.wrong else "") for c in told])
        axes.set(xlabel="length of the displacement")
        axes.invert_yaxis()
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.32 / max(1, len(told) / 3)), ncols=2, frameon=False)

    caption = (
        "How far each parameter moved in the step that violated the clause (lower bar; green if it is right), and how "
        "far it should have moved (upper bar, blue). Displacements of equal length may point in different directions: "
        f"the weights are below.{left_out}"
    )
    return Picture("displacement", "Displacement per parameter", caption, _drawn(draw, 6.8, 1.6 + 0.6 * len(told)))
