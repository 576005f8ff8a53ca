"""The pytest plugin: its options, and the settings that reach every clause of `gdprops.parametrize`.

Loaded in every pytest run of an environment that has gdprops: it imports nothing else before it is needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

FORMS = {
    "json": "write the verdicts to a file",
    "junit": "the same as JUnit XML, one test suite per subject",
    "markdown": "the same as Markdown (always for a GitHub step summary)",
    "html": "the same as one page with pictures (needs gdprops[report])",
    "figures": "the folder for the pictures alone (needs gdprops[report])",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gdprops`` and the options that begin so."""
    group = parser.getgroup("gdprops", "the specification of gradient descent")
    group.addoption(
        "--gdprops", action="store_true", default=False, help="check the subjects of [tool.gdprops] in pyproject.toml"
    )
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
    group.addoption("--gdprops-shard", metavar="I/N", help="only the I-th of N parts of the clauses, for CI matrices")
    group.addoption("--gdprops-share", metavar="URL", help="a Redis server that shares failing examples")
    for form, help_text in FORMS.items():
        group.addoption(f"--gdprops-{form}", metavar="PATH", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse options that cannot mean anything before any test runs."""
    names = ("profile", "examples", "seed", "shard", "share")
    if any(config.getoption(f"gdprops_{name}") is not None for name in names):
        from gdprops.plugin.pytest_items import settings_of

        settings_of(config)
    if not hasattr(config, "workerinput") and _reports(config):
        from gdprops.plugin.recorder import record

        record(config)
    if config.getoption("gdprops"):
        from gdprops.plugin.configured import prepare

        prepare(config)


def _reports(config: pytest.Config) -> bool:
    """Say whether anybody wants to know what all tests together found."""
    asked = config.getoption("gdprops") or os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(asked or any(config.getoption(f"gdprops_{form}") for form in FORMS))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the project's pyproject.toml: with ``--gdprops`` its subjects are tests."""
    if file_path.name != "pyproject.toml" or not parent.config.getoption("gdprops"):
        return None
    from gdprops.plugin.configured import collected

    return collected(file_path, parent)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the other shards' clauses out; tests of other things run in every shard."""
    shard = config.getoption("gdprops_shard")
    if shard is None:
        return
    from gdprops.runner.shards import share

    ours = set(share([item for item in items if _checks_a_clause(item)], shard))
    others = [item for item in items if _checks_a_clause(item) and item not in ours]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Give an item that checks a clause its settings and a place for the verdict."""
    if not _checks_a_clause(item):
        return (yield)
    from gdprops.plugin.pytest_items import inside

    with inside(item):
        return (yield)


def _checks_a_clause(item: pytest.Item) -> bool:
    if type(item).__module__ == "gdprops.plugin.configured":
        return True
    home = sys.modules.get("gdprops.plugin.parametrize")
    callspec = getattr(item, "callspec", None)
    if home is None or callspec is None:
        return False
    return any(isinstance(value, home.BoundClause) for value in callspec.params.values())
