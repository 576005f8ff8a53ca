"""One seed gives the same cases in every process, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.xdist_group("same seed"), pytest.mark.daily]
ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
import hashlib, sys
{before}
import numpy as np
from gdprops.model.domain import Domain
from gdprops.runner.counterexamples.encoding import encode
from gdprops.strategies.gradient_feeds import Feed, feeds
from gdprops.strategies.gradient_points import (
    decoupled,
    granular_sweeps,
    linear_regressions,
    looks,
    smooth_sweeps,
    sweeps,
)
from gdprops.strategies.loop import Loop
from gdprops.strategies.training_loops import loops
from tests.quality.drawing import drawn

domain = Domain(options={{"momentum": 0.5, "maximize": True}})
strategies = [
    feeds(domain, Feed(missing=True, mixed=True)), loops(domain, Loop(options=True)), looks(domain), sweeps(domain),
    granular_sweeps(domain), decoupled(domain), linear_regressions(domain), smooth_sweeps(domain),
]
for strategy in strategies:
    cases = drawn(strategy, 25, seed={seed})
    print(hashlib.sha256(repr([encode(case) for case in cases]).encode()).hexdigest()[:16])
"""

MUCH = """
import torch, pytest, click, rich
import gdprops.cli, gdprops.subjects.probe.measure, gdprops.faults
import tests.numerics.random_points, tests.quality.test_feeds, tests.quality.test_networks
sys.path.insert(0, {folder!r})
import module_of_constants
"""

CONSTANTS = (
    f"NUMBERS = {list(range(300))}\nFLOATS = {[k / 8 for k in range(99)]}\nBYTES = {[bytes(k) for k in range(60)]}"
)


def hashes(before: str, seed: int, cwd: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(before=before, seed=seed)],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return hashes("", 1, tmp_path_factory.mktemp("bare"))


def test_the_cases_do_not_depend_on_what_is_imported(bare: list[str], tmp_path: Path) -> None:
    """Hypothesis mixes constants of local modules into some of its draws; none of them can reach ours."""
    (tmp_path / "module_of_constants.py").write_text(CONSTANTS, encoding="utf-8")
    assert hashes(MUCH.format(folder=str(tmp_path)), 1, ROOT) == bare


def test_the_hashes_can_differ(bare: list[str], tmp_path: Path) -> None:
    other = hashes("", 2, tmp_path)
    assert len(bare) == len(other) == 8
    assert all(a != b for a, b in zip(bare, other, strict=True))
