"""The chapters gradient and step on hand-written backprop, which is judged by the derivative of the user's own loss.

Expected gradients are numerical derivatives of ``loss(params, X, y)``, and expected weights are params - lr times them.
Allowed is the error of these derivatives, which grows near a kink; such examples do not count. The checks of steps are
those of training steps, with other cases. Example: a step that computes the hidden gradient with output weights that it
has already updated ends elsewhere than params - lr g, and fails step.simultaneous.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gdprops.clauses.implementations import training_step
from gdprops.clauses.support.lazy import lazy
from gdprops.clauses.support.step_judges import StepJudge
from gdprops.model.clause import Implementation
from gdprops.model.note import Note

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from hypothesis.strategies import SearchStrategy

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.step_judges import Look
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.log_guard import LogGuard
    from gdprops.model.training_run import BackpropSubject, BackpropTraining

    Examine = Callable[[Any, Any], Evidence]
else:
    np, workbench = lazy("numpy"), lazy("gdprops.clauses.support.workbench")

GOLDEN = (5**0.5 - 1) / 2


def _loops(domain: Domain) -> SearchStrategy[BackpropCase]:
    return workbench.backprop_cases(domain.layout)


def _one_batch(domain: Domain) -> SearchStrategy[BackpropCase]:
    return workbench.backprop_cases(domain.layout, least_steps=3, most_steps=5, same_batch=True)


def _looks(domain: Domain) -> SearchStrategy[BackpropCase]:
    return workbench.backprop_cases(domain.layout, least_steps=1, most_steps=1)


def _without_step(subject: BackpropSubject) -> str | None:
    return "no step(params, X, y, lr) is given" if subject.step is None else None


def _without_descent(subject: BackpropSubject) -> str | None:
    return subject.unbounded or _without_step(subject)


def _without_gradients(subject: BackpropSubject) -> str | None:
    return "no gradients(params, X, y) is given" if subject.gradients is None else None


def _seen_again(examine: Examine) -> Examine:
    """Return a check that looks at its violations again, as `_settled` does."""
    return lambda subject, case: _settled(examine, subject, case, examine(subject, case))


def _judged_again(judge: StepJudge) -> StepJudge:
    """Return a judge that looks at its violations again, as `_settled` does."""
    return replace(judge, settle=partial(_settled, judge))


def _settled(examine: Examine, subject: BackpropSubject, case: BackpropCase, found: Evidence) -> Evidence:
    """Return what a check has found, with two further conditions on a violation, and notes on the loss's guards.

    Kinks may meet at one point, not beside it; guards of logarithms (1e-8 in log(p + 1e-8)) matter where p is small.
    Guards that are seen are left out of the loss, and told; others are allowed for.
    """
    confirmed = _confirmed(examine, subject, case, found) if found.violated else found
    return workbench.with_notes(confirmed, *(_note_on(guard) for guard in subject.guards))


def _confirmed(examine: Examine, subject: BackpropSubject, case: BackpropCase, found: Evidence) -> Evidence:
    if subject.guards:
        without = examine(subject.without_guards(), case)
        if not without.violated:
            return without
    if not examine(subject, _beside(case)).violated:
        return workbench.vacuous("a kink is near")
    if not (_exceeds_guards(subject, case, found) or examine(subject, _gentle(case)).violated):
        return workbench.vacuous("a guard in the loss may explain it")
    return found


def _note_on(guard: LogGuard) -> Note:
    told = f"the loss guards a logarithm with {guard.constant:g}: gradients that leave this constant out are right too"
    return Note(told, guard.file, guard.line)


def _gentle(case: BackpropCase) -> BackpropCase:
    """Return the case with all weights divided by 8, so that no probability is near zero."""
    return replace(case, tensors=tuple(w / workbench.decisions.GENTLE for w in case.tensors))


def _exceeds_guards(subject: BackpropSubject, case: BackpropCase, found: Evidence) -> bool:
    """Say whether the difference, seen at step 1, is larger than a guard in a logarithm could make it."""
    late = found.location is not None and (found.location.step or 1) > 1
    if found.ratio is None or late:
        return False
    least = np.exp(-subject.begin(case).most_row_loss())
    share = workbench.decisions.MOST_GUARD / max(least, np.finfo(float).tiny)
    return bool(found.ratio > share / (workbench.decisions.RIVAL_SHARE * workbench.decisions.GUARDED_SHARE))


def _beside(case: BackpropCase) -> BackpropCase:
    """Return the case with every weight moved by a small amount of its own; no sum of such amounts vanishes.

    The amounts are the fractional parts of multiples of the golden ratio, times 0.02.
    """
    count = np.cumsum([0, *(w.size for w in case.tensors)])
    parts = [(np.arange(a, b) + 1) * GOLDEN % 1 * workbench.decisions.BESIDE for a, b in pairwise(count)]
    return replace(case, tensors=tuple(w + p.reshape(w.shape) for w, p in zip(case.tensors, parts, strict=True)))


@StepJudge
def plain(subject: BackpropSubject, case: BackpropCase) -> Look:
    """Look at step.plain: every step ends at w - lr g. The rival is a step that stays at w."""
    return training_step.agrees_but(lambda step: (step.before,))


def trains(subject: BackpropSubject, case: BackpropCase) -> Evidence:
    """Decide step.trains: wherever w - lr g lowers the loss clearly, the step lowers it too; not near a kink."""
    steps = [step for step in workbench.watch(subject, case) if not _is_blurred(step)]
    return training_step.all_fall(steps) if steps else workbench.vacuous("a kink is near")


def _is_blurred(step: Watched) -> bool:
    """Say whether the expected weights are too uncertain to say what the loss becomes: near a kink they are."""
    reach = max(float(np.abs(e - b).max()) for e, b in zip(step.expected, step.before, strict=True))
    return any(float(np.max(room)) > workbench.decisions.BLURRED_SHARE * reach for room in step.allowed)


def complete(subject: BackpropSubject, case: BackpropCase) -> Evidence:
    """Every parameter has a gradient of its shape."""
    run = subject.begin(case)
    found = run.stated_gradients(0)
    told = workbench.combine(_is_complete(*one) for one in zip(case.names, case.tensors, found, strict=True))
    if told.violated and not _differs(run, case) and _differs(subject.begin(large := subject.trial()), large):
        return workbench.vacuous("a gradient of another shape has the right numbers here, and wrong ones elsewhere")
    return told


def _differs(run: BackpropTraining, case: BackpropCase) -> bool:
    """Say whether a gradient is missing, or has other numbers than the derivative, whatever its shape."""
    gradients = zip(case.tensors, run.stated_gradients(0), run.gradients(case.tensors, 0), strict=True)
    pairs = [(_fitted(g, w), np.asarray(e)) for w, g, e in gradients]
    rooms = run.errors(case.tensors, 0)
    return any(
        g is None or g.shape != e.shape or bool((np.abs(g - e) > room).any())
        for (g, e), room in zip(pairs, rooms, strict=True)
    )


def _fitted(g: Array | None, w: Array) -> Array | None:
    """Return a gradient in its parameter's shape, as ``w - lr * g`` takes it; as it is where that does not fit."""
    if g is None or g.shape == w.shape:
        return g
    try:
        return np.broadcast_to(g, w.shape)
    except ValueError:
        return g


