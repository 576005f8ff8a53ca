"""The runners of docs/vectors in other languages: right optimizers pass in every acceptable form, wrong ones fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gdprops.cli import main
from gdprops.numerics.published.table import PUBLISHED

RUNNERS = Path(__file__).parents[2] / "docs" / "vectors"
FORMS = Path(__file__).with_name("adam_forms.hpp")
MOST_LINES = 50


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the required files of Adam."""
    folder = tmp_path_factory.mktemp("vectors")
    assert main(["vectors", str(folder), "--rule", "adam", "--force"]) == 0
    return [str(folder / f"adam.{dtype}.json") for dtype in ("float64", "float32")]


@pytest.fixture(scope="module")
def in_cpp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the runner in C++, compiled with Adam in many forms."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ on this machine: the runner in C++ was not executed")
    runner = tmp_path_factory.mktemp("cpp") / "runner"
    optimizer = f'-DOPTIMIZER="{FORMS}"'
    subprocess.run(["g++", "-std=c++17", optimizer, str(RUNNERS / "runner.cpp"), "-o", str(runner)], check=True)
    return runner


def told(runner: Path, files: list[str], form: str = "") -> tuple[int, list[str]]:
    done = subprocess.run(
        [str(runner), *files], capture_output=True, text=True, check=False, env={**os.environ, "FORM": form}
    )
    return done.returncode, done.stdout.splitlines()


def test_runners_are_short() -> None:
    for name in ("runner.cpp", "runner.rs"):
        assert len((RUNNERS / name).read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("form", PUBLISHED["adam"].published())
def test_a_right_adam_passes_in_every_acceptable_form(in_cpp: Path, vectors: list[str], form: str) -> None:
    assert told(in_cpp, vectors, form) == (0, [f"adam:{form} (acceptable)"])


@pytest.mark.daily
def test_the_papers_adam_passes(in_cpp: Path, vectors: list[str]) -> None:
    assert told(in_cpp, vectors) == (0, ["adam (valid)"])


@pytest.mark.parametrize("form", ["uncorrected", "forgetful"])
def test_a_known_mistake_fails_by_its_name(in_cpp: Path, vectors: list[str], form: str) -> None:
    assert told(in_cpp, vectors, form) == (1, [f"adam:{form} (invalid)"])


def test_a_mistake_that_nobody_knows_fails(in_cpp: Path, vectors: list[str]) -> None:
    assert told(in_cpp, vectors, "late") == (1, ["no known form does this"])


def test_the_optimizer_shown_beside_the_runner_in_rust_passes(vectors: list[str], tmp_path: Path) -> None:
    if shutil.which("rustc") is None:
        pytest.skip("no rustc on this machine: the runner in Rust was not executed")
    runner = tmp_path / "runner"
    subprocess.run(["rustc", str(RUNNERS / "runner.rs"), "-o", str(runner)], check=True)
    assert told(runner, vectors) == (0, ["adam (valid)"])
    wrong = Path(shutil.copytree(RUNNERS, tmp_path / "wrong"))
    source = (wrong / "adam.rs").read_text(encoding="utf-8")
    (wrong / "adam.rs").write_text(source.replace("(1.0 - b2.powi(self.t)) as T", "1.0"), encoding="utf-8")
    subprocess.run(["rustc", str(wrong / "runner.rs"), "-o", str(runner)], check=True)
    assert told(runner, vectors) == (1, ["no known form does this"])
