"""Do the tests notice a slip of the hand? ``python -m tests.mutants.run --count 100 --seed 0``

Mutants of what decides verdicts are drawn, as many of each area. Each is put into a copy of the project, never into the
checkout, and the tests that execute its line run until one of them fails: the fastest first, for 120 seconds at most.
A test that also fails, or takes as long, without the mutant says nothing. Printed are the figures by area and the
mutants that survived.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from tests.mutants.choosing import CHOSEN, KILLER
from tests.mutants.coverage_map import PYTEST, CoverageMap, environment_at, known_or_made, uses_of_constants
from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.operators import Mutant, mutants

ROOT = Path(__file__).parents[2]
AREAS = {
    "numerics": "gdprops/numerics",
    "decisions": "gdprops/numerics/decisions.py",
    "clauses": "gdprops/clauses",
    "subjects": "gdprops/subjects",
    "runner": "gdprops/runner",
    "explanations": "gdprops/explanations",
}
COPIED = (
    "gdprops",
    "tests",
    "docs",
    ".github",
    ".pre-commit-hooks.yaml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "pyproject.toml",
    "tox.ini",
)
SECONDS = 120
PLANNED = 0.5
"""Of the time for a mutant, the share that its tests may take by the record: the rest is for starting, and for luck."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    NOT_EXECUTED = "not executed by any test"
    TOO_SLOW = "too slow to tell"


CAUGHT = (Fate.KILLED, Fate.TIMED_OUT)
COUNTED = (*CAUGHT, Fate.SURVIVED, Fate.NOT_EXECUTED)


@final
@dataclass(frozen=True, slots=True)
class Result:
    """A mutant of an area, what became of it, by how many tests it was tried, of how many, and for how long."""

    area: str
    mutant: Mutant
    fate: Fate
    tried: int
    tests: int
    seconds: float

    @property
    def line(self) -> str:
        """One line that says where the mutant is and what it changes."""
        mutant, how = self.mutant, f"{self.tried} of {self.tests} tests" if self.tests else ""
        change = f"{_short(mutant.was)}  ->  {_short(mutant.now)}"
        return f"{self.fate}: {mutant.path}:{mutant.line}: {mutant.kind}: {change} ({how or 'no test'})"


def _short(text: str, most: int = 60) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def sample(root: Path, areas: Sequence[str], count: int, seed: int) -> list[tuple[str, Mutant]]:
    """Return mutants of the areas in turn, each area's drawn at random from all of its files."""
    rng, drawn = random.Random(seed), dict[str, list[Mutant]]()
    for area in areas:
        found = [m for path in _files(root, area) for m in mutants(path, (root / path).read_text(encoding="utf-8"))]
        drawn[area] = rng.sample(found, min(count, len(found)))
    turns = [(area, drawn[area][k]) for k in range(count) for area in areas if k < len(drawn[area])]
    return turns[:count]


def _files(root: Path, area: str) -> list[str]:
    """Return the files of an area; a file that is an area of its own belongs to no other."""
    where = root / AREAS[area]
    paths = [where] if where.is_file() else sorted(where.rglob("*.py"))
    found = [path.relative_to(root).as_posix() for path in paths]
    return [path for path in found if path == AREAS[area] or path not in AREAS.values()]


def copied(root: Path, target: Path) -> Path:
    """Copy what the tests need."""
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (root / name).exists():
            shutil.copy(root / name, target / name)
    return target


