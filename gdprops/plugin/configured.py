"""``pytest --gdprops``: check the subjects of ``[tool.gdprops]`` as tests, without a test file.

The pyproject.toml is collected like a test file: it has one collector per subject, and each has one test per clause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pytest

from gdprops.errors import UsageError
from gdprops.plugin.parametrize import BoundClause
from gdprops.runner.project.accepted import near, require_matches
from gdprops.runner.project.configuration import FILE, Configuration, Configured, find

if TYPE_CHECKING:
    from gdprops.model.clause import Clause

CONFIGURATION = pytest.StashKey[Configuration]()


def prepare(config: pytest.Config) -> None:
    """Read the table and let pytest collect its file. Raises `pytest.UsageError` if there is nothing to run."""
    try:
        found = find(config.rootpath)
        near(config.rootpath)
    except UsageError as error:
        raise pytest.UsageError(f"--gdprops: {error}") from None
    if found is None:
        raise pytest.UsageError(
            f"--gdprops: no [tool.gdprops] in a {FILE} in {config.rootpath} or above; gdprops init SUBJECT writes it"
        )
    if not found.subjects:
        raise pytest.UsageError(f"--gdprops: [tool.gdprops] in {FILE} names no subjects")
    config.stash[CONFIGURATION] = found
    file = str(found.folder / FILE)
    if file not in config.args:
        config.args.append(file)


def collected(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Return the collector of the pyproject.toml that contains the table, None for other files of this name."""
    found = parent.config.stash[CONFIGURATION]
    return Table.from_parent(parent, path=file_path) if file_path.parent == found.folder else None


def checked_twice(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the clauses of the table that a test function of `gdprops.parametrize` checks on the same subject."""
    tested = set[tuple[str, str]]()
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        clause = params.get("clause")
        if isinstance(clause, BoundClause):
            tested.add((str(params.get("subject")), clause.id))
    return {item for item in items if isinstance(item, ClauseItem) and (item.entry.name, item.clause.id) in tested}


@final
class Table(pytest.File):
    """The table ``[tool.gdprops]`` of a pyproject.toml, with one collector per subject."""

    def collect(self) -> Iterator[pytest.Collector]:
        """Yield the subjects by name."""
        for entry in self.config.stash[CONFIGURATION].subjects:
            yield SubjectCollector.from_parent(self, name=entry.name, entry=entry)


@final
class SubjectCollector(pytest.Collector):
    """One subject, with one test per clause that is about subjects of its kind."""

    def __init__(self, *, entry: Configured, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Item]:
        """Build the subject and yield its clauses in the order of the specification."""
        from gdprops.clauses import catalogue
        from gdprops.model.verdict import About
        from gdprops.runner.items import items_for
        from gdprops.runner.named_subjects import named
        from gdprops.runner.shared_searches import family_name

        folder = self.config.stash[CONFIGURATION].folder
        try:
            subject = named(self.entry.name, folder=folder)
            clauses = [i.clause for i in items_for(subject, tuple(catalogue())) if i.about is About.SUBJECT]
            require_matches(near(folder), subject, clauses)
        except UsageError as error:
            raise self.CollectError(f"gdprops: error: {error}") from None
        for clause in clauses:
            item = ClauseItem.from_parent(self, name=clause.id, entry=self.entry, clause=clause, beside=tuple(clauses))
            item.add_marker(pytest.mark.xdist_group(f"{self.entry.name} {family_name(subject, clause)}"))
            yield item


@final
class ClauseItem(pytest.Item):
    """One clause of one configured subject."""

    def __init__(self, *, entry: Configured, clause: Clause, beside: tuple[Clause, ...], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.entry, self.clause, self.beside, self.of_clauses = entry, clause, beside, len(beside)

    def runtest(self) -> None:
        """Check the clause, as `gdprops.parametrize` does."""
        BoundClause(self.clause, beside=self.beside).check(self.entry.name)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the file and the name of the test for pytest's reports."""
        return self.path, None, f"{self.entry.name}: {self.clause.id}"
