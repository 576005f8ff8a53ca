"""An optimizer that kills the Ray worker which examines it, once; and one beside it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch

MARK = "GDPROPS_TEST_KILLED"


def workers() -> list[int]:
    """Return the processes in which Ray runs our task."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            named = entry.name.isdecimal() and (entry / "cmdline").read_bytes().startswith(b"ray::_examined")
        except OSError:
            continue
        if named:
            found.append(int(entry.name))
    return found


class Killing(torch.optim.SGD):
    """Plain gradient descent, after it has killed once."""

    def __init__(self, params: object, lr: float = 0.1) -> None:
        mark = Path(os.environ.get(MARK, __file__))
        if not mark.exists():
            mark.write_text(str(workers()), encoding="utf-8")
            for process in workers():
                os.kill(process, signal.SIGKILL)
        super().__init__(params, lr)  # type: ignore[arg-type] # whatever gdprops hands over


class Quiet(torch.optim.SGD):
    """Plain gradient descent."""
