"""The architecture: no circles, imports go only to lower floors, a kind is named in its own files, files stay small."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

# The files of gdprops are read, once for all of these, and none of them is run.
pytestmark = [pytest.mark.daily, pytest.mark.no_cover, pytest.mark.xdist_group("layers")]

PACKAGE = Path(__file__).parents[2] / "gdprops"
FILES = sorted(PACKAGE.rglob("*.py"))
FLOORS = {
    "": (
        ("errors", "version"),
        ("model",),
        ("numerics",),
        ("strategies", "subjects", "demo"),
        ("clauses", "faults", "watching"),
        ("explanations",),
        ("kinds",),
        ("runner", "script_imports"),
        ("report", "adapters"),
        ("live_run",),
        ("survey", "plugin", "api", "vectors", "pairs"),
        ("commands",),
        ("cli",),
        ("__init__", "__main__"),
    ),
    "subjects": (
        ("__init__", "declared_rule", "script_lines", "user_code"),
        ("backprop", "probe", "torch_optimizer", "update_rule"),
        ("frameworks", "training_step"),
        ("distributed_step", "subject_system", "trainers"),
    ),
    "clauses": (
        ("support",),
        ("implementations",),
        ("gradient", "step", "sequential", "optimizer", "published", "clock", "distributed", "live"),
        ("__init__",),
    ),
    "explanations": (
        ("__init__", "explanation", "published_rule"),
        ("training_step",),
        ("backprop", "distributed_step"),
    ),
    "kinds": (
        ("kind",),
        ("fed", "training_step", "distributed_step", "backprop"),
        ("framework", "update_rule", "trainer"),
        ("optimizer",),
        ("__init__",),
        ("whole_file",),
        ("resolve",),
    ),
    "runner": (
        ("written_file",),
        ("__init__", "project", "example_databases", "hypothesis_cache", "seeding", "shards", "signals", "witnesses"),
        ("search",),
        ("stocks",),
        ("family_search", "further_examples"),
        ("items", "settings", "primary_violation"),
        ("watcher", "conclude", "counterexamples", "named_subjects", "pooled_examples", "dialect_measurements"),
        ("explained_once", "shared_searches", "verdicts"),
        ("item_verdict", "kept_reference"),
        ("session",),
        ("kill_matrix", "replay", "request", "watched_run"),
        ("contained",),
        ("run",),
    ),
}
"""By folder, what stands on each floor, the lowest first: an import goes to a lower floor, or stays in its own part."""
MOST_LINES = 400
"""About 300 lines a file; a chapter of the specification may take a little more."""


def parsed(path: Path) -> ast.Module:
    """Return what is written in a file: the same text is parsed once for all tests."""
    return _tree(path.read_text())


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def dotted(path: Path, package: Path) -> str:
    """Return the module that a file is."""
    return ".".join(("gdprops", *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__")


def imports(path: Path, package: Path = PACKAGE) -> tuple[str, ...]:
    """Return every module of gdprops that a file imports, inside functions and for annotations too."""
    return _imports(path.read_text(), package)


@cache
def _imports(text: str, package: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(_tree(text)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gdprops":
            for alias in node.names:
                inside = package.joinpath(*node.module.split(".")[1:], alias.name)
                is_module = inside.with_suffix(".py").is_file() or (inside / "__init__.py").is_file()
                found.append(f"{node.module}.{alias.name}" if is_module else node.module)
        elif isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == "gdprops"]
    return tuple(found)


def parts(module: str, package: Path = PACKAGE) -> tuple[str, ...]:
    """Return the way to a module from the package's root; a folder's own file is its `__init__`."""
    inside = tuple(module.split(".")[1:])
    return (*inside, "__init__") if package.joinpath(*inside).is_dir() else inside


def graph(folder: tuple[str, ...], package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return which parts of a folder, files and sub-folders alike, import which others of it."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.joinpath(*folder).rglob("*.py")):
        own = parts(dotted(path, package), package)[len(folder)]
        ways = [parts(module, package) for module in imports(path, package)]
        inside = {way[len(folder)] for way in ways if way[: len(folder)] == folder and len(way) > len(folder)}
        found.setdefault(own, set()).update(inside - {own})
    return found


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected components of more than one part."""
    reached = {part: _reached(edges, part) for part in edges}
    found: list[set[str]] = []
    for part in edges:
        circle = {other for other in reached[part] if part in reached.get(other, ())}
        if circle - {part} and circle not in found:
            found.append(circle)
    return found


