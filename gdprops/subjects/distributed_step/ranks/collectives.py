"""What a rank's process groups have issued, as torch's flight recorder has it: names, sizes, and the user's lines.

The recorder sees every collective, those that C++ code issues too (DistributedDataParallel). It keeps the newest ones.
The sequence numbers of the groups count all of them, and sends and receives besides, which the recorder does not see.
"""

from __future__ import annotations

import pickle
from collections import Counter
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
    """The collectives since a moment, the newest of them with their names, None where this torch does not record them.

    ``counts``: how many each group has issued, where that is known: with sends and receives among them, it is not if
    there were more than the recorder keeps.
    """

    newest: tuple[Collective, ...] | None
    counts: Mapping[str, int]


def mark() -> int:
    """Return the number of the last collective that was recorded, -1 where there is none."""
    entries = _entries(traced=False)
    return max((entry["record_id"] for entry in entries or ()), default=-1)


def since(begun: int, numbers: Mapping[str, int], *, traced: bool) -> Recorded:
    """Return what was issued after a mark, and how many collectives after these sequence numbers of the groups.

    ``traced``: with lines. Without a recorder sends and receives are counted, too.
    """
    named = _groups()
    issued = {name: count - numbers.get(name, 0) for name, count in sequence_numbers().items()}
    entries = _entries(traced=traced)
    newer = [entry for entry in entries or () if entry["record_id"] > begun]
    if entries is not None and len(newer) < KEPT:
        counted = Counter(_group_of(one) for one in newer if one["op_id"] > numbers.get(_group_of(one), 0))
        issued = {name: counted[name] for name in issued}
    else:
        sends = {_group_of(one) for one in newer if one["op_id"] > one["collective_seq_id"]}
        issued = {name: count for name, count in issued.items() if name not in sends}
    counts = dict[str, int]()
    for name, count in issued.items():
        counts[named[name]] = counts.get(named[name], 0) + count
    newest = tuple(_collective(entry, named) for entry in newer)
    return Recorded(None if entries is None else newest, counts)


def sequence_numbers() -> dict[str, int]:
    """Return how many collectives, sends and receives each process group has issued, by its name."""
    names, found = _world().pg_names, dict[str, int]()
    for group, _ in _group_names():
        try:
            found[str(names[group])] = int(group._get_sequence_number_for_group())
        except (AttributeError, KeyError, RuntimeError):
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
    by_gloo = [entry for entry in found if str(entry.get("profiling_name", "")).startswith("gloo:")]
    return [entry for entry in by_gloo if not entry.get("is_p2p")]


def _collective(entry: Mapping[str, Any], named: Mapping[str, str]) -> Collective:
    op = str(entry["profiling_name"]).removeprefix("gloo:")
    sizes = entry.get("input_sizes") or []
    numel = sum(_product(size) for size in sizes) if op in SIZED else None
    group = _group_of(entry)
    return Collective(named.get(group, f"group {group}"), op, numel, _place(entry.get("frames") or ()))


def _group_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("process_group", ("?",))[0])


def _product(size: list[int]) -> int:
    found = 1
    for n in size:
        found *= n
    return found


def _place(frames: Any) -> str:
    own = [frame for frame in frames if is_own(str(frame.get("filename", "")))]
    return f"{shown_path(own[0]['filename'])}:{own[0]['line']}" if own else ""
