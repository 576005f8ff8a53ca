"""Read ``[tool.gdprops]`` in pyproject.toml: the subjects of a project, and what the project requires of them.

Every mistake in the table raises `UsageError` with a message of one line that shows the wrong value.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.verdict import SPECIFICATION
from gdprops.runner.project.terms import Terms

FILE = "pyproject.toml"
KEYS = (
    "specification", "subjects", "params", "rules", "traits", "kinds", "exclude", "min-clauses", "examples",
)  # fmt: skip
PARAMETER_TYPES = (bool, int, float, str, list)


@final
@dataclass(frozen=True, slots=True)
class Configured:
    """One subject of the table: its name there, its subject string, its arguments and its minimum of held clauses."""

    name: str
    spec: str
    kind: str | None = None
    rule: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, str] = field(default_factory=dict)
    min_clauses: int = 0


@final
@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole table; ``folder`` is the folder of its pyproject.toml."""

    folder: Path
    subjects: tuple[Configured, ...] = ()
    specification: int | None = None
    exclude: tuple[str, ...] = ()
    examples: int | None = None

    def get(self, subject: str) -> Configured | None:
        """Return the subject with this name or this subject string, None if the table has none."""
        return next((s for s in self.subjects if subject in (s.name, s.spec)), None)

    def terms(self, subject: Configured) -> Terms:
        """Return what the project requires of one of its subjects."""
        return Terms(self.specification, self.exclude, subject.min_clauses, FILE)


def find(start: Path) -> Configuration | None:
    """Return the nearest ``[tool.gdprops]`` in a pyproject.toml in this folder or above it, or None.

    Raises `UsageError` for a pyproject.toml on the way that is not TOML, and for a table with a mistake.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        table = _table(folder / FILE)
        if table is not None:
            return read(table, folder)
    return None


def _table(path: Path) -> Any:
    """Return the table of a file, None if the file or the table does not exist."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if "gdprops" not in text:
        return None
    try:
        tool = tomllib.loads(text).get("tool", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    return tool.get("gdprops") if isinstance(tool, dict) else None


def read(table: Any, folder: Path) -> Configuration:
    """Return a table as a configuration. Raises `UsageError`, in one line, for anything that is wrong in it."""
    _require(isinstance(table, dict), "expected a table", table)
    for key in table:
        if key not in KEYS:
            raise UsageError(_in_table(f"unknown key {key!r}{nearest(key, KEYS)}"))
    specs = _specs(table.get("subjects", {}))
    return Configuration(
        folder,
        tuple(_subject(name, spec, table, specs) for name, spec in sorted(specs.items())),
        _version(table.get("specification")),
        _patterns(table.get("exclude", [])),
        None if table.get("examples") is None else _whole("examples", table["examples"]),
    )


def _in_table(message: str) -> str:
    return f"[tool.gdprops] in {FILE}: {message}"


def _require(holds: bool, expected: str, value: object) -> None:
    if not holds:
        raise UsageError(_in_table(f"{expected}, not {value!r}"))


def _specs(value: Any) -> dict[str, str]:
    """Return the subject strings by name; in a plain list each subject string is its own name."""
    if isinstance(value, list) and all(isinstance(spec, str) for spec in value):
        value = {spec: spec for spec in value}
    _require(isinstance(value, dict), "subjects: expected subject strings, or a table of them by name", value)
    for name, spec in value.items():
        _require(isinstance(spec, str) and ":" in spec, f"subjects.{name}: expected package.module:Name", spec)
    return dict(value)


def _subject(name: str, spec: str, table: Mapping[str, Any], specs: Mapping[str, str]) -> Configured:
    return Configured(
        name,
        spec,
        _of("kinds", name, table, specs, _text),
        _of("rules", name, table, specs, _text),
        _of("params", name, table, specs, _parameters) or {},
        _of("traits", name, table, specs, _texts) or {},
        _least(name, table, specs),
    )


def _of(key: str, name: str, table: Mapping[str, Any], specs: Iterable[str], check: Callable[[str, Any], Any]) -> Any:
    """Return the checked entry of a subject in a table such as ``params``, None if it has no entry."""
    by_subject = table.get(key, {})
    _require(isinstance(by_subject, dict), f"{key}: expected a table by subject", by_subject)
    for other in by_subject:
        if other not in specs:
            raise UsageError(_in_table(f"{key}.{other}: no such subject{nearest(other, specs)}"))
    return check(f"{key}.{name}", by_subject[name]) if name in by_subject else None


def _least(name: str, table: Mapping[str, Any], specs: Iterable[str]) -> int:
    """Return ``min-clauses`` of a subject; the table gives one number for all subjects, or one for each."""
    value = table.get("min-clauses", 0)
    if isinstance(value, dict):
        return _of("min-clauses", name, table, specs, _whole) or 0
    return _whole("min-clauses", value, least=0)


def _whole(key: str, value: Any, *, least: int = 1) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    _require(fits, f"{key}: expected a whole number of at least {least}", value)
    return int(value)


def _text(key: str, value: Any) -> str:
    _require(isinstance(value, str), f"{key}: expected a string", value)
    return str(value)


def _texts(key: str, value: Any) -> dict[str, str]:
    _require(isinstance(value, dict), f"{key}: expected a table", value)
    return {str(k): _text(f"{key}.{k}", v) for k, v in value.items()}


def _parameters(key: str, value: Any) -> dict[str, Any]:
    _require(isinstance(value, dict), f"{key}: expected a table of hyperparameters", value)
    for name, given in value.items():
        _require(name.isidentifier(), f"{key}: expected names of hyperparameters", name)
        _require(isinstance(given, PARAMETER_TYPES), f"{key}.{name}: expected a number, a string or a list", given)
    return dict(value)


def _version(value: Any) -> int | None:
    if value is None:
        return None
    version = _whole("specification", value)
    if version > SPECIFICATION:
        raise UsageError(_in_table(f"specification = {version}; this gdprops knows 1 to {SPECIFICATION}: update it"))
    return version


def _patterns(value: Any) -> tuple[str, ...]:
    from gdprops.clauses import catalogue

    is_list = isinstance(value, list) and all(isinstance(pattern, str) for pattern in value)
    _require(is_list, "exclude: expected a list of patterns of clauses", value)
    known = catalogue()
    for pattern in value:
        try:
            known.select(pattern)
        except UsageError as error:
            raise UsageError(_in_table(f"exclude: {str(error).removeprefix('clauses=')}")) from None
    return tuple(value)
