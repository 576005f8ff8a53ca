"""``gdprops show``: the specification, printed from its clauses."""

from __future__ import annotations

import json

import click

from gdprops.model import exit_codes


@click.command()
@click.argument("clause", required=False)
@click.option("--markdown", is_flag=True, help="Print the whole specification as Markdown.")
@click.option("--json", "as_json", is_flag=True, help="Print the specification, a chapter or a clause as data.")
def show(clause: str | None, markdown: bool, as_json: bool) -> int:
    """List the clauses, those of one chapter, or explain one clause, one fault, its right twin or one word.

    `show glossary` defines all words and symbols. `show published --markdown` also measures who implements which
    dialect of each rule.

    \b
    Example: gdprops show
             gdprops show step.simultaneous
             gdprops show never-zeroes
             gdprops show --json
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
    if clause and not chapter and "." not in clause and not (markdown or as_json):
        ended = _show_word(clause)
        return _show_fault(clause) if ended is None else ended
    chosen = chapter or ([known[clause]] if clause else list(known))
    if as_json:
        click.echo(json.dumps(specification.as_data(chosen), ensure_ascii=False, indent=1))
    elif markdown:
        click.echo(specification.markdown(chosen))
        if clause == "published":
            click.echo(_measured_dialects())
    elif clause and not chapter:
        consoles.show(lambda page: specification.print_clause(page, chosen[0]))
    else:
        consoles.show(lambda page: specification.print_list(page, chosen))
    return exit_codes.OK


def _show_word(name: str) -> int | None:
    """Define one word or symbol of the specification; return None where it is none."""
    from gdprops.model.glossary import ENTRIES
    from gdprops.report import consoles, specification

    found = next((entry for entry in ENTRIES if name in (entry.name, entry.name.partition(" ")[0])), None)
    if found is None:
        return None
    consoles.show(lambda page: specification.print_entry(page, found))
    return exit_codes.OK


def _show_fault(name: str) -> int:
    """Explain a fault of the bank, or print a right twin; that needs torch and NumPy."""
    from gdprops.clauses import catalogue
    from gdprops.errors import UsageError
    from gdprops.faults.code_shown import known_faults, right_twins
    from gdprops.model.nearest_name import nearest
    from gdprops.report.consoles import show as show_page
    from gdprops.report.fault_text import print_fault, print_twin

    known, faults, right = catalogue(), known_faults(), right_twins()
    if name in faults:
        show_page(lambda page: print_fault(page, faults[name], known.refuting(name)))
    elif name in right:
        show_page(lambda page: print_twin(page, name, right[name]))
    else:
        every = [*(clause.id for clause in known), *{clause.chapter: None for clause in known}, *faults, *right]
        raise UsageError(f"no clause, chapter, fault, twin or word is named {name!r}{nearest(name, every)}")
    return exit_codes.OK


def _show_glossary(*, markdown: bool) -> int:
    from gdprops.report import consoles, specification

    if markdown:
        click.echo(specification.markdown_glossary())
    else:
        consoles.show(specification.print_glossary)
    return exit_codes.OK


def _measured_dialects() -> str:
    """Return a table of the optimizers of installed frameworks, with the dialect that each was measured to follow."""
    from gdprops.report.dialect_table import dialect_table
    from gdprops.runner.dialect_measurements import measured_dialects

    return dialect_table(measured_dialects())
