"""The collectives that ranks have issued, compared between the ranks of each process group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.model.evidence import Evidence, agreement, vacuous, violation
from gdprops.subjects.distributed_step.ranks.unequal import unequal_counts, unequal_order, unmatched

if TYPE_CHECKING:
    from gdprops.subjects.distributed_step.observed import Story


def same_collectives(story: Story) -> Evidence:
    """Return whether all ranks of each group have issued the same collectives, or where they wait for ever."""
    if story.waiting:
        return violation(_deadlock(story))
    if story.clashed:
        return violation("; ".join(f"rank {rank} {told}" for rank, told in sorted(story.clashed.items())))
    ran = [one for _, one in sorted(story.ran.items())]
    found = unequal_counts(ran) or unequal_order(ran)
    if found is not None:
        return violation(f"in the group of {found.group}: {found.told}")
    if told := unmatched(ran):
        return violation(told)
    issued = any(count for one in ran for count in (*one.counts.values(), *one.sent.values()))
    return agreement() if issued else vacuous("no rank issues a collective")


def _deadlock(story: Story) -> str:
    waits = [f"rank {rank} waits for ever in {one.told}" for rank, one in sorted(story.waiting.items())]
    left = [rank for rank in sorted(story.ran) if rank not in story.waiting]
    shown = ", ".join(map(str, left))
    gone = [f"{'rank' if len(left) == 1 else 'ranks'} {shown} {'has' if len(left) == 1 else 'have'} left step()"]
    return "; ".join([*waits, *gone * bool(left)])
