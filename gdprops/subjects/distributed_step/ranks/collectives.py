"""What a rank's process groups have issued, as torch's flight recorder has it: names, sizes, and the user's lines.

The recorder sees every collective, those that C++ code issues too (DistributedDataParallel). It keeps the newest ones;
the sequence numbers of the groups count all of them.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import distributed

from gdprops.subjects.distributed_step.ranks.messages import Collective
from gdprops.subjects.user_code.place import is_own, shown_path

KEPT = 64
"""How many collectives the recorder keeps: writing them out takes ten microseconds each."""
SIZED = ("all_reduce", "broadcast", "reduce", "reduce_scatter")
"""Collectives to which every rank must bring equally many numbers."""


class Recorded(NamedTuple):
    """The collectives since a moment, the newest of them with their names."""

    newest: tuple[Collective, ...]
    counts: Mapping[str, int]


def mark() -> int:
    """Return the number of the last collective that was recorded, -1 where there is none."""
    entries = _entries(traced=False)
    return max((entry["record_id"] for entry in entries or ()), default=-1)


def since(begun: int, *, traced: bool) -> Recorded | None:
    """Return what was issued after a mark; None where this torch does not record it. ``traced``: with lines."""
    entries = _entries(traced=traced)
    if entries is None:
        return None
    newer = [entry for entry in entries if entry["record_id"] > begun]
    named = _groups()
    newest = tuple(_collective(entry, named) for entry in newer if not entry.get("is_p2p"))
    return Recorded(newest, sequence_numbers())


def sequence_numbers() -> dict[str, int]:
    """Return how many collectives each process group has issued, by its ranks."""
    found = dict[str, int]()
    for group, name in _group_names():
        try:
            found[name] = found.get(name, 0) + int(group._get_sequence_number_for_group())
        except (AttributeError, RuntimeError):
            continue
    return found


def _group_names() -> list[tuple[Any, str]]:
    pairs = [(group, distributed.get_process_group_ranks(group)) for group in _world().pg_map]
    return [(group, _shown(ranks)) for group, ranks in pairs if distributed.get_rank() in ranks]


def _groups() -> dict[str, str]:
    """Return the ranks of each group by its name in the recorder."""
    names = _world().pg_names
    return {str(names[group]): shown for group, shown in _group_names() if group in names}


def _world() -> Any:
    from torch.distributed import distributed_c10d

    return distributed_c10d._world


def _shown(ranks: list[int]) -> str:
    return f"ranks {', '.join(map(str, ranks))}"


def count_of_groups() -> int:
    """Return how many process groups there are."""
    return len(_world().pg_map)


def _entries(*, traced: bool) -> list[dict[str, Any]] | None:
    dump = getattr(torch._C._distributed_c10d, "_dump_fr_trace", None)
    if dump is None:
        return None
    found = pickle.loads(dump(True, traced, False)).get("entries", [])
    return [entry for entry in found if str(entry.get("profiling_name", "")).startswith("gloo:")]


def _collective(entry: Mapping[str, Any], named: Mapping[str, str]) -> Collective:
    op = str(entry["profiling_name"]).removeprefix("gloo:")
    sizes = entry.get("input_sizes") or []
    numel = sum(_product(size) for size in sizes) if op in SIZED else None
    group = str(entry.get("process_group", ("?",))[0])
    return Collective(named.get(group, f"group {group}"), op, numel, _place(entry.get("frames") or ()))


def _product(size: list[int]) -> int:
    found = 1
    for n in size:
        found *= n
    return found


def _place(frames: Any) -> str:
    own = [frame for frame in frames if is_own(str(frame.get("filename", "")))]
    return f"{shown_path(own[0]['filename'])}:{own[0]['line']}" if own else ""
