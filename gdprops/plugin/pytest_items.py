"""Connect a clause that a test checks with the pytest run: settings from the command line, a place for the verdict.

The clause is called inside a test function, which has no pytest arguments. A context variable holds the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import pytest

from gdprops.errors import UsageError
from gdprops.plugin.terminal_stream import TERMINAL
from gdprops.plugin.verdict_property import transport
from gdprops.runner.named_subjects import in_terms
from gdprops.runner.settings import chosen
from gdprops.runner.shards import numbers
from gdprops.subjects.user_code.watchdog import printed_to

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.model.verdict import Verdict
    from gdprops.runner.settings import Settings


@final
@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a clause needs to know about the pytest run.

    Attributes:
        settings: The settings of the run.
        record: Is called with each verdict, its settings and the subject.
        folder: Where the search for pyproject.toml begins; None is the working directory.
        examples: The number of examples that the command line asks for, if it does.
    """

    settings: Settings
    record: Callable[[Verdict, Settings, Subject], None]
    folder: Path | None = None
    examples: int | None = None

    def settings_for(self, subject: str | Subject) -> Settings:
        """Return the settings combined with what the project's configuration says about a subject."""
        return in_terms(self.settings, subject, folder=self.folder, examples=self.examples)


_CURRENT: ContextVar[Surroundings | None] = ContextVar("gdprops", default=None)


def surroundings() -> Surroundings:
    """Return the surroundings of the running test; outside of a test (or with ``-p no:gdprops``), the defaults."""
    return _CURRENT.get() or Surroundings(chosen(), lambda verdict, settings, subject: None)


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings that pytest's options ask for. Raises `pytest.UsageError` for a wrong option."""
    names = ("examples", "timeout", "seed", "strict", "share")
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
    """Provide the surroundings of a test to the clause that is checked inside the context."""

    def record(verdict: Verdict, settings: Settings, subject: Subject) -> None:
        from gdprops.plugin.recorder import run_properties

        item.user_properties.extend(run_properties(verdict, settings, subject, getattr(item, "of_clauses", 0)))
        item.user_properties.append(transport(verdict))

    config = item.config
    found = Surroundings(settings_of(config), record, config.rootpath, config.getoption("gdprops_examples"))
    token = _CURRENT.set(found)
    with printed_to(config.stash.get(TERMINAL, None)):
        try:
            yield
        finally:
            _CURRENT.reset(token)
