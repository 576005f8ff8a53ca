"""Render as Markdown which framework implements which dialect of each published rule, as measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdprops.runner.dialect_measurements import Found


def dialect_table(found: Sequence[Found]) -> str:
    """Return the table of measured dialects with a legend."""
    frameworks = list(dict.fromkeys(f.framework for f in found))
    lines = [
        "## Who implements which dialect\n",
        "Measured on eight steps, with gradients around 1, around ε and falling steeply, and a rate that halves before "
        "the last one.\n",
        f"| rule | {' | '.join(frameworks)} |",
        f"| --- |{' --- |' * len(frameworks)}",
    ]
    for rule in dict.fromkeys(f.rule for f in found):
        cells = [" / ".join(f.forms) for f in found if f.rule == rule]
        lines.append(f"| `{rule}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_legend(found)]) + "\n"


def _legend(found: Sequence[Found]) -> list[str]:
    """Return the lines of the legend: how each dialect in the table differs from the rule, and its source."""
    from gdprops.numerics.published.table import PUBLISHED

    seen = {(f.rule, form) for f in found for form in f.forms}
    lines = ["*Own form* is the clause's formula. The other words are declared as `--rule RULE:WORD`:\n"]
    for name, rule in PUBLISHED.items():
        told = [d for d in rule.dialects if (name, d.key) in seen]
        lines += [f"- `{name}:{d.key}`: {d.says} ({d.source})" for d in told]
    return lines
