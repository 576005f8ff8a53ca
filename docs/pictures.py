"""Draws the pictures of the documentation as SVG: `python docs/pictures.py` writes them into pages/pictures.

Every number in them is computed here. Their colors are readable on white and on black, and they load nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

GRAY, BLUE, ORANGE, GREEN = "#7d8590", "#3b82f6", "#e8590c", "#2f9e44"
Point = tuple[float, float]


def pictures() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every picture."""
    yield "two-weights.svg", two_weights()
    yield "second-order.svg", second_order()
    yield "decisive.svg", decisive()
    yield "exact.svg", exact()


def two_weights() -> str:
    """Draw one step and one sweep on J = (w v)^2 / 2 from (1, 1) at a rate of 1/2: a network of two weights."""
    at = _axes(0.35, 1.12, 60, 400, 0.35, 1.12, 330, 20)
    level = [
        _path([at((w, c / w)) for w in _range(max(0.35, c / 1.12), min(1.12, c / 0.35), 60)], GRAY, width=1, faint=True)
        for c in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    ]
    start, together, moved, swept = (1.0, 1.0), (0.5, 0.5), (0.5, 1.0), (0.5, 0.875)
    drawn = [
        *level,
        _line(at((0.35, 0.35)), at((1.12, 0.35)), GRAY),
        _line(at((0.35, 0.35)), at((0.35, 1.12)), GRAY),
        _text((400, 352), "w", anchor="end"),
        _text((42, 28), "v"),
        _arrow(at(start), at(together), BLUE),
        _arrow(at(start), at(moved), ORANGE),
        _arrow(at(moved), at(swept), ORANGE),
        *(_dot(at(point), color) for point, color in ((start, GRAY), (together, BLUE), (swept, ORANGE))),
        _text(_beside(at(start), 8, -8), "(1, 1)"),
        _text(_beside(at(together), 10, 14), "one step: (½, ½)", BLUE),
        _text(_beside(at(swept), 10, 16), "sweep: (½, ⅞)", ORANGE),
        _text((440, 60), "J = ½(w·v·x − y)²", size=16),
        _text((440, 84), "x = 1, y = 0, η = ½"),
        _text((440, 130), "One step looks once:", BLUE),
        _text((440, 150), "both derivatives at (1, 1).", BLUE),
        _text((440, 190), "A sweep moves w first, and looks", ORANGE),
        _text((440, 210), "again: ∂J/∂v is now ¼, not 1.", ORANGE),
        _text((440, 250), "w ends alike; v does not."),
    ]
    return _svg(700, 365, "One gradient step and one sweep from the same two weights end at different places", drawn)


def second_order() -> str:
    """Draw the difference of the sweep from the step, 2 eta^2 - eta^3, and what remains of it without 2 eta^2."""
    rates = [2.0**-k for k in range(1, 13)]
    at = _axes(-12.5, 0, 70, 520, -38, 2, 330, 20)

    def curve(of: Callable[[float], float], color: str) -> list[str]:
        points = [at((math.log2(eta), math.log2(of(eta)))) for eta in rates]
        return [_path(points, color), *(_dot(p, color, 3) for p in points)]

    ticks = [_text(_beside(at((k, -38)), 0, 18), f"2{_raised(k)}", anchor="middle", size=12) for k in (-12, -8, -4, 0)]
    ticks += [
        _text(_beside(at((-12.5, k)), -8, 4), f"2{_raised(k)}", anchor="end", size=12) for k in (-36, -24, -12, 0)
    ]
    drawn = [
        _line(at((-12.5, -38)), at((0, -38)), GRAY),
        _line(at((-12.5, -38)), at((-12.5, 2)), GRAY),
        *ticks,
        *curve(lambda eta: 2 * eta**2 - eta**3, ORANGE),
        *curve(lambda eta: eta**3, BLUE),
        _text((520, 322), "learning rate η", anchor="end"),
        _text(at((-11.8, -11)), "sweep − step: slope 2", ORANGE),
        _text(at((-7.2, -26.5)), "without 2η²: slope 3", BLUE),
    ]
    return _svg(560, 365, "The sweep differs from the step in the second order of the learning rate", drawn)