def _is_complete(name: str, w: Array, g: Array | None) -> Evidence:
    if g is not None and g.shape == w.shape and g.dtype == w.dtype:
        return workbench.require(True, "")
    has = "no gradient" if g is None else f"a gradient {g.dtype}{g.shape} instead of {w.dtype}{w.shape}"
    return workbench.violation(f"{name} has {has}", blame=(name,))


def matches_loss(subject: BackpropSubject, case: BackpropCase) -> Evidence:
    """Decide gradient.matches-loss: the gradients are the derivatives of the loss. The rival is zeros."""
    run = subject.begin(case)
    seen, expected, room = run.stated_gradients(0), run.gradients(case.tensors, 0), run.errors(case.tensors, 0)
    zeros = [workbench.zeros_like(w) for w in case.tensors]
    got: list[Any] = [z if g is None else _fitted(g, z) for z, g in zip(zeros, seen, strict=True)]
    return workbench.compare(got, expected, names=case.names, allowed=room, rivals=[zeros])


def pure(subject: BackpropSubject, case: BackpropCase) -> Evidence:
    """Decide gradient.pure: loss and gradients keep the bytes of params, X and y; step keeps those of X and y."""
    run = subject.begin(case)
    return workbench.combine(
        workbench.same_bytes(after, before, names=names, what=f"{what} writes into what it is given")
        for what, names, before, after in run.looked_at()
    )


EARLY = (
    "backprop-adjusts-output-neurons-first",
    "backprop-adds-before-it-transposes",
    "backprop-moves-then-passes-through",
    "backprop-softmax-layer-moves-first",
    "backprop-corrects-columns-first",
    "backprop-inner-weights-see-outer-ones-moved",
)
"""Faults that compute a gradient with weights that they have already updated."""


def _steps(judge: StepJudge, *refuted_by: str) -> Implementation:
    return Implementation(_loops, _judged_again(judge), _without_step, refuted_by)


IMPLEMENTATIONS: dict[str, Implementation] = {
    "gradient.complete": Implementation(_looks, complete, _without_gradients, ("backprop-forgets-a-bias",)),
    "gradient.matches-loss": Implementation(
        _looks, _seen_again(matches_loss), _without_gradients, ("backprop-forgets-the-activation",)
    ),
    "gradient.pure": Implementation(
        _looks, pure, refuted_by=("backprop-gradients-move-weights", "backprop-takes-the-error-in-place")
    ),
    "step.simultaneous": _steps(training_step.simultaneous, *EARLY),
    "step.plain": _steps(plain, *EARLY),
    "step.moves-all": _steps(training_step.moves_all, "backprop-trains-only-the-last-layer"),
    "step.once": _steps(training_step.once, "backprop-steps-twice"),
    "step.fresh-gradient": _steps(training_step.fresh_gradient, "backprop-keeps-the-last-gradients"),
    "step.trains": Implementation(_one_batch, _seen_again(trains), _without_descent, ("backprop-adds-the-gradient",)),
}
