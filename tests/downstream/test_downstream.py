"""gdprops as its users have it: installed from the wheel into a fresh environment, run in a project of theirs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gdprops.runner.project.tool_files import TOX

pytestmark = [pytest.mark.xdist_group("downstream"), pytest.mark.daily]

ROOT = Path(__file__).parents[2]
PROJECT = Path(__file__).with_name("project")
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


@dataclass(frozen=True)
class User:
    """A project in a folder of its own, and the Python that it uses."""

    python: Path
    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        unwanted = ("PYTEST", "COV", "CI", "PYTHON", "GITHUB", "GDPROPS")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
        caches = str(self.python.parents[1] / "caches")  # of this run of the tests, as a user has caches of a machine
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "160", "XDG_CACHE_HOME": caches}
        command = [str(self.python), "-m", *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def pytest(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return self.run("pytest", "-q", "-p", "no:cacheprovider", *flags)

    def change(self, old: str, new: str) -> None:
        file = self.folder / "pyproject.toml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-c", BUILD, str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return folder / built.stdout.split()[-1]


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a fresh environment; torch and the like are seen where this environment has them."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    installed = folder / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(installed), "install", *options, str(wheel)], check=True
    )
    (site,) = folder.glob("lib/python*/site-packages")
    elsewhere = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "elsewhere.pth").write_text("\n".join(elsewhere) + "\n", encoding="utf-8")
    return installed


@pytest.fixture
def user(python: Path, tmp_path: Path) -> User:
    shutil.copytree(PROJECT, tmp_path / "project")
    return User(python, tmp_path / "project")


def tail(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr


def steady(path: Path) -> Any:
    """Return a report without what may differ between two runs: times, and the record of the run."""
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["run"]
    for run in data["runs"]:
        del run["timing"]
    return data


def test_the_wheel_has_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("cli.py", "py.typed", "report/schema.json", "report/page/run.html.j2", "report/page/style.css"):
        assert f"gdprops/{needed}" in names
    assert {name.partition("/")[0] for name in names} == {"gdprops", "gdprops-0.1.0.dist-info"}


def test_it_is_the_wheel_that_runs(user: User) -> None:
    (user.folder / "where.py").write_text("import gdprops; print(gdprops.__file__)", encoding="utf-8")
    assert user.run("where").stdout.startswith(str(user.python.parent.parent))
    assert user.run("gdprops", "--version").stdout == "gdprops, version 0.1.0\n"
    assert (user.python.parent / "gdprops").exists()


@pytest.mark.nightly
def test_their_own_suite_runs_with_and_without_the_plugin(user: User) -> None:
    for flags in ((), ("-p", "no:gdprops")):
        done = user.pytest(*flags)
        assert (done.returncode, tail(done)[:8]) == (0, "6 passed"), done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("workers", ["1", "2"])
def test_their_subjects_run_without_a_test_file_the_same_on_several_workers(user: User, workers: str) -> None:
    shutil.rmtree(user.folder / "tests")
    chosen = ("--gdprops", "--gdprops-profile", "ci")
    one = user.pytest(*chosen, "--gdprops-json", "one.json", "--gdprops-html", "one.html")
    assert one.returncode == 0, one.stdout + one.stderr
    assert "smallopt.optim:Descent(lr=0.25): of " in one.stdout
    assert "excluded by 'sequential.*' in pyproject.toml" in one.stdout
    again = user.pytest(*chosen, "--gdprops-json", "again.json", "-n", workers, "--junitxml", "j.xml")
    assert again.returncode == 0, again.stdout + again.stderr
    assert steady(user.folder / "one.json") == steady(user.folder / "again.json")
    assert "smallopt.optim:Descent(lr=0.25)" in (user.folder / "one.html").read_text(encoding="utf-8")
    text = (user.folder / "j.xml").read_text(encoding="utf-8")
    assert '<property name="worst_ratio"' in text


@pytest.mark.nightly
def test_an_accepted_violation_then_a_stale_one(user: User) -> None:
    shutil.rmtree(user.folder / "tests")
    subjects = 'descent = "smallopt.optim:Descent"\ntraining = "smallopt.train:build"'
    user.change(subjects, 'lag = "smallopt.optim:Lagging"')
    user.change("descent = {", "lag = {")
    user.change("training = { lr = 0.25 }\n", "")
    user.change('descent = "sgd"', 'lag = "sgd"')
    user.change("exclude = [", 'exclude = ["step.[!p]*", ')
    user.change('[tool.gdprops.kinds]\ntraining = "training-step"\n', "")
    user.change("min-clauses = 6", "min-clauses = 1")
    assert user.pytest("--gdprops", "-k", "step.plain").returncode == 1
    done = user.run("gdprops", "accept", "lag", "--clauses", "step.p*", "--reason", "the first tensor lags, see #12")
    assert done.returncode == 0, done.stderr
    assert "accepted of smallopt.optim:Lagging(lr=0.25): step." in done.stdout
    accepted = user.pytest("--gdprops", "-rx", "--gdprops-seed", "1")
    assert accepted.returncode == 0, accepted.stdout
    assert "step.plain is accepted: the first tensor lags, see #12" in accepted.stdout
    source = user.folder / "smallopt" / "optim.py"
    source.write_text(source.read_text(encoding="utf-8").replace("slow = 0.5", "slow = 1.0"), encoding="utf-8")
    stale = user.pytest("--gdprops", "--gdprops-seed", "1")
    assert stale.returncode == 1
    said = "step.plain: accepted (the first tensor lags, see #12), but the pinned case passes now: remove the entry"
    assert said in stale.stdout


def test_a_broken_subject_is_one_line_and_two(user: User) -> None:
    shutil.rmtree(user.folder / "tests")
    user.change("smallopt.train:build", "smallopt.train:biuld")
    done = user.pytest("--gdprops")
    assert done.returncode == 2
    assert "gdprops: error: smallopt.train has no 'biuld'; did you mean 'build'?" in done.stdout
    assert "Traceback" not in done.stdout
    done = user.run("gdprops", "check", "training")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gdprops: error: smallopt.train has no 'biuld'; did you mean 'build'?\n"


def test_a_malformed_table_is_one_line(user: User) -> None:
    user.change("examples = 10", "exmaples = 10")
    said = "[tool.gdprops] in pyproject.toml: unknown key 'exmaples'; did you mean 'examples' or 'exclude'?"
    done = user.pytest("--gdprops")
    assert done.returncode == 4
    assert done.stderr.strip() == f"ERROR: --gdprops: {said}"
    assert user.run("gdprops", "check", "descent").stderr == f"gdprops: error: {said}\n"


def test_the_plugin_costs_a_suite_that_does_not_use_it_under_30_milliseconds(user: User) -> None:
    (user.folder / "cost.py").write_text(
        "import time, pytest, sys\n"
        "before = set(sys.modules)\n"
        "began = time.perf_counter()\n"
        "import gdprops.plugin\n"
        "print((time.perf_counter() - began) * 1000)\n"
        "print(sorted({'torch', 'numpy', 'hypothesis', 'click', 'rich'} & (set(sys.modules) - before)))\n",
        encoding="utf-8",
    )
    runs = [user.run("cost").stdout.splitlines() for _ in range(3)]
    assert min(float(cost) for cost, _ in runs) < 30
    assert {loaded for _, loaded in runs} == {"[]"}


@pytest.mark.nightly
def test_the_tox_recipe_of_the_documentation_runs(user: User, wheel: Path) -> None:
    """Tox really, without network: gdprops is the wheel, and what it needs is seen where it is installed already."""
    offline = "install_command = python -m pip install --no-deps --no-index {packages}\nset_env = PYTHONPATH = {site}\n"
    elsewhere = os.pathsep.join(path for path in sys.path if Path(path).name == "site-packages")
    skipped = "package = skip\n" + offline.replace("{site}", f"{elsewhere}{os.pathsep}{user.folder}")
    text = TOX.replace("deps =\n    torch==2.13.0\n    gdprops\n", f"deps = {wheel}\n")
    text = text.replace("commands = pytest", "commands = python -m pytest")
    (user.folder / "tox.ini").write_text(text + skipped, encoding="utf-8")
    user.change("exclude = [", 'exclude = ["step.[!p]*", ')
    user.change("min-clauses = 6", "min-clauses = 1")
    done = user.run("tox", "-e", "gdprops", "--", "-k", "descent")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smallopt.optim:Descent(lr=0.25): of " in done.stdout
