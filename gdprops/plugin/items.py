"""What a bound clause finds around it in a pytest item: settings from the command line, a place for its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import pytest

from gdprops.errors import UsageError
from gdprops.plugin.parallel import transport
from gdprops.runner.settings import chosen

if TYPE_CHECKING:
    from gdprops.model.verdict import Verdict
    from gdprops.runner.settings import Settings


@final
@dataclass(frozen=True, slots=True)
class Surroundings:
    """The settings of the run, and what is done with a verdict."""

    settings: Settings
    record: Callable[[Verdict], None]


_CURRENT: ContextVar[Surroundings | None] = ContextVar("gdprops", default=None)


def surroundings() -> Surroundings:
    """Return those of the item that runs now; outside of any (or with ``-p no:gdprops``) the defaults."""
    return _CURRENT.get() or Surroundings(chosen(), lambda verdict: None)


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings that pytest's options ask for."""
    names = ("examples", "seed", "strict")
    try:
        return chosen(
            config.getoption("gdprops_profile"),
            **{name: config.getoption(f"gdprops_{name}") for name in names},
        )
    except UsageError as error:
        raise pytest.UsageError(f"--gdprops-{error}") from None


@contextmanager
def inside(item: pytest.Item) -> Iterator[None]:
    """Make an item's surroundings those that its clause finds."""
    found = Surroundings(settings_of(item.config), lambda verdict: item.user_properties.append(transport(verdict)))
    token = _CURRENT.set(found)
    try:
        yield
    finally:
        _CURRENT.reset(token)
