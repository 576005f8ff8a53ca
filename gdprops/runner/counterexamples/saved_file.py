"""Write and read the JSON file of a saved counterexample."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.model.verdict import SPECIFICATION
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.encoding import encode
from gdprops.runner.settings import FOLDER

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.item import Item
    from gdprops.model.subject import Subject

FORM = 1
LARGEST = 4_000_000
"""The largest file that is read, in bytes; a shrunk case has a few hundred bytes, an unshrunk one a few thousand."""


def as_data(item: Item, subject: Subject | None, case: Any) -> dict[str, Any]:
    """Return the data of a counterexample that is saved: the versions, the clause, the subject and the case."""
    name = "the gdprops reference" if subject is None else subject.name
    return {
        "gdprops": FORM,
        "specification": SPECIFICATION,
        "clause": item.clause.id,
        "revision": item.clause.revision,
        "about": item.about.value,
        "subject": name,
        "identity": name if subject is None else subject.identity.key,
        "case": encode(case),
    }


def save(data: dict[str, Any], folder: str, arrays: Mapping[str, Array] | None = None) -> str | None:
    """Write a counterexample, with its arrays in a file beside it.

    Return the path, or None if the folder cannot be written.
    """
    path = _place(data, Path(folder))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _keep_out_of_git(path.parent)
        if arrays:
            arrays_file.write(arrays_file.beside(path), arrays)
            data = {**data, "arrays": arrays_file.stated(arrays)}
        else:
            arrays_file.beside(path).unlink(missing_ok=True)
        path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError:
        return None
    return str(path)


def _place(data: dict[str, Any], folder: Path) -> Path:
    """Return the file of a subject and a clause; where another subject of the same name has it, one of its own."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", data["subject"]).strip("-.")[:60]
    path = folder / f"{slug}-{data['clause']}.json"
    try:
        taken = load(str(path)).get("identity", data["identity"]) != data["identity"]
    except UsageError:
        return path
    own = hashlib.sha256(data["identity"].encode()).hexdigest()[:6]
    return folder / f"{slug}-{own}-{data['clause']}.json" if taken else path


def _keep_out_of_git(folder: Path) -> None:
    """Tell git to leave out what is kept on this machine; a folder of another name is the user's own."""
    ignored = folder / ".gitignore"
    if folder.name == FOLDER and not ignored.exists():
        ignored.write_text("# written by gdprops: failing examples of this machine\n*\n", encoding="utf-8")


def load(path: str) -> dict[str, Any]:
    """Read a saved counterexample. Raises `UsageError`, in one line, for a file that is not one."""
    file = Path(path)
    if not os.path.isfile(file):  # which raises nothing, also where the path is too long for a file
        raise UsageError(f"no such file: {path}")
    if file.stat().st_size > LARGEST:
        raise UsageError(f"{path} is larger than any counterexample that gdprops saves")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UsageError(f"{path} is not a counterexample saved by gdprops: it is not JSON") from error
    wanted = ("gdprops", "clause", "about", "subject", "case")
    if not isinstance(data, dict) or any(key not in data for key in wanted):
        raise UsageError(f"{path} is not a counterexample saved by gdprops: expected the keys {', '.join(wanted)}")
    if data["gdprops"] != FORM:
        raise UsageError(f"{path} was saved in form {data['gdprops']!r}; this gdprops reads form {FORM}")
    return data
