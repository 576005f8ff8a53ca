"""The pytest plugin: its options, and the settings that reach every clause of `gdprops.parametrize`.

Loaded in every pytest run of an environment that has gdprops: it imports nothing else before it is needed.
"""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gdprops-profile``, ``--gdprops-examples``, ``--gdprops-seed`` and ``--gdprops-strict``."""
    group = parser.getgroup("gdprops", "the specification of gradient descent")
    group.addoption(
        "--gdprops-profile", metavar="NAME", help="dev, ci or nightly (default: ci where CI is set, else dev)"
    )
    group.addoption("--gdprops-examples", type=int, metavar="N", help="examples per clause")
    group.addoption("--gdprops-seed", type=int, metavar="N", help="the same examples in every run")
    group.addoption(
        "--gdprops-strict",
        action="store_true",
        default=None,
        help="vacuous clauses and violated recommendations fail too",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that cannot mean anything before any test runs."""
    names = ("profile", "examples", "seed")
    if any(config.getoption(f"gdprops_{name}") is not None for name in names):
        from gdprops.plugin.items import settings_of

        settings_of(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Give an item that checks a clause its settings and a place for the verdict."""
    if not _checks_a_clause(item):
        return (yield)
    from gdprops.plugin.items import inside

    with inside(item):
        return (yield)


def _checks_a_clause(item: pytest.Item) -> bool:
    home = sys.modules.get("gdprops.plugin.parametrize")
    callspec = getattr(item, "callspec", None)
    if home is None or callspec is None:
        return False
    return any(isinstance(value, home.BoundClause) for value in callspec.params.values())
