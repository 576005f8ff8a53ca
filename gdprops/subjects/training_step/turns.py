"""Parameters that take turns: a step that trains other ones than were trainable when it was handed over."""

from __future__ import annotations

from collections.abc import Sequence

TURNS = (
    "parameters that take turns cannot be declared, so that this is not decided; freeze in build what is not to be "
    "trained"
)


def turns_taken(
    names: Sequence[str], trainable: Sequence[bool], now: Sequence[bool], moves: Sequence[bool], *, first: bool
) -> str:
    """Return why a step is not decided whose parameters take turns, an empty text where they do not.

    ``trainable`` and ``now``: which parameters required gradients when ``build`` returned the step, and do so now;
    ``moves``: which ones the step has moved; ``first``: whether it is the first step.

    It gives its parameters turns where it freezes some that rest now, and either trains others in their place or
    has done so from its first step on. A step that only unfreezes, or that freezes later on, is judged by what was
    trainable when it was handed over.
    """
    rows = list(zip(names, trainable, now, strict=True))
    woken = [name for name, was, is_now in rows if is_now and not was]
    frozen = {name for name, was, is_now in rows if was and not is_now}
    resting = [name for name, moved in zip(names, moves, strict=False) if name in frozen and not moved]
    if not resting or not (woken or first):
        return ""
    instead = f" and trains {woken[0]}, which was frozen" if woken else ""
    return f"the step freezes {resting[0]}, which was trainable when build returned it{instead}: {TURNS}"
