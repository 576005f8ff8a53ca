"""The bank: deliberately wrong subjects, each named for its fault, and correct twins beside them.

Every fault is a correct optimizer, rule or system with one thing changed; most re-create a bug that a real project
shipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gdprops.faults.fault import Fault, Twin

__all__ = ["Fault", "Twin", "bank", "twins"]


def bank() -> tuple[Fault, ...]:
    """Return every fault, family by family. Raises `ValueError` where two have one name."""
    from gdprops.faults import (
        backprop,
        feeding,
        hooked,
        implementations,
        looking,
        memory,
        misread,
        plain,
        plumbing,
        rules,
        settings,
        stateful,
        sweeping,
        training,
        untimely,
        windows,
    )

    families = (
        *(looking, sweeping, plain, stateful, plumbing, feeding, memory, implementations, settings),
        *(rules, misread, training, windows, hooked, untimely, backprop),
    )
    found = tuple(fault for family in families for fault in family.FAULTS)
    _require_distinct(fault.name for fault in found)
    return found


def twins() -> tuple[Twin, ...]:
    """Return the correct subjects beside the faults. Raises `ValueError` where two have one name."""
    from gdprops.faults import (
        twin_backprop,
        twin_guarded,
        twin_optimizers,
        twin_steps,
        twin_untimely,
        twin_windows,
        well_read,
    )

    found = (
        *twin_optimizers.TWINS,
        *twin_guarded.TWINS,
        *well_read.TWINS,
        *twin_steps.TWINS,
        *twin_windows.TWINS,
        *twin_untimely.TWINS,
        *twin_backprop.TWINS,
    )
    _require_distinct(twin.name for twin in found)
    return found


def _require_distinct(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"used twice: {', '.join(twice)}")
