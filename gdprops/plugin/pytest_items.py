"""What a bound clause finds around it in a pytest item: settings from the command line, a place for its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import pytest

from gdprops.errors import UsageError
from gdprops.runner.named_subjects import in_terms
from gdprops.runner.settings import chosen
from gdprops.runner.shards import numbers
from gdprops.runner.workers.worker_plugin import transport

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict
    from gdprops.runner.settings import Settings


@final
@dataclass(frozen=True, slots=True)
class Surroundings:
    """The settings of the run, what is done with a verdict, and where the search for pyproject.toml begins.

    ``examples`` is what was asked for by hand, if anything.
    """

    settings: Settings
    record: Callable[[Verdict, Settings, str], None]
    folder: Path | None = None
    examples: int | None = None

    def settings_for(self, subject: str | Subject) -> Settings:
        """Return the settings with what the project says of a subject."""
        return in_terms(self.settings, subject, folder=self.folder, examples=self.examples)


_CURRENT: ContextVar[Surroundings | None] = ContextVar("gdprops", default=None)


def surroundings() -> Surroundings:
    """Return those of the item that runs now; outside of any (or with ``-p no:gdprops``) the defaults."""
    return _CURRENT.get() or Surroundings(chosen(), lambda verdict, settings, subject: None)


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings that pytest's options ask for."""
    names = ("examples", "seed", "strict", "share")
    try:
        numbers(config.getoption("gdprops_shard") or "1/1")
        if config.getoption("gdprops_share") is not None:
            from gdprops.runner.example_databases import require_server

            require_server(config.getoption("gdprops_share"))
        return chosen(
            config.getoption("gdprops_profile"),
            **{name: config.getoption(f"gdprops_{name}") for name in names},
        )
    except UsageError as error:
        raise pytest.UsageError(f"--gdprops-{error}") from None


@contextmanager
def inside(item: pytest.Item) -> Iterator[None]:
    """Make an item's surroundings those that its clause finds."""

    def record(verdict: Verdict, settings: Settings, subject: str) -> None:
        from gdprops.plugin.recorder import run_properties

        item.user_properties.extend(run_properties(verdict, settings, subject, getattr(item, "of_clauses", 0)))
        item.user_properties.append(transport(verdict))

    config = item.config
    found = Surroundings(settings_of(config), record, config.rootpath, config.getoption("gdprops_examples"))
    token = _CURRENT.set(found)
    try:
        yield
    finally:
        _CURRENT.reset(token)
