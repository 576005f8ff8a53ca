"""Judges of a run: each looks at the steps of a training step one after the other, and says in the end what it saw.

Several clauses of one family share a run: `together` lets the user's step train once and shows every step to all of
them, while the run stands at that step, because rivals are computed there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from gdprops.clauses.support.lazy import lazy

if TYPE_CHECKING:
    from gdprops.clauses.support import watched_step
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.evidence import Evidence

    Look = Generator[None, Watched | None, Evidence]
    """One look at one run: it is sent every step, then None, and returns its evidence; it may return earlier."""
else:
    watched_step = lazy("gdprops.clauses.support.watched_step")


@final
@dataclass(frozen=True, slots=True)
class StepJudge:
    """How a clause is decided on the steps of one run; called with a subject and a case, it has a run of its own.

    It decorates the function that begins a look: ``@StepJudge``, or ``@partial(StepJudge, to_the_end=True)``.

    ``begin(subject, case)`` returns a fresh look. ``to_the_end``: it is shown the steps after the first wrong one too;
    ``remembers``: a step keeps the gradients of the step before it. ``settle(subject, case, evidence)`` has the last
    word, after the run.
    """

    begin: Callable[[Any, Any], Look]
    to_the_end: bool = False
    remembers: bool = False
    settle: Callable[[Any, Any, Evidence], Evidence] = lambda subject, case, evidence: evidence

    def __call__(self, subject: Any, case: Any) -> Evidence:
        """Return what a run of its own shows."""
        told = together(subject, case, {0: self})[0]
        if isinstance(told, Exception):
            raise told
        return told


def answered(ask: Callable[[], Evidence]) -> Evidence | Exception:
    """Return evidence, or the exception that is raised in its place."""
    try:
        return ask()
    except Exception as error:
        return error


def told_by(look: Look, steps: Iterable[Watched]) -> Evidence:
    """Return what a look says of some steps."""
    watching = _Watching(look)
    for step in steps:
        if not watching.sees(step):
            break
    return watching.told()


def together(subject: Any, case: Any, judges: Mapping[int, StepJudge]) -> dict[int, Evidence | Exception]:
    """Let the user's step train on a case once, and return what each judge says of it.

    What one judge raises is its own; what the run raises is told by all who were still looking.
    """
    found = dict[int, "Evidence | Exception"]()
    looking = {k: _Watching(judge.begin(subject, case)) for k, judge in judges.items()}
    to_the_end = any(judge.to_the_end for judge in judges.values())
    remembers = any(judge.remembers for judge in judges.values())
    try:
        for step in watched_step.stream(subject, case, to_the_end=to_the_end, remembers=remembers):
            _show(step, judges, looking, found)
            if not looking:
                break
    except Exception as error:
        found |= dict.fromkeys(looking, error)
        looking = {}
    for k, watching in looking.items():
        found[k] = answered(watching.told)
    return {k: _settled(judges[k], subject, case, found[k]) for k in judges}


def _show(
    step: Watched,
    judges: Mapping[int, StepJudge],
    looking: dict[int, _Watching],
    found: dict[int, Evidence | Exception],
) -> None:
    """Show one step to all who are looking; those who have seen enough leave."""
    for k, watching in list(looking.items()):
        try:
            goes_on = watching.sees(step)
        except Exception as error:
            found[k] = error
        else:
            if goes_on and (judges[k].to_the_end or not step.wrong):
                continue
            found[k] = answered(watching.told)
        del looking[k]


def _settled(judge: StepJudge, subject: Any, case: Any, told: Evidence | Exception) -> Evidence | Exception:
    if isinstance(told, Exception):
        return told
    return answered(lambda: judge.settle(subject, case, told))


@final
class _Watching:
    """A look that has begun, and its evidence once it has returned."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._evidence: Evidence | None = None
        next(look)

    def sees(self, step: Watched | None) -> bool:
        """Show a step, or None after the last one; return whether the next one is wanted."""
        if self._evidence is None:
            try:
                self._look.send(step)
            except StopIteration as end:
                self._evidence = end.value
        return self._evidence is None

    def told(self) -> Evidence:
        """Return the evidence, after the last step if it has not come before."""
        self.sees(None)
        assert self._evidence is not None, "a look returns when it is sent None"
        return self._evidence
