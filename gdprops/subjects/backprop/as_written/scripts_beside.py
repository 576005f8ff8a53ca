"""The scripts of a repository that make objects of a class which another of its files defines.

``network.py`` defines ``Network``; ``main.py`` or ``examples/xor.py`` says how one is made. Such a script is executed
for its definitions only, and then the statements that make the object, as `own_construction.py` takes them from the
file itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gdprops.errors import UsageError
from gdprops.subjects.backprop.as_written.own_construction import OwnConstruction, own_constructions
from gdprops.subjects.user_code.definitions import Definitions, definitions_of
from gdprops.subjects.user_code.source import WHOLE_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SCRIPTS, MOST_FILES, MOST_WAYS = 5, 200, 4
STATE = re.compile(r"adam|rms_?prop|ada_?grad|ada_?delta|momentum|nesterov", re.IGNORECASE)
"""The optimizers whose steps are not plain."""
FOLDERS = re.compile(r"(src|example|script|experiment|demo|notebook|test|run|train|bin|app)s?\w*", re.IGNORECASE)
"""The folders of a repository in which its scripts lie, beside its root."""


def constructions_beside(found: type, definitions: Definitions) -> Iterator[OwnConstruction]:
    """Yield the ways in which scripts beside a file make objects of one of its classes, plain steps first."""
    makes = re.compile(rf"=\s*(\w+\.)*{found.__name__}\(")
    ways, count = list[OwnConstruction](), 0
    for path in _files(definitions):
        if count < MOST_SCRIPTS and makes.search(_text(path)):
            try:
                script = definitions_of(path)
            except UsageError:
                continue
            count += 1
            ways += own_constructions(found, script, path.name)
    yield from sorted(ways, key=keeps_state)[:MOST_WAYS]


def keeps_state(way: OwnConstruction) -> bool:
    """Say whether an object is made with an optimizer whose steps are not plain."""
    return any(STATE.search(ast.unparse(one)) for one in way.statements)


def _files(definitions: Definitions) -> list[Path]:
    """Return the files of the folders from the file's own up to the root of its repository, scripts' folders too."""
    own = definitions.source.path.resolve()
    folders, folder = [own.parent], own.parent
    root = definitions.helpers.root
    while root is not None and folder != root and root in folder.parents:
        folder = folder.parent
        folders.append(folder)
    inner = [one for at in folders for one in _below(at) if FOLDERS.fullmatch(one.name)]
    found = (path for at in dict.fromkeys((*folders, *inner)) for path in _sorted(at.iterdir()) if path != own)
    return [path for path in found if path.suffix in WHOLE_FILES and path.is_file()][:MOST_FILES]


def _below(folder: Path) -> list[Path]:
    return [one for one in _sorted(folder.iterdir()) if one.is_dir()]


def _sorted(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.name.startswith("test"), path.name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").replace('\\"', '"')
    except OSError:
        return ""
