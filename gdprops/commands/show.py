"""``gdprops show``: the specification, printed from its clauses."""

from __future__ import annotations

import click


@click.command()
@click.argument("clause", required=False)
@click.option("--markdown", is_flag=True, help="Print the whole specification as Markdown.")
def show(clause: str | None, markdown: bool) -> int:
    """List the clauses, those of one chapter, or explain one.

    `show glossary` defines the words and symbols. `show published --markdown` also measures who implements which
    dialect of each rule.

    \b
    Example: gdprops show
             gdprops show step.simultaneous
             gdprops show glossary
             gdprops show --markdown > SPECIFICATION.md
             gdprops show published --markdown
    """
    from gdprops.clauses import catalogue
    from gdprops.report import consoles, specification

    if clause == "glossary":
        return _show_glossary(markdown=markdown)
    known = catalogue()
    chapter = [c for c in known if c.chapter == clause]
    chosen = chapter or ([known[clause]] if clause else list(known))
    if markdown:
        click.echo(specification.markdown(chosen))
        if clause == "published":
            click.echo(_measured_dialects())
    elif clause and not chapter:
        consoles.show(lambda page: specification.print_clause(page, chosen[0]))
    else:
        consoles.show(lambda page: specification.print_list(page, chosen))
    return 0


def _show_glossary(*, markdown: bool) -> int:
    from gdprops.report import consoles, specification

    if markdown:
        click.echo(specification.markdown_glossary())
    else:
        consoles.show(specification.print_glossary)
    return 0


def _measured_dialects() -> str:
    """Return a table of the optimizers of installed frameworks, with the dialect that each was measured to follow."""
    from gdprops.report.dialect_table import dialect_table
    from gdprops.runner.dialect_measurements import measured_dialects

    return dialect_table(measured_dialects())
