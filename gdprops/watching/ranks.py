"""The processes that torchrun has started on a machine: each leaves its record in a folder, and the first reads them.

Nothing goes through the run's own process group: a collective of ours could meet one of the script's. The folder is
named after torchrun's process and port, belongs to this user alone, and is gone when the first process has read it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from gdprops.model.rank_record import RankRecord, from_json, to_json

PATIENCE = 30.0
"""So many seconds the first process waits for the records of the others."""


@final
@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes of a machine. ``rank`` is this one's number in the whole run, ``local`` the one on the machine."""

    rank: int
    local: int
    count: int
    folder: Path

    @property
    def reports(self) -> bool:
        """Whether this process reports for all of its machine."""
        return self.local == 0

    def send(self, record: RankRecord) -> None:
        """Leave this process's record where the first one finds it, all at once."""
        _make(self.folder)
        unfinished = self.folder / f"{self.local}.unfinished"
        unfinished.write_text(json.dumps(to_json(record)), encoding="utf-8")
        unfinished.replace(self.folder / f"{self.local}.json")

    def receive(self, patience: float = PATIENCE) -> list[RankRecord]:
        """Wait for the records of the other processes, and return those that came."""
        until = time.monotonic() + patience
        awaited = [self.folder / f"{local}.json" for local in range(1, self.count)]
        while time.monotonic() < until and not all(file.exists() for file in awaited):
            time.sleep(0.05)
        try:
            if self.folder.exists():
                _make(self.folder)
            return [from_json(json.loads(file.read_text("utf-8"))) for file in awaited if file.exists()]
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def _make(folder: Path) -> None:
    """Make a folder of this user's own. Raises `PermissionError` if it is somebody else's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")


def ranks_of(environment: Mapping[str, str]) -> Ranks | None:
    """Return the processes that torchrun has started, None where this process is alone."""
    try:
        count = int(environment.get("LOCAL_WORLD_SIZE", "1"))
        rank, local = int(environment["RANK"]), int(environment["LOCAL_RANK"])
    except (KeyError, ValueError):
        return None
    if count < 2:
        return None
    name = f"gdprops-watch-{os.getppid()}-{environment.get('MASTER_PORT', '0')}"
    return Ranks(rank, local, count, Path(tempfile.gettempdir()) / name)
