"""``gdprops init``: write the section of pyproject.toml and the test file with which a project checks a subject."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdprops.errors import UsageError
from gdprops.model.verdict import SPECIFICATION
from gdprops.runner.project.configuration import FILE, find

TEST = '''\
"""{name} keeps what the specification of gradient descent promises (gdprops show lists it)."""

import gdprops


@gdprops.parametrize(["{name}"])
def test_specification(subject, clause):
    clause.check(subject)
'''


def initialize(
    folder: Path, spec: str, *, kind: str | None, rule: str | None, parameters: Mapping[str, Any]
) -> tuple[Path, Path]:
    """Write the section and a test file in the folder tests, and return their paths.

    Raises `UsageError`, and writes nothing, if either of them exists already or if a hyperparameter cannot be written
    in TOML.
    """
    project, name = folder / FILE, name_of(spec)
    section = section_of(name, spec, kind=kind, rule=rule, parameters=parameters)
    test = folder / "tests" / f"test_{name}_specification.py"
    existing = find(folder)
    if existing is not None:
        raise UsageError(
            f"{existing.folder / FILE} has [tool.gdprops] already: add {name} = {_toml(spec)} to its subjects"
        )
    if test.exists():
        raise UsageError(f"{test} is there already; gdprops init never overwrites")
    try:
        before = project.read_text(encoding="utf-8") if project.exists() else ""
        project.write_text(f"{before.rstrip()}\n\n{section}".lstrip(), encoding="utf-8")
        test.parent.mkdir(exist_ok=True)
        test.write_text(TEST.format(name=name), encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"gdprops init cannot write in {folder}: {error}") from None
    return project, test


def name_of(spec: str) -> str:
    """Return a short name for a subject: ``mysgd`` for ``mypkg.optim:MySGD``."""
    return re.sub(r"\W+", "_", spec.rpartition(":")[2]).strip("_").lower() or "subject"


def section_of(name: str, spec: str, *, kind: str | None, rule: str | None, parameters: Mapping[str, Any]) -> str:
    """Return the section ``[tool.gdprops]`` for one subject as TOML."""
    lines = ["[tool.gdprops]", f"specification = {SPECIFICATION}", f"subjects = {{ {name} = {_toml(spec)} }}"]
    if parameters:
        inside = ", ".join(f"{key} = {_toml(value)}" for key, value in parameters.items())
        lines.append(f"params = {{ {name} = {{ {inside} }} }}")
    if rule:
        lines.append(f"rules = {{ {name} = {_toml(rule)} }}")
    if kind:
        lines.append(f"kinds = {{ {name} = {_toml(kind)} }}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    raise UsageError(f"{value!r} cannot be written in TOML: leave it out, or bind a name to gdprops.optimizer(…)")
