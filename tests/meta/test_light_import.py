"""What only shows, or only waits, imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "numpy", "hypothesis")
TERMINAL = ("click", "rich")
PROBE = """
import sys
{code}
print(sorted(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""


def heavy_after(code: str, names: tuple[str, ...], cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code, names=names)],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "--help"],
        ["--version"],
        ["show"],
        ["show", "step.once"],
        ["show", "published.adam"],
        ["show", "glossary"],
        ["show", "glossary", "--markdown"],
        ["show", "--markdown"],
    ],
)
def test_commands_that_show_are_light(arguments: list[str], tmp_path: Path) -> None:
    code = f"from gdprops.cli import main\nassert main({arguments!r}) == 0"
    assert heavy_after(code, HEAVY, tmp_path) == "[]"


@pytest.mark.parametrize("code", ["import gdprops", "import gdprops.plugin", "import gdprops; dir(gdprops)"])
def test_the_package_and_the_plugin_are_lighter_still(code: str, tmp_path: Path) -> None:
    assert heavy_after(code, HEAVY + TERMINAL, tmp_path) == "[]"


def test_a_pytest_run_without_gdprops_stays_light(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
    code = "import pytest\nassert pytest.main(['-q', '-p', 'no:hypothesispytest', '-p', 'no:cov']) == 0"
    assert heavy_after(code, ("torch", "numpy", "click", "rich"), tmp_path) == "[]"


def test_the_probe_can_fail(tmp_path: Path) -> None:
    assert heavy_after("import numpy", HEAVY, tmp_path) == "['numpy']"