def decisive() -> str:
    """Draw two examples on a line: in one the rival lies outside twice what rounding allows, in the other within it."""
    drawn: list[str] = []
    for y, room, verdict, color in ((70, 40, "decisive", GREEN), (190, 130, "vacuous", ORANGE)):
        middle, rival = 200, 340
        drawn += [
            _band(middle - room, y - 12, 2 * room, 24),
            _line((40, y), (520, y), GRAY),
            _dot((middle, y), BLUE),
            _dot((rival, y), ORANGE),
            _text((middle, y - 20), "expected", BLUE, anchor="middle"),
            _text((rival, y - 20), "nearest rival", ORANGE, anchor="middle"),
            _text((middle, y + 32), "what rounding allows", BLUE, anchor="middle", size=12),
            _text((540, y + 5), verdict, color, size=16),
        ]
    drawn.append(_text((540, 215), "it could not have", ORANGE, size=12))
    drawn.append(_text((540, 231), "shown the fault", ORANGE, size=12))
    return _svg(
        700, 250, "An example is decisive where what is allowed is at most half the way to the nearest rival", drawn
    )


def exact() -> str:
    """Draw where short binary fractions lie among the numbers of a small floating-point format."""
    drawn = [_line((40, 80), (660, 80), GRAY)]
    for k in range(0, 33):
        x = 40 + 620 * k / 32
        short = k % 8 == 0
        drawn.append(_line((x, 80 - (16 if short else 6)), (x, 80 + (16 if short else 6)), BLUE if short else GRAY))
        if short:
            drawn.append(_text((x, 116), ("0", "¼", "½", "¾", "1")[k // 8], BLUE, anchor="middle"))
    drawn += [
        _text((40, 40), "Multiples of ¼: their sums and products are numbers of the format too."),
        _text((40, 150), "Whatever the order, nothing rounds: == is asked for, and one wrong bit shows."),
    ]
    return _svg(700, 170, "Short binary fractions among the numbers of a format", drawn)


def _axes(
    x0: float, x1: float, left: float, right: float, y0: float, y1: float, low: float, high: float
) -> Callable[[Point], Point]:
    return lambda p: (
        left + (p[0] - x0) / (x1 - x0) * (right - left),
        low + (p[1] - y0) / (y1 - y0) * (high - low),
    )


def _range(start: float, end: float, count: int) -> list[float]:
    return [start + (end - start) * k / (count - 1) for k in range(count)]


def _beside(point: Point, dx: float, dy: float) -> Point:
    return point[0] + dx, point[1] + dy


def _line(a: Point, b: Point, color: str, width: float = 1.5) -> str:
    ends = f'x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"'
    return f'<line {ends} stroke="{color}" stroke-width="{width}"/>'


def _path(points: Sequence[Point], color: str, *, width: float = 2, faint: bool = False) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    opacity = ' stroke-opacity="0.5"' if faint else ""
    return f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="{width}"{opacity}/>'


def _arrow(a: Point, b: Point, color: str) -> str:
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
    tip = (b[0] - 5 * ux, b[1] - 5 * uy)
    left, right = ((tip[0] - 10 * ux + s * 5 * uy, tip[1] - 10 * uy - s * 5 * ux) for s in (1, -1))
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in (tip, left, right))
    return _line(a, tip, color, 3) + f'<polygon points="{head}" fill="{color}"/>'


def _band(x: float, y: float, width: float, height: float) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{BLUE}" fill-opacity="0.25"/>'


def _dot(point: Point, color: str, radius: float = 5) -> str:
    return f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{radius}" fill="{color}"/>'


def _text(at: Point, words: str, color: str = GRAY, *, anchor: str = "start", size: int = 14) -> str:
    place = f'x="{at[0]:.1f}" y="{at[1]:.1f}"'
    return f'<text {place} fill="{color}" font-size="{size}" text-anchor="{anchor}">{words}</text>'


def _raised(exponent: int) -> str:
    return "".join("⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".index(c)] for c in str(exponent))


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, sans-serif"><title>{title}</title>\n{inside}\n</svg>\n'
    )


if __name__ == "__main__":
    folder = Path(__file__).parent / "pages" / "pictures"
    folder.mkdir(exist_ok=True)
    for name, text in pictures():
        (folder / name).write_text(text, encoding="utf-8")
