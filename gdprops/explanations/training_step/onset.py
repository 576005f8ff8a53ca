"""Hypotheses that hold only from a later step on: a step that trains correctly at first and then goes wrong.

Example: "from step 3 on the last step's gradient is used (stale)".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.explanations.training_step.gradient_origin import NOT_YET
from gdprops.explanations.training_step.hypothesis import Failure
from gdprops.explanations.training_step.matching import matching
from gdprops.model.wording import ordinal

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Hypothesis, Moment, Weights

SECOND = 2
"""The number of the step after the first one."""


def from_some_step_on(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return each hypothesis in a form that holds only from the first wrong step of all failing examples on.

    The number of that step counts as a fitted constant. The list is empty if step 1 is already wrong. Hypotheses that
    name certain steps themselves (``dated``) are left out.
    """
    first = min(failure.first.step.number for failure in failures)
    return [] if first == 1 else [_from(one, first) for one in hypotheses if not one.dated]


def now_and_then(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return each hypothesis in a form that holds at the wrong steps alone, where right steps follow wrong ones.

    Example: gradients that are cleared at every second step are added up at the other ones.
    """
    wrong = {m.step.number for failure in failures for m in failure.moments if m.step.wrong}
    right = {m.step.number for failure in failures for m in failure.moments if not m.step.wrong}
    anchored = all(failure.anchored for failure in failures)
    if not (anchored and wrong and right and max(right) > min(wrong)):
        return []
    when = _turn(wrong, right)
    return [_at_wrong(one, when) for one in hypotheses if not one.dated]


def _turn(wrong: set[int], right: set[int]) -> str:
    """Return at which steps something is wrong: at every k-th one from some step on, or at some."""
    first = min(wrong)
    for k in range(2, max(wrong) - first + 1):
        if all((n - first) % k == 0 for n in wrong) and not any(n >= first and (n - first) % k == 0 for n in right):
            return (
                f"at every {ordinal(k)} step, from step {first} on,"
                if k > SECOND
                else f"at every other step ({first}, …)"
            )
    return "at some steps"


def _at_wrong(hypothesis: Hypothesis, when: str) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        return hypothesis.rival(moment) if moment.step.wrong else None

    text = f"{when} {hypothesis.text}; at the others the step is right"
    return replace(hypothesis, text=text, rival=rival, constants=hypothesis.constants + 1)


def _from(hypothesis: Hypothesis, first: int) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        return None if moment.step.number < first else hypothesis.rival(moment)

    text = f"from step {first} on {hypothesis.text}"
    return replace(hypothesis, text=text, rival=rival, constants=hypothesis.constants + 1)


def first_step_apart(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return "at step 1 this, from step 2 on that", where each reproduces its steps in all failing examples.

    Both must be wrong somewhere, and every step must be one that can be judged by itself. An optimizer that step 1
    called without any gradient begins at step 2: it has kept nothing, and U is not to go on from its own step 1.
    """
    if not all(failure.anchored for failure in failures):
        return []
    steady = [one for one in hypotheses if not one.dated]
    parts = [_steps(failures, first=first) for first in (True, False)]
    if not all(any(moment.step.wrong for failure in part for moment in failure.moments) for part in parts):
        return []
    begin = matching(steady, parts[0])
    if not begin:
        return []
    waits = begin[0].text == NOT_YET.text
    later = matching([_from_no_state(one) for one in steady] if waits else steady, parts[1])
    return [_joined(begin[0], later[0])] if later else []


def _from_no_state(one: Hypothesis) -> Hypothesis:
    """Return the hypothesis with a U that starts at step 2."""

    def rival(moment: Moment) -> Weights | None:
        state = moment.step.state
        if moment.step.number == SECOND and isinstance(state, tuple):
            moment = moment._replace(step=replace(moment.step, state=([None] * len(state[0]), state[1])))
        return one.rival(moment)

    return replace(one, rival=rival)


def _steps(failures: Sequence[Failure], *, first: bool) -> list[Failure]:
    """Return the failing examples with their first steps alone, or without them."""
    kept = [replace(f, moments=tuple(m for m in f.moments if (m.step.number == 1) == first)) for f in failures]
    return [failure for failure in kept if failure.moments]


def _joined(begin: Hypothesis, later: Hypothesis) -> Hypothesis:
    def rival(moment: Moment) -> Weights | None:
        return (begin if moment.step.number == 1 else later).rival(moment)

    return replace(
        later,
        text=f"at step 1 {begin.text}; from step 2 on {later.text}",
        rival=rival,
        constants=begin.constants + later.constants,
        about_rest=begin.about_rest and later.about_rest,
    )
