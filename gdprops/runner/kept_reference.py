"""The verdicts about the reference, kept in the user's cache folder: they depend on the versions and the machine alone.

They are kept only where every clause about the reference held, under a name made of everything that they depend on.
`GDPROPS_FRESH=1` and ``--fresh`` leave them alone, and the reference is run.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, final

from gdprops.clauses import catalogue
from gdprops.errors import text_of
from gdprops.model.clause import View
from gdprops.model.json_form import verdict_from_dict, verdict_to_dict
from gdprops.model.note import Note
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.written_file import write_file

if TYPE_CHECKING:
    from gdprops.model.item import Item
    from gdprops.runner.settings import Settings

LIBRARIES = ("torch", "numpy", "hypothesis")
SEED = 0
"""The reference always meets the same examples: it is the same code for every subject."""


@cache
def fingerprint() -> str:
    """Return a text that changes with gdprops' own files, the libraries, Python, and what the processor can do."""
    import torch

    digest, package = sha256(), Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    capability = getattr(torch.backends.cpu, "get_cpu_capability", platform.processor)()
    machine = (platform.python_version(), platform.platform(), platform.machine(), str(capability))
    digest.update("\0".join((*map(version, LIBRARIES), *machine)).encode())
    return digest.hexdigest()[:32]


@final
class KeptReference:
    """The kept verdicts of one run, and those that are found in it."""

    def __init__(self, settings: Settings) -> None:
        self._on = not (settings.fresh or os.environ.get("GDPROPS_FRESH"))
        self._examples = settings.reference_examples
        self._wanted = {clause.id for clause in catalogue() if clause.view is View.SYSTEM}
        self._found: dict[str, Verdict] = {}
        self._kept: dict[str, Verdict] | None = None
        self._told: list[str] = []

    def verdict(self, item: Item) -> Verdict | None:
        """Return the kept verdict of an item, None where it is to be run."""
        if not self._on or item.about is not About.REFERENCE:
            return None
        if self._kept is None:
            self._kept = self._read()
        return self._kept.get(item.clause.id)

    def with_note(self, verdict: Verdict) -> Verdict:
        """Take a verdict that this run has found, and keep all once the last one holds; what fails is told with it."""
        if not self._on or verdict.about is not About.REFERENCE:
            return verdict
        self._found[verdict.clause] = verdict
        if self._found.keys() == self._wanted and all(v.status is Status.HELD for v in self._found.values()):
            self._write()
        told, self._told = self._told, []
        return replace(verdict, notes=(*verdict.notes, *map(Note, told)))

    def _place(self) -> Path:
        from platformdirs import user_cache_path

        return user_cache_path("gdprops", appauthor=False) / f"reference-{fingerprint()}-{self._examples}.json"

    def _read(self) -> dict[str, Verdict]:
        place = self._place()
        try:
            found = [verdict_from_dict(one) for one in json.loads(place.read_text(encoding="utf-8"))]
            if not _are_whole(found, self._wanted):
                raise ValueError("it does not say that every clause held")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._told.append(f"the kept reference could not be read, so it was run: {text_of(error)} ({place})")
            return {}
        return {verdict.clause: replace(verdict, seconds=0.0) for verdict in found}

    def _write(self) -> None:
        place = self._place()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_file(place, json.dumps([verdict_to_dict(verdict) for verdict in self._found.values()]))
        except OSError as error:
            self._told.append(f"the verdicts about the reference could not be kept: {text_of(error)}")


def _are_whole(verdicts: Sequence[Verdict], wanted: set[str]) -> bool:
    held = all(v.status is Status.HELD and v.about is About.REFERENCE for v in verdicts)
    return held and {verdict.clause for verdict in verdicts} == wanted
