"""``gdprops badge``: turn a report into the data of a badge."""

from __future__ import annotations

import click


@click.command()
@click.argument("report", metavar="REPORT.json")
def badge(report: str) -> int:
    """Print the data of a badge, in the form that shields.io reads, from a report that --json wrote.

    It says "held" only where the whole run was green.

    \b
    Example: gdprops badge gdprops.json > badge.json
    """
    import json
    from pathlib import Path

    from gdprops.errors import UsageError
    from gdprops.report.badge import badge as badge_of

    try:
        data = json.loads(Path(report).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{report} cannot be read: {error}") from None
    click.echo(json.dumps(badge_of(data)))
    return 0
