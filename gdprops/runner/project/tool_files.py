"""``gdprops init --github``, ``--tox`` and ``--pre-commit``: files with which other tools run a project's subjects.

Nothing is overwritten. What the project has already is told, and what to add to it stands in the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from gdprops.errors import UsageError
from gdprops.model.site import SITE
from gdprops.runner.written_file import write_file

CALLER = """\
# Profile ci on every pull request: the same examples each time. Profile nightly on a schedule: new ones.
name: gradient descent

on:
  pull_request:
  schedule:
    - cron: "17 3 * * *"

jobs:
  gdprops:
    uses: ./.github/workflows/gdprops.yml
    with:
      profile: ${{ github.event_name == 'schedule' && 'nightly' || 'ci' }}
"""
TOX = """\
[testenv:gdprops]
description = the specification of gradient descent
deps =
    torch==2.13.0
    gdprops
commands = pytest pyproject.toml --gdprops --gdprops-profile ci {posargs}
"""
PRE_COMMIT = """\
repos:
  - repo: local
    hooks:
      - id: gdprops
        name: the specification of gradient descent
        entry: python -m pytest pyproject.toml --gdprops --gdprops-profile ci -x -q
        language: system
        types: [python]
        pass_filenames: false
"""
HOW_TO = f"{SITE}how-to/ci/"


def workflow_text() -> str:
    """Return the reusable workflow, as it is in the repository of gdprops."""
    return (resources.files(__package__) / "workflow.yml").read_text(encoding="utf-8")


def write_tool_files(folder: Path, *, github: bool, tox: bool, pre_commit: bool) -> Iterator[Path]:
    """Write the files that are asked for, and yield each path. Raises `UsageError` where one is there already."""
    wanted: list[tuple[Path, str]] = []
    if github:
        workflows = folder / ".github" / "workflows"
        wanted += [(workflows / "gdprops.yml", workflow_text()), (workflows / "gradient-descent.yml", CALLER)]
    if pre_commit:
        wanted.append((folder / ".pre-commit-config.yaml", PRE_COMMIT))
    for path, _ in wanted:
        if path.exists():
            raise UsageError(f"{path} is there already; gdprops init never overwrites: {HOW_TO} says what to add")
    if tox:
        wanted.append((folder / "tox.ini", _with_environment(folder / "tox.ini")))
    for path, text in wanted:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, text)
        except OSError as error:
            raise UsageError(f"gdprops init cannot write in {folder}: {error}") from None
        yield path


def _with_environment(path: Path) -> str:
    """Return tox.ini with the environment at its end."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if "[testenv:gdprops]" in before:
        raise UsageError(f"{path} has [testenv:gdprops] already; gdprops init never overwrites")
    return f"{before.rstrip()}\n\n{TOX}".lstrip()