@final
class Bench:
    """A copy of the project in which one mutant after the other is put and tested."""

    def __init__(self, root: Path, known: CoverageMap, seconds: float) -> None:
        self._root, self._known, self._seconds = root, known, seconds
        self._uses = uses_of_constants(root)
        self._clock = int(time.time())
        self._killer = root / "killer.txt"
        self._sound, self._broken = set[str](), set[str]()

    def result(self, area: str, mutant: Mutant) -> Result:
        """Test a mutant, and leave the copy as it was."""
        tests, began = self._known.tests_of(mutant, self._uses), time.monotonic()
        chosen = self._affordable(tests)
        if mutant.key in EQUIVALENT:
            return Result(area, mutant, Fate.EQUIVALENT, 0, len(tests), 0.0)
        if not chosen:
            return Result(area, mutant, Fate.NOT_EXECUTED, 0, len(tests), 0.0)
        fate = self._fate(mutant, chosen)
        return Result(area, mutant, fate, len(chosen), len(tests), time.monotonic() - began)

    def _fate(self, mutant: Mutant, chosen: Sequence[str]) -> Fate:
        """Test a mutant; a test that fails without the mutant too is left out, and the others are tried again."""
        path = self._root / mutant.path
        right = path.read_text(encoding="utf-8")
        left = [test for test in chosen if test not in self._broken]
        while left:
            try:
                self._write(path, mutant.source)
                fate = self._tested(left)
            finally:
                self._write(path, right)
            if fate is Fate.TIMED_OUT and self._tested(left) is Fate.TIMED_OUT:
                return Fate.TOO_SLOW
            if fate is not Fate.KILLED:
                return fate
            killer = self._killer.read_text(encoding="utf-8") if self._killer.exists() else ""
            if killer in self._sound or self._tested([killer] if killer else left) is Fate.SURVIVED:
                self._sound |= {killer} - {""}
                return Fate.KILLED
            if not killer:
                raise SystemExit(f"the tests of {mutant.path} cannot run in a copy of the project, without any mutant")
            self._broken.add(killer)
            left.remove(killer)
        return Fate.SURVIVED

    def _affordable(self, tests: Sequence[str]) -> list[str]:
        """Return the fastest tests that fit into the time; one always does."""
        chosen, total = list[str](), 0.0
        for test in tests:
            total += self._known.seconds[test]
            if chosen and total > PLANNED * self._seconds:
                break
            chosen.append(test)
        return chosen

    def _write(self, path: Path, source: str) -> None:
        """Write a file with a time of its own: compiled files are recognized by time and size."""
        path.write_text(source, encoding="utf-8")
        self._clock += 2
        os.utime(path, (self._clock, self._clock))

    def _tested(self, chosen: Sequence[str]) -> Fate:
        listed = self._root / "chosen.json"
        listed.write_text(json.dumps(list(chosen)), encoding="utf-8")
        self._killer.unlink(missing_ok=True)
        environment = environment_at(self._root) | {CHOSEN: str(listed), KILLER: str(self._killer)}
        files = list(dict.fromkeys(test.partition("::")[0] for test in chosen))
        command = [*PYTEST, "-p", "tests.mutants.choosing", "-x", "-q", "--no-header", *files]
        code = _ended(command, self._root, environment, self._seconds)
        if code is None:
            return Fate.TIMED_OUT
        return Fate.SURVIVED if code == 0 else Fate.KILLED


def _ended(command: Sequence[str], folder: Path, environment: dict[str, str], seconds: float) -> int | None:
    """Return the exit code of a command; None where it and all that it started had to be stopped."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    ) as run:
        try:
            return run.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return None


def figures(results: Sequence[Result]) -> list[str]:
    """Return the table by area: how many mutants met each fate, and the share that was caught of those that count."""
    by_area = defaultdict[str, Counter[Fate]](Counter)
    for result in results:
        by_area[result.area][result.fate] += 1
        by_area["all"][result.fate] += 1
    rows = [("area", *(str(fate) for fate in Fate), "caught")]
    for area in [*(area for area in AREAS if area in by_area), *(["all"] if results else [])]:
        found = by_area[area]
        rows.append((area, *(str(found[fate]) for fate in Fate), f"{share(found):.0%}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def share(found: Counter[Fate]) -> float:
    """Return the share of mutants that were caught, of those that are not known to be equivalent."""
    counted = sum(found[fate] for fate in COUNTED)
    return sum(found[fate] for fate in CAUGHT) / counted if counted else 1.0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    found.add_argument("--count", type=int, default=100, help="how many mutants (100)")
    found.add_argument("--seed", type=int, default=0, help="draws the mutants (0)")
    found.add_argument("--seconds", type=float, default=SECONDS, help="at most for one mutant (120)")
    found.add_argument("--area", action="append", choices=list(AREAS), help="only this area; repeatable")
    found.add_argument("--tests", action="append", metavar="PATH", help="only these tests; repeatable (tests)")
    found.add_argument(
        "--cache", type=Path, default=ROOT / ".tox" / "mutants-map", help="where the coverage map is kept"
    )
    found.add_argument("-n", dest="workers", default="auto", help="processes that make the coverage map (auto)")
    found.add_argument("--least", type=float, default=0.0, metavar="PERCENT", help="exit with 1 if fewer are caught")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw mutants, test them, and print what became of them."""
    asked = parser().parse_args(arguments)
    with TemporaryDirectory(prefix="gdprops-mutants-") as folder:
        root = copied(ROOT, Path(folder))
        known = known_or_made(root, asked.cache.resolve(), asked.tests or ["tests"], asked.workers)
        print(f"{len(known.seconds)} tests, {sum(known.seconds.values()):.0f} s of them by the record", flush=True)
        bench, results = Bench(root, known, asked.seconds), list[Result]()
        for area, mutant in sample(root, asked.area or list(AREAS), asked.count, asked.seed):
            results.append(bench.result(area, mutant))
            print(f"{results[-1].seconds:5.0f} s  {results[-1].line}", flush=True)
    print("", *figures(results), "", sep="\n")
    for result in results:
        if result.fate not in CAUGHT:
            reason = EQUIVALENT.get(result.mutant.key)
            print(result.line, *([f"    {reason}"] if reason else []), sep="\n")
    caught = share(Counter(result.fate for result in results))
    return 1 if 100 * caught < asked.least else 0


if __name__ == "__main__":
    sys.exit(main())
