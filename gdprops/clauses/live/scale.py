"""What a GradScaler has scaled is unscaled before it is clipped or used, and nothing else is.

A penalty whose backward call is not scaled is divided by the scale all the same: its gradient counts a 65536th.
"""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause
from gdprops.clauses.support.provenance import Story


@live_clause(
    id="live.scale",
    statement="Gradients that a GradScaler scaled are unscaled before they are clipped or used, and what it unscales "
    "was scaled.",
    source="milesial/Pytorch-UNet#468: clipped before unscale_, the limit meets gradients that are 65536 times as "
    "large.",
    decision="Deposits of losses that GradScaler.scale returned, until unscale_ of an optimizer that holds the "
    "parameter: no clip changes them, and no step uses them. No gradient that a scaler divides "
    "holds the deposit of a part of a loss that neither scale nor a number of the size of the scale had multiplied; "
    "this is read from the graphs of the first two calls on each line. What somebody edited himself is not judged.",
    refuted_by=(
        *("script-clips-scaled-gradients", "script-steps-on-scaled-gradients"),
        *("script-scales-one-of-two-losses", "script-adds-what-is-not-scaled", "script-unscales-too-early"),
    ),
    undecided=lambda read: "" if any(call.event.scaled for call in read.calls) else "no loss is scaled",
)
def scale(read: Story) -> Iterator[Told]:
    for clip in read.clips:
        if clip.scaled and clip.event.acted:
            calls = [call.place for p in clip.scaled for call in clip.met[p]]
            yield Told(
                f"the clip at {lines([clip.event.place])} meets the gradients of {lines(calls)} while they are still "
                "scaled by the GradScaler: unscale_ comes later or never",
                tuple(sorted(clip.scaled)),
                None,
                (clip.event.place, *calls),
            )
    for step in read.steps:
        scaled = [p for p, use in step.uses.items() if use.scaled and use.own and not use.edited]
        if scaled and not step.inside:
            how = "unscale_ came before them" if step.event.by_scaler else "it is not called by scaler.step"
            calls = [call.place for p in scaled for call in step.uses[p].calls]
            yield Told(
                f"the step at {lines([step.place])} uses the gradients of {lines(calls)} as the GradScaler scaled "
                f"them, for {NAMES}: {how}, and nothing has unscaled them",
                tuple(scaled),
                step.number,
                (step.place, *calls),
            )
    for unscaling in read.unscalings:
        if unscaling.bare and unscaling.event.scale not in (None, 1.0):
            calls = [call.place for found in unscaling.bare.values() for call in found]
            yield Told(
                f"the GradScaler divides by its scale at {lines([unscaling.event.place])} what {lines(calls)} has left "
                f"in {NAMES}, and that loss, or a part of it, was not scaled: it counts a {unscaling.event.scale:g}th",
                tuple(sorted(unscaling.bare)),
                None,
                (unscaling.event.place, *calls),
            )
