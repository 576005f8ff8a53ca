"""Makes the pages of the matrix from its data: the overview, one page for each package, one for each finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from matrix.records import AGREED, DISPUTED, NOT_READ, confirmed, disputed, read_twice

if TYPE_CHECKING:
    from matrix.records import Choice, Finding, Implementation, Package

CHAPTERS = ("step", "optimizer", "published")
SAYS = {
    AGREED: "A second reader, who did not find it, agrees:",
    DISPUTED: "A second reader, who did not find it, disputes it, and it does not count as confirmed:",
    NOT_READ: "It has not been done yet.",
}
"""What a page says of the second reading of a finding."""
SOME = (
    "Clauses: `all`, or `some (n)` where only the n clauses were examined that findings are about: such a row is no "
    "match for one of all clauses. Choices and open violations are counted cell by cell, findings once for each class "
    "and cause.\n"
)
TABLES = "<!-- the tables -->"
"""Where the first page has its tables."""


def pages(packages: Sequence[Package], around: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every page of the matrix; ``around`` is the text of the first page."""
    yield "index.md", overview(packages, around)
    for package in packages:
        yield f"{slug(package)}.md", package_page(package)
        for finding in package.findings:
            yield f"{page_of(package, finding)}", finding_page(package, finding)


def slug(package: Package) -> str:
    """Return the name of a package's page."""
    return package.name.lower().replace("_", "-")


def page_of(package: Package, finding: Finding) -> str:
    """Return the name of a finding's page."""
    return f"{slug(package)}-{finding.name}.md"


def overview(packages: Sequence[Package], around: str) -> str:
    """Return the first page: the text around the tables, with a row for each package and for each finding."""
    examined = sum(len(package.examined) for package in packages)
    rest = sum(len(package.implementations) for package in packages) - examined
    total = (
        f"{_count(len(packages), 'package')}; {_count(examined, 'implementation')} examined, "
        f"{sum(len(package.whole) for package in packages)} of them on all clauses, "
        f"{rest} could not be; "
        f"{_count(confirmed(packages), 'confirmed finding')}, counted once for each class and cause, of which "
        f"{read_twice(packages)} were read twice; {disputed(packages)} disputed by the second reader."
    )
    rows = [_package_row(package) for package in packages]
    heads = ("package", "clauses", "examined", "findings", "choices", "open", "not examined")
    parts = [f"**{total}**\n", "## Packages\n", SOME, _table(heads, rows)]
    found = [_finding_row(package, finding) for package in packages for finding in package.confirmed]
    in_dispute = [_finding_row(package, finding) for package in packages for finding in package.disputed]
    for title, found_rows in (("Findings", found), ("Disputed", in_dispute)):
        if found_rows:
            parts += [f"## {title}\n", _table(("package", "finding", "clause", "classes"), found_rows)]
    return around.replace(TABLES, "\n".join(parts))


def _package_row(package: Package) -> tuple[str, ...]:
    examined = package.examined
    open_cells = sum(len(package.open(each)) for each in examined)
    findings = confirmed([package])
    choices = sum(len(choice.classes) for choice in package.choices)
    rest = len(package.implementations) - len(examined)
    numbers = (len(examined), findings, choices, open_cells, rest)
    extent = f"some ({len(package.levels)})" if package.only_some else "all"
    name = f"[{package.name} {package.version}]({slug(package)}.md)"
    return (name, extent, *(str(n) if n else "" for n in numbers))


def _finding_row(package: Package, finding: Finding) -> tuple[str, ...]:
    link = f"[{finding.title}]({page_of(package, finding)})"
    return package.name, link, _clause_links(finding.clauses[:1]), str(len(finding.classes))


