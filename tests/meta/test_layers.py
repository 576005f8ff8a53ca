"""The architecture: imports go only to lower layers, nothing takes a shortcut, files stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "gdprops"
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = {
    "errors": -1,
    "model": 0,
    "numerics": 1,
    "strategies": 2,
    "adapters": 2,
    "clauses": 3,
    "faults": 3,
    "runner": 4,
    "report": 5,
    "demo": 5,
    "plugin": 6,
    "options": 6,
    "project": 7,
    "cli": 8,  # its -n is the plugin's
    "__init__": 9,
    "__main__": 9,
}
MOST_LINES = 400
"""About 300 lines a file; a chapter of the specification may take a little more."""


def part_of(module: str) -> str:
    """Return the part of the package that a dotted name belongs to."""
    names = module.split(".")
    return names[1] if len(names) > 1 else "__init__"


def imports(path: Path) -> Iterator[str]:
    """Yield every module of gdprops that a file imports, inside functions and for annotations too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gdprops":
            names = (f"gdprops.{a.name}" if node.module == "gdprops" else node.module for a in node.names)
            yield from (name for name in names if name != "gdprops.__version__")
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == "gdprops")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_to_lower_layers_or_stay_in_their_part(path: Path) -> None:
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    for module in imports(path):
        part = part_of(module)
        allowed = part == own or LAYERS[part] < LAYERS[own]
        assert allowed, f"{relative} (layer {LAYERS[own]}) imports {module} (layer {LAYERS[part]})"


def test_every_part_of_the_package_has_a_layer() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert parts == set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_small(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MOST_LINES, f"{path.name} has {lines} lines: one concept, one file"


def test_most_files_are_under_three_hundred_lines_and_most_functions_short() -> None:
    sizes = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert sizes[int(0.95 * len(sizes))] < 300
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 8


def test_no_clause_contains_a_threshold_of_its_own() -> None:
    """Numbers with a fraction or an exponent stand in numerics/decisions.py; clauses name them."""
    for path in sorted((PACKAGE / "clauses").glob("*.py")):
        found = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value not in (0.0, 1.0, 0.5)
        ]
        assert not found, f"{path.name} contains {found}"


def test_the_workbench_hands_on_what_clauses_use_and_nothing_else() -> None:
    clauses = PACKAGE / "clauses"
    imported = [n for n in ast.walk(ast.parse((clauses / "workbench.py").read_text())) if isinstance(n, ast.ImportFrom)]
    handed = {alias.name for node in imported if node.module != "__future__" for alias in node.names}
    used = {
        node.attr
        for path in clauses.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "workbench"
    }
    assert handed == used
