"""How often a rank sends to each other one and receives from it: torch's flight recorder does not see it on gloo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch import distributed

from gdprops.subjects.distributed_step.ranks.unequal import ANY

_SENT, _RECEIVED = Counter[int](), Counter[int]()


def watch() -> None:
    """Count from now on what process groups send and receive."""
    group: Any = distributed.ProcessGroup
    group.send = _counting(group.send, _SENT)
    group.recv = _counting(group.recv, _RECEIVED)
    group.recv_anysource = _counting(group.recv_anysource, _RECEIVED, ANY)


def _counting(plain: Callable[..., Any], counted: Counter[int], always: int | None = None) -> Callable[..., Any]:
    def called(group: Any, tensors: Any, *given: Any, **named: Any) -> Any:
        peer = given[0] if given else next(iter(named.values()), ANY)
        counted[distributed.get_global_rank(group, peer) if always is None else always] += 1
        return plain(group, tensors, *given, **named)

    return called


def counts() -> tuple[Counter[int], Counter[int]]:
    """Return how much was sent to each rank, and how much received from each."""
    return Counter(_SENT), Counter(_RECEIVED)
