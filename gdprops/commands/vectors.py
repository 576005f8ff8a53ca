"""``gdprops vectors``: write the published rules as data, for optimizers in other languages."""

from __future__ import annotations

import click


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--rule", "rules", multiple=True, metavar="NAME", help="Only this rule, e.g. adam. Repeatable.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def vectors(folder: str, rules: tuple[str, ...], force: bool) -> int:
    """Write JSON files with which an optimizer in any language is checked against its published rule.

    For each rule: one file in float64 and one in float32, whose hyperparameters are short binary fractions, and one at
    its defaults, which is not required to match. Each says where every form of the rule goes, computed exactly:
    published dialects are acceptable, known mistakes are invalid.

    \b
    Example: gdprops vectors vectors/
             gdprops vectors vectors/ --rule adam --rule adamw --force
    """
    from pathlib import Path

    from gdprops.errors import UsageError
    from gdprops.model.nearest_name import nearest
    from gdprops.model.traits import RULES

    for name in rules:
        if name not in RULES:
            raise UsageError(f"--rule {name!r}: there is no such rule{nearest(name, RULES)}")
    from gdprops.vectors.vector_files import write

    count = sum(1 for _ in write(Path(folder), rules=rules, force=force))
    many = f"{len(rules or RULES)} rule{'s' * (len(rules or RULES) != 1)}"
    click.echo(f"{folder}: {count - 1} files of {many} written, and schema.json, which describes them")
    return 0