def package_page(package: Package) -> str:
    """Return the page of a package: how it was examined, a row for each implementation, and what was not examined."""
    how = package.how
    given = ", ".join(f"{name}={value}" for name, value in how["parameters"].items())
    lines = [
        f"# {package.name} {package.version}\n",
        f"`{package.module}`, gdprops {how['gdprops']}, specification {how['specification']}, "
        f"torch {how['torch']}, {how['examples']} examples for each clause, seed {how['seed']}"
        f"{f', {given} where it is taken' if given else ''}. [What the words mean](index.md)\n",
    ]
    if package.only_some:
        only = _clause_links(tuple(package.levels))
        lines.append(f"Only these clauses were examined, not all of them in each class: {only}.\n")
    if how.get("unfinished"):
        lines.append("The survey was ended before its last classes: what is not in the table was not examined.\n")
    if package.earlier:
        told = "; ".join(f"`{name}`: {_clause_links(clauses)}" for name, clauses in package.earlier.items())
        lines.append(
            "Violations that another run on this version saw, with other or more examples, and that this survey did "
            f"not see, or did not come to; the script of each shows it: {told}.\n"
        )
    rows = [_implementation_row(package, each) for each in package.examined]
    if rows:
        lines.append(_table(("implementation", *CHAPTERS, "required clauses that are violated"), rows))
    for title, findings in (("Findings", package.confirmed), ("Disputed", package.disputed)):
        if findings:
            lines.append(f"\n## {title}\n")
            lines += [_finding_line(package, finding) for finding in findings]
    if package.choices:
        lines.append("\n## Choices\n")
        lines += [_choice_line(choice) for choice in package.choices]
    unusable = [f"- `{each.name}`: {_plain(each.unusable)}" for each in package.implementations if each.unusable]
    if unusable:
        lines += ["\n## Not examined\n", *unusable]
    return "\n".join(lines) + "\n"


def _implementation_row(package: Package, each: Implementation) -> tuple[str, ...]:
    return (f"`{each.name}`", *(_chapter(each, chapter) for chapter in CHAPTERS), _verdict(package, each))


def _chapter(each: Implementation, chapter: str) -> str:
    """Return how many clauses of a chapter were held, violated and undecided, in words."""
    of_chapter = (status for clause, status in each.verdicts.items() if clause.startswith(f"{chapter}."))
    counted = Counter(of_chapter)
    words = {"held": "held", "violated": "violated", "aborted": "aborted", "vacuous": "undecided"}
    return ", ".join(f"{counted[status]} {word}" for status, word in words.items() if counted[status])


def _verdict(package: Package, each: Implementation) -> str:
    told = [_cell(package, each, clause) for clause in package.violated(each)]
    if each.aborted:
        told.append(f"ended early: {_plain(each.aborted)}")
    return "; ".join(told)


def _cell(package: Package, each: Implementation, clause: str) -> str:
    link = _clause_links((clause,))
    if finding := package.finding_of(each.name, clause):
        return f"{link}: [{'disputed' if finding.disputed else 'finding'}]({page_of(package, finding)})"
    return f"{link}: {'choice' if package.choice_of(each.name, clause) else 'open'}"


def _finding_line(package: Package, finding: Finding) -> str:
    return f"- [{finding.title}]({page_of(package, finding)}): {_names(finding.classes)}"


def _choice_line(choice: Choice) -> str:
    return f"- {_clause_links(choice.clauses)}, {_names(choice.classes)}: {choice.why}"


def finding_page(package: Package, finding: Finding) -> str:
    """Return the page of a finding: what happens, the script, the place in the source, and the second reading."""
    several = f" The script shows `{finding.classes[0]}`; it was run with each of them in its place."
    return "\n".join(
        [
            f"# {package.name}: {finding.title}\n",
            f"[{package.name} {package.version}]({slug(package)}.md), {_names(finding.classes)}. "
            f"Violates {_clause_links(finding.clauses)}. Status: {finding.status}.\n",
            f"{finding.does}\n",
            f"**What it departs from:** {finding.promised}\n",
            f"## Script\n\n```python\n{finding.script.strip()}\n```\n",
            f"After `pip install {package.name}=={package.version}` it fails in its last line, with torch "
            f"{package.how['torch']}.{several * (len(finding.classes) > 1)}\n",
            f"## Where\n\n`{finding.source}`:\n\n```python\n{finding.code.strip()}\n```\n",
            f"## Second reading\n\n{f'{SAYS[finding.second]} {finding.second_note}'.strip()}\n",
        ]
    )


def violating(packages: Sequence[Package], clause: str) -> str:
    """Return the section of a clause's page: which optimizers of the matrix violate it by a confirmed finding."""
    found = [
        f"- [{package.name} {package.version}: {finding.title}](../matrix/{page_of(package, finding)}): "
        f"{_names(finding.classes)}"
        for package in packages
        for finding in package.confirmed
        if clause in finding.clauses
    ]
    return "\n## In the matrix\n\n" + "\n".join(found) + "\n" if found else ""


def _clause_links(clauses: Sequence[str]) -> str:
    return ", ".join(f"[{clause}](../specification/{clause}.md)" for clause in clauses)


def _names(classes: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in classes)


def _plain(text: str) -> str:
    """Return a message of a package as inline code that cannot break a table."""
    return f"`{' '.join(text.replace('`', '').replace('|', '/').split())[:200]}`"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
