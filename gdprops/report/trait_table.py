"""Print the traits of a subject as a table (`gdprops traits`), or as a declaration in TOML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from gdprops.model.traits import TRAITS

if TYPE_CHECKING:
    from rich.console import Console

    from gdprops.model.measurement import Measurement
    from gdprops.model.traits import Traits


def print_traits(console: Console, measured: Measurement, *, subject: str, rule: str | None) -> None:
    """Print every trait with its evidence, whether the subject is plain gradient descent, and the notes."""
    traits = measured.traits
    console.print(Text(subject, style="bold"))
    console.print(_table(traits, width=console.width))
    unknown = [trait.key for trait in TRAITS if traits[trait.key] == "unknown"]
    if unknown:
        console.print(Text(f"not measured: {', '.join(unknown)}"))
    declared = f" (declared: {rule})" if rule else ""
    console.print(Text(f"plain gradient descent: {traits.plain}{declared}"))
    for note in measured.notes:
        console.print(Text(f"note: {note.sentence}"))
    for conflict in traits.conflicts:
        console.print(Text(f"declared otherwise than measured: {conflict}", style="bold red"))


def toml(traits: Traits, *, subject: str) -> str:
    """Return the declaration of all known traits of a subject, as a table for pyproject.toml."""
    known = dict(traits)
    lines = [f'{trait.key} = "{known[trait.key].value}"' for trait in TRAITS if trait.key in known]
    return "\n".join([f"[tool.gdprops.traits.{json.dumps(subject)}]", *lines])


def _table(traits: Traits, *, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, width=min(width, 120))
    table.add_column("trait", no_wrap=True)
    table.add_column("value", overflow="fold", max_width=max(10, width // 4))
    table.add_column("what was seen", overflow="fold", ratio=1)
    known = dict(traits)
    for trait in TRAITS:
        if trait.key in known:
            measured = known[trait.key]
            table.add_row(Text(trait.key), Text(measured.value), Text(measured.evidence))
    return table
