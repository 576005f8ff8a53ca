"""The source of a file or notebook: its statements, whatever a notebook keeps around them.

A notebook is JSON; its code cells are put one below the other, and lines that are no Python (magics, shell commands)
are left out and noted. A file of Python 2 is told as such, with the line by which it is known.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest

NOTEBOOK = ".ipynb"
WHOLE_FILES = (".py", NOTEBOOK)
PRINTS = re.compile(r"""^\s*print\s+["'\w(]""")
PYTHON_2 = (
    (PRINTS, "print without parentheses"),
    (re.compile(r"^\s*except\s+[\w.]+\s*,\s*\w+\s*:"), "except with a comma"),
    (re.compile(r"^\s*(raise\s+\w+\s*,|exec\s+[\"'])"), "a statement of Python 2"),
)


def is_whole_file(spec: str) -> bool:
    """Say whether a subject string is a whole file or notebook, without a name in it."""
    return spec.endswith(WHOLE_FILES)


@final
@dataclass(frozen=True, slots=True)
class Source:
    """The statements of a file, each with its own line number, and what was left out of a notebook's cells."""

    path: Path
    tree: ast.Module
    text: str
    left_out: tuple[str, ...] = ()

    def cell_of(self, line: int) -> tuple[int, int] | None:
        """Return the cell of a notebook that a line is in, and its number there; None for a file."""
        if self.path.suffix != NOTEBOOK:
            return None
        number, first = 0, 1
        for k, text in enumerate(self.text.splitlines(), 1):
            if text.startswith(CELL) and k <= line:
                number, first = number + 1, k
        return number, line - first


MAGIC = re.compile(r"^\s*[%!]\w", re.MULTILINE)
"""A line of a file that was saved from a notebook."""
CELL = "# <cell>"
"""What stands above the lines of every cell of a notebook."""


def source_of(path: Path) -> Source:
    """Return the source of a file or notebook. Raises `UsageError`, in one line, for one that cannot be read."""
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        known = [p.name for p in folder.iterdir() if p.suffix in WHOLE_FILES]
        raise UsageError(f"no such file: {path}{nearest(path.name, known)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    left_out: tuple[str, ...] = ()
    if path.suffix == NOTEBOOK:
        text, left_out = _of_cells(path, text)
    elif MAGIC.search(text):
        code, left_out = _without_magics(text.splitlines(), "line {}")
        text = "\n".join(code) + "\n"
    return Source(path, _parsed(path, text), text, left_out)


def _parsed(path: Path, text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strings like "\d" in the user's code
            return ast.parse(text, str(path))
    except SyntaxError as error:
        old = _python_2(text)
        if old is None and "in call to 'print'" in str(error.msg):
            old = "print without parentheses", error.lineno or 0
        if old is not None:
            raise UsageError(f"{path}: this is Python 2 ({old[0]}, line {old[1]})") from error
        raise UsageError(f"{path} cannot be imported: SyntaxError: {error.msg} (line {error.lineno})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be imported: {error}") from error


def _of_cells(path: Path, text: str) -> tuple[str, tuple[str, ...]]:
    """Return the code cells of a notebook one below the other; what is no Python stays as a comment, and is noted."""
    cells = _cells(path, text)
    lines, left_out = list[str](), list[str]()
    for number, cell in enumerate(cells, 1):
        source = cell.get("source", "")
        code = ("".join(map(str, source)) if isinstance(source, list) else str(source)).splitlines()
        first = next((line.strip() for line in code if line.strip()), "")
        if first.startswith("%%") and not first.startswith(("%%time", "%%capture")):
            left_out.append(f"cell {number} ({first.split()[0]})")
            code = [f"# {line}" for line in code]
        code, magics = _without_magics(_dedented(code), f"cell {number}, line {{}}")
        left_out += magics
        wrong = _syntax_error(code)
        if wrong and not _python_2("\n".join(code)):
            left_out.append(f"cell {number} ({wrong})")
            code = [f"# {line}" for line in code]
        lines += [CELL, *code]
    return "\n".join(lines) + "\n", tuple(dict.fromkeys(left_out))


def _dedented(code: list[str]) -> list[str]:
    """Return the lines of a cell without the indentation that all of them have, which notebooks take away too."""
    return textwrap.dedent("\n".join(code)).splitlines()


def _syntax_error(code: list[str]) -> str:
    """Return why lines are no Python; empty where they are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("\n".join(code))
    except (SyntaxError, ValueError) as error:
        return f"{type(error).__name__}: {getattr(error, 'msg', error)}"
    return ""


def _python_2(text: str) -> tuple[str, int] | None:
    """Return by what text is known as Python 2, and in which line."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, told in PYTHON_2:
            if pattern.match(line):
                return told, number
    return None


def _without_magics(lines: list[str], where: str) -> tuple[list[str], tuple[str, ...]]:
    """Return lines in which magics and shell commands are comments, and what these were."""
    code, left_out = list(lines), list[str]()
    for k, line in enumerate(lines):
        if line.lstrip().startswith(("%", "!")) or line.rstrip().endswith("?"):
            if not line.lstrip().startswith("%%"):
                left_out.append(f"{where.format(k + 1)} ({line.strip().split()[0]})")
            indent = line[: len(line) - len(line.lstrip())]
            code[k] = f"{indent}pass  # {line.strip()}"
    return code, tuple(left_out)


def _cells(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is no notebook: {error}") from error
    sheets = found.get("worksheets") if isinstance(found, dict) else None
    cells = found.get("cells") if isinstance(found, dict) else None
    if cells is None and isinstance(sheets, list):  # notebooks before version 4
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells", [])]
    if not isinstance(cells, list):
        raise UsageError(f"{path} is no notebook: it has no cells")
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    return [{**cell, "source": cell.get("source", cell.get("input", ""))} for cell in code]
