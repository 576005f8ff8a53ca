"""The nursery, seen from the judging process: started once, it forks ranks when asked, and tells how they end."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from multiprocessing.connection import Listener
from pathlib import Path
from shutil import rmtree
from typing import final

from gdprops.errors import UsageError
from gdprops.subjects.distributed_step.ranks.loopback import interface
from gdprops.subjects.user_code.black_box import RECORDER

ROOT = str(Path(__file__).parents[4])
"""Where the package lies: this interpreter may have found it by its working folder."""
IN_A_RANK = "GDPROPS_RANK"
"""The variable of the environment by which a rank is known."""
ENDING = 10.0
"""Seconds that the nursery has to end its ranks and itself."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@final
class Nursery:
    """The process that forks ranks, the address at which they call back, and the folder that they share."""

    def __init__(self) -> None:
        if not hasattr(os, "fork"):
            raise UsageError("a distributed step needs processes that fork, which this platform does not have")
        if IN_A_RANK in os.environ:
            raise UsageError(
                "a rank imports your file and must not check it again: put the call under if __name__ == '__main__':"
            )
        around = None if RECORDER.box is None else RECORDER.box.folder  # which a supervisor removes in the end
        self.folder = Path(tempfile.mkdtemp(prefix="gdprops-", dir=around))
        key = secrets.token_bytes(16)
        self.listener = Listener(str(self.folder / "ranks"), family="AF_UNIX", backlog=64, authkey=key)
        code = f"import sys; sys.path.append({ROOT!r}); from {__package__}.nursery import main; main()"
        with (self.folder / "nursery").open("wb") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", code, str(self.folder / "ranks"), key.hex(), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
                env=_environment(),
            )
        self._is_ready = False

    def _heard(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _require_ready(self) -> None:
        """Wait until torch is loaded there: the judging process has other work in the meantime."""
        if not self._is_ready and self._heard() != "ready":
            said = (self.folder / "nursery").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise UsageError(f"no process for ranks can be started: {said[-1] if said else 'it ended at once'}")
        self._is_ready = True

    def _ask(self, line: str) -> int:
        self._require_ready()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._heard())

    def fork(self, number: int, world: int) -> int:
        """Fork a rank; return its process."""
        return self._ask(f"fork {number} {world}")

    def end(self, pid: int) -> int:
        """End a rank; return its exit code, negative for the signal that has ended it."""
        return self._ask(f"end {pid}")

    def close(self) -> None:
        """End the process and all its ranks."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.listener.close()
        self._process.stdin.close()
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        rmtree(self.folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Return what ranks find in their environment: one thread each, the loopback interface, a flight recorder."""
    found = {**os.environ, IN_A_RANK: "1", "TORCH_FR_BUFFER_SIZE": "64", **dict.fromkeys(THREADS, "1")}
    return found | ({"GLOO_SOCKET_IFNAME": name} if (name := interface()) else {})