def _reached(edges: dict[str, set[str]], part: str) -> set[str]:
    seen: set[str] = set()
    waiting = [part]
    while waiting:
        new = edges.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def files_graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return which files import which."""
    return {
        dotted(path, package): set(imports(path, package)) - {dotted(path, package)}
        for path in sorted(package.rglob("*.py"))
    }


FOLDERS = sorted({path.parent.relative_to(PACKAGE).parts for path in FILES})


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert circles(files_graph()) == []


@pytest.mark.parametrize("folder", FOLDERS, ids="/".join)
def test_no_part_of_a_folder_imports_itself_by_way_of_others(folder: tuple[str, ...]) -> None:
    assert circles(graph(folder)) == []


def test_a_circle_is_found_wherever_it_is_closed(tmp_path: Path) -> None:
    package = tmp_path / "gdprops"
    for folder in ("low", "high"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "low" / "one.py").write_text("def late():\n    from gdprops.low import two\n")
    (package / "low" / "two.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gdprops.low.one import late\n"
    )
    assert circles(files_graph(package)) == [{"gdprops.low.one", "gdprops.low.two"}]
    assert circles(graph(("low",), package)) == [{"one", "two"}]
    assert circles(graph((), package)) == []
    (package / "low" / "two.py").write_text("import gdprops.high.three\n")
    (package / "high" / "three.py").write_text("")
    (package / "high" / "four.py").write_text("from gdprops.low import one\n")
    assert circles(files_graph(package)) == []
    assert circles(graph((), package)) == [{"low", "high"}]


@pytest.mark.parametrize("folder", FLOORS)
def test_imports_go_to_lower_floors(folder: str) -> None:
    floor_of = {part: number for number, floor in enumerate(FLOORS[folder]) for part in floor}
    edges = graph(tuple(filter(None, folder.split("/"))))
    assert set(edges) == set(floor_of), "every part stands on a floor of FLOORS"
    climbs = [(part, other) for part, others in edges.items() for other in others if floor_of[other] >= floor_of[part]]
    assert climbs == []


NAMED = ("update-rule", "training-step", "distributed-step", "backprop")
"""``optimizer`` is also the name of a chapter and a trait's value; its kind is looked for by class only."""
CLASSES = ("TorchOptimizer", "UpdateRule", "TrainingStep", "DistributedStep", "Backprop")


def kinds_named(path: Path) -> list[str]:
    """Return the kinds that a file names as text or asks for by class, and that are not its own."""
    own = path.relative_to(PACKAGE).parts
    if own[0] == "kinds" or own[0] == "faults" or own in {("__init__.py",), ("api.py",)}:
        return []
    tree = parsed(path)
    named = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in NAMED]
    tested = [
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
        for name in ast.walk(node.args[1])
        if isinstance(name, ast.Name) and name.id in CLASSES
    ]
    homes = {"TorchOptimizer": "torch_optimizer", "UpdateRule": "update_rule"}
    homes |= {"TrainingStep": "training_step", "DistributedStep": "distributed_step", "Backprop": "backprop"}
    homes |= {name: name.replace("-", "_") for name in NAMED}
    return [str(name) for name in (*named, *tested) if homes[str(name)] not in own]


def test_a_kind_is_named_in_its_own_files_only() -> None:
    found = {str(path.relative_to(PACKAGE)): kinds_named(path) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}


def test_files_are_small() -> None:
    """One concept, one file."""
    found = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in FILES}
    assert {path: lines for path, lines in found.items() if lines > MOST_LINES} == {}


def test_most_files_are_under_three_hundred_lines_and_most_functions_short() -> None:
    sizes = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert sizes[int(0.95 * len(sizes))] < 300
    lengths = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 8


def test_no_clause_contains_a_threshold_of_its_own() -> None:
    """Numbers with a fraction or an exponent stand in numerics/decisions.py; clauses name them."""
    for path in sorted((PACKAGE / "clauses").rglob("*.py")):
        found = [
            node.value
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value not in (0.0, 1.0, 0.5)
        ]
        assert not found, f"{path.name} contains {found}"


def test_the_workbench_hands_on_what_clauses_use_and_nothing_else() -> None:
    clauses = PACKAGE / "clauses"
    imported = [
        n
        for n in ast.walk(ast.parse((clauses / "support" / "workbench.py").read_text()))
        if isinstance(n, ast.ImportFrom)
    ]
    handed = {alias.name for node in imported if node.module != "__future__" for alias in node.names}
    used = {
        node.attr
        for path in clauses.rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "workbench"
    }
    assert handed == used
