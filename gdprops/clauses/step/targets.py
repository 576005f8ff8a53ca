"""Chapter step, where several optimizers take turns: a target network follows its source as its declared average.

DDPG and its kin keep slow copies of their networks: in every call the target moves a share tau of the way to its
source, or it becomes a copy of it at every n-th call. Such parameters are held by no optimizer, so nothing else would
notice that tau and 1 - tau are exchanged, or that the target of the second critic follows the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Implementation, View, clause
from gdprops.model.evidence import Evidence
from gdprops.model.note import Note
from gdprops.model.wording import plural
from gdprops.numerics import decisions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import phase_steps, workbench
    from gdprops.model.arrays import Array
    from gdprops.model.domain import Domain
    from gdprops.subjects.training_step.phase_declaration import Target
    from gdprops.subjects.training_step.phases.call_log import CallLog
    from gdprops.subjects.training_step.phases.run import PhasedRun
else:
    np = lazy("numpy")
    workbench = lazy("gdprops.clauses.support.workbench")
    phase_steps = lazy("gdprops.clauses.support.phase_steps")


def _until_targets_move(domain: Domain) -> SearchStrategy[Any]:
    """Return loops in which every target moves."""
    least = max(3, domain.shown_after + 1)
    loop = workbench.Loop(double=True, frozen=False, moderate=True, least_steps=least, most_steps=least + 2)
    return workbench.loops(domain, loop)


@clause(
    id="step.targets",
    statement="A target network follows its source as declared, and no optimizer moves it.",
    source="DDPG, TD3 and SAC: target = (1 - tau) target + tau source, once per update; DQN: a copy at every n-th one.",
    decision="A training step with phases= and targets=. Where the target moves, it must end at (1 - tau) target + tau "
    "source, within a few ulps, with the source as it is at that moment, as a phase has left it, or as the step found "
    "it; at every call, or at every n-th one. It may rest where a phase is skipped, as with delayed actors, and move "
    "after each step of a repeated phase. An example is decisive when a target clearly moves.",
    view=View.TRAINING,
    refuted_by=("exchanges-tau", "follows-the-other-critic", "updates-the-target-twice"),
    cases=_until_targets_move,
    since=3,
)
def targets(subject: Any, case: Any) -> Evidence:
    followed, names = dict[str, _Followed](), subject.declaration.phases.targets
    declared = subject.declaration.phases
    for run, t, log in phase_steps.calls_of(subject, case):
        readings = declared.readings([call.optimizer for call in log.calls])
        skips = not readings or all(len({s.phase for s in slots}) < len(declared.phases) for slots in readings)
        for name, target in names.items():
            one = followed.setdefault(name, _Followed(run, name, target))
            wrong = one.sees(run, t, log, skips=skips)
            if wrong is not None:
                return wrong
    parts = [one.told() for one in followed.values()]
    undecided = next((part for part in parts if not part.decisive), None)
    return undecided or workbench.combine(parts)


class _Followed:
    """What was seen of one target over the calls of the step."""

    def __init__(self, run: PhasedRun, name: str, target: Target) -> None:
        self._name, self._target, self._pairs = name, target, run.pairs(name, target)
        self._moves, self._calls, self._decisive = list[int](), 0, False
        self._notes = dict[str, None]()

    def sees(self, run: PhasedRun, t: int, log: CallLog, *, skips: bool) -> Evidence | None:
        """Look at one call of the step; return what is wrong, None where nothing is."""
        self._calls = t + 1
        own = [i for i, _ in self._pairs]
        holder = next((name for name, held in run.held.items() if set(held) & set(own)), None)
        blame = tuple(run.names[i] for i in own)
        if holder is not None:
            return workbench.violation(f"{self._name} is a target, and held by the optimizer {holder}", blame=blame)
        places = [log.began, *(w for call in log.calls for w in (call.door, call.left)), log.ended]
        moments = [k for k in range(1, len(places)) if _differ(places[k - 1], places[k], own)]
        for k in moments:
            wrong = self._is_wrong(run, log, places, k, t)
            if wrong is not None:
                return wrong
        return self._at_these_calls(log, t, len(moments), blame, run.held, skips=skips)

    def _is_wrong(self, run: PhasedRun, log: CallLog, places: Sequence[Any], k: int, t: int) -> Evidence | None:
        """Compare one move of the target, between two of the moments of a call."""
        start, end = places[k - 1], places[k]
        sources = [places[m] for m in (k, *range(k - 1, -1, -1))]
        if any(self._is_at(start, end, source) for source in sources):
            if not self._is_at(start, end, places[k]) and self._is_at(start, end, places[0]):
                self._notes[f"{self._name} follows {self._target.source} as the step found it"] = None
            far = [(np.abs(end[a] - start[a]).max(initial=0.0), self._room(start, end, a)) for a, _ in self._pairs]
            self._decisive |= any(apart > room / decisions.RIVAL_SHARE for apart, room in far)
            return None
        line = log.place_of_write((k - 1) // 2, [a for a, _ in self._pairs])
        what = next(iter(self._instead(run, start, end, places[k])), f"is not {self._target.told} of it")
        told = f"{self._name}{'' if line is None else f' ({line})'} {what}"
        expected = [self._expected(start, places[k], a, b) for a, b in self._pairs]
        return workbench.compare(
            [end[a] for a, _ in self._pairs],
            expected,
            names=[run.names[a] for a, _ in self._pairs],
            allowed=[self._room(start, end, a) for a, _ in self._pairs],
            start=[start[a] for a, _ in self._pairs],
            step=t + 1,
            what=told,
        )

    def _expected(self, start: Any, source: Any, i: int, j: int, tau: float | None = None) -> Array:
        share = self._target.tau if tau is None else tau
        if share == 1:
            return np.asarray(source[j])
        return np.asarray(start[i] + share * (source[j] - start[i]), start[i].dtype)

    def _room(self, start: Any, end: Any, i: int) -> float:
        most = max(float(np.abs(w[i]).max(initial=0.0)) for w in (start, end))
        return decisions.AVERAGE_ULPS * float(np.spacing(start[i].dtype.type(most)))

    def _is_at(self, start: Any, end: Any, source: Any, tau: float | None = None) -> bool:
        return all(
            bool((np.abs(self._expected(start, source, i, j, tau) - end[i]) <= self._room(start, end, i)).all())
            for i, j in self._pairs
        )

    def _instead(self, run: PhasedRun, start: Any, end: Any, source: Any) -> Iterator[str]:
        """Yield what the target does instead, where it reproduces what was seen."""
        tau, of = self._target.tau, self._target.source
        if tau < 1 and self._is_at(start, end, source, 1 - tau):
            yield f"moves {1 - tau:g} of the way to {of}: tau and 1 - tau are exchanged"
        if self._is_at(start, end, source, 1.0):
            yield f"becomes a copy of {of}"
        if self._is_at(start, end, source, -tau):
            yield f"moves away from {of}: the sign is flipped"
        for many in (2, 3, 4):
            if tau < 1 and self._is_at(start, end, source, 1 - (1 - tau) ** many):
                yield f"follows {of} {many} times at once"
        for other in run.parts_like(self._name, self._target.source):
            pairs = run.matching(self._name, other)
            if pairs and all(
                bool((np.abs(self._expected(start, source, i, j) - end[i]) <= self._room(start, end, i)).all())
                for i, j in pairs
            ):
                yield f"follows {other}, and not {of}"

    def _at_these_calls(
        self, log: CallLog, t: int, many: int, blame: Any, held: Any, *, skips: bool
    ) -> Evidence | None:
        """Say whether the target moves as often as is declared."""
        steps = sum(bool({j for _, j in self._pairs} & set(held[call.optimizer])) for call in log.calls)
        every, told = self._target.every or 1, f"targets={{{self._name!r}: {self._target.told}}}"
        if many > 1 and many != steps:
            lines = dict.fromkeys(str(w.place) for w in log.writes if w.place and w.parameters)
            return workbench.violation(
                f"in call {t + 1} {self._name} moves {many} times ({', '.join(lines)}); {told}", blame=blame
            )
        if many > 1:
            self._notes[f"{self._name} moves after each of {plural(many, 'step')} in a call"] = None
        if many:
            apart = t - self._moves[-1] if self._moves else every
            self._moves.append(t)
            if apart < every:
                return workbench.violation(
                    f"{self._name} moves at calls {self._moves[-2] + 1} and {t + 1}; {told}", blame=blame
                )
            return None
        last = self._moves[-1] if self._moves else -1
        if t - last < every:
            return None
        if skips and every == 1:
            self._notes[f"{self._name} rests where a phase is skipped"] = None
            return None
        return workbench.violation(f"{self._name} rests until call {t + 1}; {told}", blame=blame)

    def told(self) -> Evidence:
        """Return what the whole run shows."""
        notes = [Note(text) for text in self._notes]
        if self._decisive:
            return workbench.with_notes(workbench.agreement(), *notes)
        every = self._target.every or 1
        advice = "" if every <= self._calls else "; check it with a smaller number"
        return workbench.vacuous(f"{self._name} does not move within {plural(self._calls, 'call')} of the step{advice}")


def _differ(a: Any, b: Any, of: Sequence[int]) -> bool:
    return any(not np.array_equal(a[i], b[i]) for i in of)


def _without_targets(subject: Any) -> str | None:
    declared = subject.declaration.phases
    return None if declared is not None and declared.targets else "no targets= are declared"


CLAUSES = (targets,)
IMPLEMENTATIONS = {"step.targets": Implementation(targets.cases, targets.examine, _without_targets)}
