"""The tests that matter while working: `tox -e quick`, at most two minutes on two cores.

Git is asked which folders of gdprops/ or tests/ have changed: what is not committed, else the last commit. Folders may
also be named: `tox -e quick -- gdprops/clauses/optimizer`. The cheapest of their tests run, up to a budget of seconds
(`durations.json`, which a whole run with `--record-durations` writes); the others are counted as deselected.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALWAYS = ("tests/meta/test_layers.py", "tests/meta/test_public_names.py")
BUDGET = "70"
"""CPU seconds that the chosen tests may have cost when they were recorded."""


def changed() -> list[str]:
    """Return the paths that are changed and not committed, or else those of the last commit."""
    uncommitted = [line[3:].rpartition(" -> ")[2] for line in _git("status", "--porcelain", "--untracked-files=all")]
    return uncommitted or _git("show", "--name-only", "--format=", "HEAD")


def tests_of(paths: Iterable[str]) -> list[str]:
    """Return the test folders and files of some paths: tests/a/b for gdprops/a/b/c.py, or the nearest above it."""
    return sorted(set(_nearest(paths)))


def _nearest(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        first, *inside = Path(path).parts
        if first == "tests" and Path(path).name.startswith("test_"):
            yield path
        elif first in ("gdprops", "tests"):
            folder = ROOT.joinpath("tests", *(inside if Path(path).suffix != ".py" else inside[:-1]))
            while not folder.is_dir():
                folder = folder.parent
            if folder != ROOT / "tests":
                yield str(folder.relative_to(ROOT))


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main(named: list[str]) -> int:
    """Run the linters, the types and the chosen tests; the first that fails ends it."""
    chosen = tests_of(named or changed())
    print(f"quick: {' '.join([*ALWAYS, *chosen])}", flush=True)
    tests = [*ALWAYS, *(path for path in chosen if (ROOT / path).exists())]
    python = [sys.executable, "-m"]
    commands = (
        [*python, "ruff", "check"],
        [*python, "ruff", "format", "--check"],
        [*python, "mypy"],
        [*python, "pytest", "-q", "-n", "auto", "--budget", BUDGET, *tests],
    )
    for command in commands:
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
