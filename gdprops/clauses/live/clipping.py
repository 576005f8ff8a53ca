"""Where a clip acts: on what the step then uses, after the backward pass that made it and before the step.

A clip that changes nothing (an infinite limit, a norm that is only logged) is no clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gdprops.clauses.support.live_clause import NAMES, Told, lines, live_clause, named
from gdprops.clauses.support.provenance import Clipping, Step, Story


@live_clause(
    id="live.clipping",
    statement="Where a clip acts: on what the step then uses, unscaled, after the backward pass that made it and "
    "before the step.",
    source="yandex-research/tabm#20: clipped before backward; huggingface/transformers#1563, "
    "facebookresearch/lingua#59: clipped at every micro-batch; huggingface/transformers#581: each tensor clipped "
    "alone.",
    decision="Wrong are: a clip that changes a part of what the step then uses; a clip before backward, where no clip "
    "meets what any step of the optimizer uses; a clip that changes only what a step has used already. Notes: some "
    "steps of a line are clipped and others not, in no order; tensors are clipped one by one; a clip is given an "
    "iterator that has run out, or only what no stepped optimizer holds and never has a gradient. Clips while scaled "
    "are live.scale's.",
    refuted_by=(
        *("script-clips-before-backward", "script-clips-every-micro-batch", "script-clips-after-the-step"),
        *("script-clips-some-steps", "script-clips-tensor-by-tensor", "script-clips-a-spent-generator"),
        *("script-clips-another-model", "script-clips-what-is-used-up"),
        "script-clips-with-the-norm-of-what-is-used-up",
    ),
    undecided=lambda read: "" if read.clips else "nothing is clipped",
)
def clipping(read: Story) -> Iterator[Told]:
    yield from _of_nothing(read)
    yield from _of_others(read)
    yield from (told for step in read.steps if not step.inside for told in _partly(read, step))
    for optimizer in read.stepped:
        steps = [step for step in read.steps_of(optimizer) if not step.inside]
        if not any(use.clips for step in steps for use in step.uses.values()):
            yield from _missed(read, steps)
        yield from _sometimes(read, steps)
        yield from _one_by_one(read, steps)


def _of_nothing(read: Story) -> Iterator[Told]:
    """Yield the lines that clip what a generator has left after somebody else has used it up."""
    for place in dict.fromkeys(clip.event.place for clip in read.clips if clip.event.spent):
        here = [clip.event for clip in read.clips if clip.event.place == place]
        used_up = "it has used up itself" if here[0].parameters else "that was used up before"
        count = sum(clip.spent for clip in here)
        calls = f"{count} calls clip" if count > 1 else "1 call clips"
        yield Told(
            f"the clip at {lines([place])} is given an iterator {used_up}: {calls} nothing",
            places=(place,),
            note=True,
        )


def _of_others(read: Story) -> Iterator[Told]:
    """Yield the lines that clip what is not trained: no gradient is ever there."""
    stepped = frozenset[int]().union(*(step.event.weights for step in read.steps))
    for place in dict.fromkeys(clip.event.place for clip in read.clips):
        here = [clip.event for clip in read.clips if clip.event.place == place]
        given = frozenset[int]().union(*(clip.parameters for clip in here))
        if len(here) > 1 and given and not given & stepped and not any(clip.gradients for clip in here):
            yield Told(
                f"the clip at {lines([place])} never meets a gradient: no optimizer that steps holds {NAMES}",
                tuple(sorted(given)),
                places=(place,),
                note=True,
            )


def _partly(read: Story, step: Step) -> Iterator[Told]:
    """Yield what clips have changed before all of it was there."""
    for parameter, use in step.uses.items():
        for clip in use.clips if use.own else ():
            late = [call for call in use.calls if call not in clip.met[parameter]]
            if clip.event.acted and late and not use.edited:
                yield Told(
                    f"the clip at {lines([clip.event.place])} changes a part of what the step at {lines([step.place])} "
                    f"uses: the backward pass at {lines(call.place for call in late)} adds to it afterwards",
                    (parameter,),
                    step.number,
                    (clip.event.place, step.place, *(call.place for call in late)),
                )
                return


def _missed(read: Story, steps: list[Step]) -> Iterator[Told]:
    """Yield the clips of an optimizer's parameters that come too early or too late for what its steps use."""
    for before, step in [(0, steps[0]), *((a.at, b) for a, b in pairwise(steps))] if steps else []:
        used = {p for p, use in step.uses.items() if use.own and use.calls}
        tried = [clip for clip in read.clips if before <= clip.at < step.at and clip.event.parameters & used]
        for clip in tried:
            if not clip.met and clip.event.parameters <= frozenset(step.event.weights):
                yield _unmet(read, clip, step, used)
                return
            if clip.event.acted and clip.used_before == set(clip.met) and not _helps_later(clip, steps):
                yield _too_late(read, clip, step)
                return


