"""Which tests execute which line of gdprops, and how long each takes: made once with coverage's contexts, and kept.

Lines that run in processes that a test starts are not seen. A test that did not pass is left out: it kills nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tests.mutants.operators import Mutant

RECORD = "GDPROPS_MUTANTS_RECORD"
"""The environment variable with the file into which the plugin `tests.mutants.recording` writes."""


@final
@dataclass(frozen=True, slots=True)
class CoverageMap:
    """The tests of every line, by path and line; how many seconds each test takes; the uses of every constant."""

    tests: dict[str, dict[int, frozenset[str]]]
    seconds: dict[str, float]

    def tests_of(self, mutant: Mutant, uses: dict[str, list[tuple[str, int]]]) -> list[str]:
        """Return the tests that execute a mutant's line, the fastest first.

        A constant's own line runs when its module is imported: its tests are those of the lines that use it, and those
        that name it. Of other lines that run at import, all tests of the module are taken.
        """
        here = self.tests.get(mutant.path, {})
        if not mutant.imported:
            found = here.get(mutant.line, frozenset())
        elif mutant.name:
            lines = uses.get(mutant.name, [])
            found = frozenset().union(*(self.tests.get(path, {}).get(line, frozenset()) for path, line in lines))
            found |= {test for test in self.seconds if f"[{mutant.name}]" in test}
        else:
            found = frozenset().union(*here.values())
        return sorted(found, key=lambda test: (self.seconds[test], test))


def uses_of_constants(root: Path) -> dict[str, list[tuple[str, int]]]:
    """Return the lines of gdprops that read each upper-case name, also as an attribute of a module."""
    found = defaultdict[str, list[tuple[str, int]]](list)
    for path in sorted((root / "gdprops").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if name.isupper() and isinstance(node, ast.expr):
                found[name].append((path.relative_to(root).as_posix(), node.lineno))
    return found


def known_or_made(root: Path, cache: Path, tests: Sequence[str], workers: str) -> CoverageMap:
    """Return the map of the tests at ``root``: the one that was kept for the same files, or one made by a whole run."""
    kept = cache / f"coverage-{_digest(root, tests)}.json"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = _made(root, cache, tests, workers)
        if not made.tests:
            raise SystemExit(f"no test of {' '.join(tests)} passed and executed a line of gdprops")
        kept.write_text(json.dumps(_as_data(made)), encoding="utf-8")
    return _from_data(json.loads(kept.read_text(encoding="utf-8")))


def _digest(root: Path, tests: Iterable[str]) -> str:
    """Return a name for the state of all files and for the chosen tests."""
    hashed = hashlib.sha256("\0".join(tests).encode())
    for path in sorted([*(root / "gdprops").rglob("*.py"), *(root / "tests").rglob("*.py")]):
        hashed.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()[:16]


def _made(root: Path, cache: Path, tests: Sequence[str], workers: str) -> CoverageMap:
    from coverage import CoverageData

    record, measured = cache / "record.jsonl", cache / "coverage.data"
    for old in (record, measured):
        old.unlink(missing_ok=True)
    environment = environment_at(root) | {RECORD: str(record), "COVERAGE_FILE": str(measured)}
    flags = ["--cov=gdprops", "--cov-context=test", "--cov-report=", "--cov-fail-under=0", "-n", workers, "-q"]
    command = [*PYTEST, "-p", "tests.mutants.recording", *flags, *tests]
    subprocess.run(command, cwd=root, env=environment, check=False, stdout=subprocess.DEVNULL)
    seconds = _recorded(record)
    data = CoverageData(str(measured))
    data.read()
    lines: dict[str, dict[int, frozenset[str]]] = {}
    for file in data.measured_files():
        path = Path(file).resolve().relative_to(root.resolve()).as_posix()
        found = {line: _passed(contexts, seconds) for line, contexts in data.contexts_by_lineno(file).items()}
        lines[path] = {line: names for line, names in found.items() if names}
    return CoverageMap(lines, seconds)


def _passed(contexts: Iterable[str], seconds: dict[str, float]) -> frozenset[str]:
    """Return the tests among coverage's contexts, which are ``test|setup``, ``test|run`` and ``test|teardown``."""
    return frozenset(name for name in (context.rpartition("|")[0] for context in contexts) if name in seconds)


def _recorded(record: Path) -> dict[str, float]:
    if not record.exists():
        return {}
    entries = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    return {test: seconds for test, seconds, passed in entries if passed}


PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


def environment_at(root: Path) -> dict[str, str]:
    """Return the environment of a process that imports gdprops and its tests from ``root``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    return kept | {"PYTHONPATH": str(root)}


def _as_data(made: CoverageMap) -> dict[str, object]:
    """Return the map as JSON: tests by number, because their names are long."""
    names = sorted(made.seconds)
    number = {name: k for k, name in enumerate(names)}
    lines = {
        path: {line: sorted(number[t] for t in found) for line, found in by.items()} for path, by in made.tests.items()
    }
    return {"tests": [[name, made.seconds[name]] for name in names], "lines": lines}


def _from_data(data: Any) -> CoverageMap:
    pairs: list[tuple[str, float]] = data["tests"]
    names = [name for name, _ in pairs]
    tests = {
        path: {int(line): frozenset(names[k] for k in numbers) for line, numbers in by.items()}
        for path, by in data["lines"].items()
    }
    return CoverageMap(tests, dict(pairs))
