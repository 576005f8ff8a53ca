"""Make consoles for printed text: a terminal of any width, a pipe, or a string."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import click
from rich.console import Console


def console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or error; it prints plain text in a pipe or if ``NO_COLOR`` is set."""
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def show(draw: Callable[[Console], object]) -> None:
    """Print what ``draw`` draws on standard output; in a pipe, lines end without trailing spaces."""
    page = console()
    if page.is_terminal:
        draw(page)
    else:
        click.echo(to_text(draw, width=page.width))


def to_text(draw: Callable[[Console], object], *, width: int = 100) -> str:
    """Return what ``draw`` draws, as plain text of this width."""
    page = StringIO()
    draw(Console(file=page, width=width, highlight=False, emoji=False, markup=False, color_system=None))
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())