def _helps_later(clip: Clipping, steps: list[Step]) -> bool:
    return any(clip in use.clips for step in steps for use in step.uses.values())


def _unmet(read: Story, clip: Clipping, step: Step, used: set[int]) -> Told:
    calls = [call.place for call in step.window]
    return Told(
        f"the clip at {lines([clip.event.place])} meets no gradient: the backward pass at {lines(calls)} comes after "
        f"it, and the step at {lines([step.place])} uses unclipped gradients",
        tuple(sorted(used)),
        step.number,
        (clip.event.place, *calls, step.place),
    )


def _too_late(read: Story, clip: Clipping, step: Step) -> Told:
    earlier = [one.place for calls in clip.met.values() for call in calls for one in call.used if one.at < clip.at]
    return Told(
        f"the clip at {lines([clip.event.place])} changes gradients that the step at {lines(earlier)} has used "
        "already, and nothing uses them afterwards",
        tuple(sorted(clip.met)),
        step.number,
        (clip.event.place, *earlier),
    )


def _sometimes(read: Story, steps: list[Step]) -> Iterator[Told]:
    """Yield the lines whose steps use clipped gradients now and unclipped ones then, in no order."""
    for place in dict.fromkeys(step.place for step in steps):
        here = [step for step in steps if step.place == place and step.window]
        met = [any(use.clips for use in step.uses.values()) for step in here]
        changes = sum(a != b for a, b in pairwise(met))
        if changes < 2 or _only_where_needed(here, met):
            continue
        clips = [clip.event.place for step in here for use in step.uses.values() for clip in use.clips]
        bare = next(step for step, clipped in zip(here, met, strict=True) if not clipped)
        yield Told(
            f"of {len(here)} steps at {lines([place])}, {met.count(False)} use gradients that the clip at "
            f"{lines(clips)} has not met",
            tuple(sorted(bare.uses)),
            bare.number,
            (place, *clips),
            note=True,
        )


def _only_where_needed(steps: list[Step], met: list[bool]) -> bool:
    """Say whether a script may have looked at the norm itself, and clips only where that is too large."""
    clips = {clip for step in steps for use in step.uses.values() for clip in use.clips}
    limits = [clip.event.limit for clip in clips if clip.event.limit is not None]
    bare = [step.event.norm for step, clipped in zip(steps, met, strict=True) if not clipped]
    if not limits or not all(clip.event.acted for clip in clips):
        return False
    return all(norm is None or norm <= max(limits) for norm in bare)


def _one_by_one(read: Story, steps: list[Step]) -> Iterator[Told]:
    """Yield the steps before which several tensors were clipped, each by its own norm."""
    for step in steps:
        clips = {clip for use in step.uses.values() for clip in use.clips if clip.event.by_norm and clip.event.acted}
        alone = [clip for clip in clips if len(clip.event.parameters) == 1]
        if len(alone) > 1:
            places = [clip.event.place for clip in alone]
            parameters = {p for clip in alone for p in clip.event.parameters}
            yield Told(
                f"{lines(places)} clips {named(read, parameters)} each by its own norm: together they are not clipped "
                "to one norm, and the gradient's direction changes",
                tuple(sorted(parameters)),
                step.number,
                tuple(places),
                note=True,
            )
            return
