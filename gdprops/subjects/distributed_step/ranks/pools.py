"""The pools of this process, one for each world: they are started when they are first needed, and shared by all runs.

Inside `Pools.held` they stay; when the last such context ends, and when the process does, everything is ended.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from torch import distributed

from gdprops.errors import UsageError
from gdprops.subjects.distributed_step.ranks.nursery_process import Nursery
from gdprops.subjects.distributed_step.ranks.pool import Pool


def _require_gloo() -> None:
    """Raise `UsageError`, in one line, where this torch has no process groups of gloo."""
    if not (distributed.is_available() and distributed.is_gloo_available()):
        raise UsageError("a distributed step needs gloo, which this torch was built without")


@final
class Pools:
    """Starts the nursery, and a pool for each world, when they are first asked for."""

    def __init__(self) -> None:
        self._nursery: Nursery | None = None
        self._store: Any = None
        self._pools = dict[int, Pool]()
        self._holders, self._process = 0, os.getpid()

    def started(self) -> Nursery:
        """Return the nursery; it loads torch while this process goes on."""
        if self._nursery is None or self._process != os.getpid():
            _require_gloo()
            self._process, self._pools = os.getpid(), {}
            self._nursery = Nursery()
            atexit.register(self.close)
        return self._nursery

    def of(self, world: int) -> Pool:
        """Return the pool of a world."""
        nursery = self.started()
        if world not in self._pools:
            self._pools[world] = Pool(nursery, world, self._port())
        return self._pools[world]

    def _port(self) -> int:
        """Return the port of the store at which ranks meet: the store itself has chosen a free one."""
        if self._store is None:
            from torch._C._distributed_c10d import TCPStore

            self._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        return int(self._store.port)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let pools stay inside this context; end all of them with the last such context."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self.close()

    def close(self) -> None:
        """End all ranks and the nursery, where this process has started them."""
        nursery, self._nursery, self._store, self._pools = self._nursery, None, None, {}
        if nursery is not None and self._process == os.getpid():
            atexit.unregister(self.close)
            nursery.close()


POOLS = Pools()
"""The pools of this process."""
