"""A training step, watched: what it did at every logical step, and what U(w, g(w), s) would have done.

`stream` lets the user's step train on one batch after the other. For each it yields a `Watched`: the weights before and
after, gdprops' own gradient at the weights before, the weights at which U ends, and how far a correct step may be off.
The checks compare these, and ask for rivals such as `applied_twice` or `last_layer_first`.

Arrays of large models are copied as seldom as possible. "Where it was computed" below means memory that the next
gradient or update overwrites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.clauses.support.noise_floor import MeasuredWhenAsked, noise_floors
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.training_run import Noticed
from gdprops.numerics import decisions
from gdprops.numerics.blocks import blocks
from gdprops.numerics.comparison import alike, are_finite, has_finite_norm, is_clearly_other
from gdprops.numerics.floor import perturbed_one_by_one

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase, TrainCase
    from gdprops.model.training_run import TrainedSubject, Training

Arrays = Sequence["Array"]
Grads = list["Array | None"]


@final
@dataclass(frozen=True, slots=True)
class Watched:
    """One logical step: the weights before and after it, gdprops' loss and gradients before it, the expected weights.

    ``allowed``: how far each entry may be off, as the run itself knows or as 16 noise floors, which are measured when
    they are first asked for, while the run stands at this step; ``earlier``: gradients of earlier steps; ``clocks``:
    those that differ from the clocks of U; ``skipped``: a gradient scaler has left the step out; ``held``: which
    parameters the user's optimizer holds (all if there is no optimizer). Rivals are computed only when they are asked
    for. To save memory, an expected array that equals the array after the step is this array.
    """

    number: int
    names: tuple[str, ...]
    trainable: tuple[bool, ...]
    before: list[Array]
    after: list[Array]
    expected: list[Array]
    allowed: Sequence[Any]
    loss_before: float
    gradients: list[Array | None]
    earlier: tuple[Grads, ...]
    run: Training
    state: Any
    settings: Any
    batch: int
    noticed: Noticed
    clocks: tuple[tuple[str, float, float], ...]
    skipped: bool
    held: tuple[bool, ...]

    def kept(self, earlier: Sequence[Watched]) -> Watched:
        """Return the step with copies of all arrays that the next one overwrites; ``earlier``: steps kept before it."""
        before = earlier[-1].after if earlier else [w.copy() for w in self.before]
        after = [w.copy() for w in self.after]
        held = {id(w): kept for w, kept in zip((*self.before, *self.after), (*before, *after), strict=True)}
        return replace(
            self,
            before=before,
            after=after,
            expected=[held.get(id(e), e) for e in self.expected],
            allowed=list(self.allowed),
            gradients=list(self.gradients),
            earlier=tuple(step.gradients for step in earlier),
        )

    @property
    def is_exact(self) -> bool:
        """Whether the step ended at exactly the expected weights."""
        return all(a is e for a, e in zip(self.after, self.expected, strict=True))

    @property
    def wrong(self) -> bool:
        """Whether any entry is off by more than allowed."""
        return any(self.wrong_at(i) for i in range(len(self.names)))

    def wrong_at(self, i: int) -> bool:
        """Say whether a parameter is off by more than allowed; False if its expected weights are not finite."""
        if alike(self.after[i], self.expected[i]) or not np.isfinite(self.expected[i]).all():
            return False
        return not bool((np.abs(self.after[i] - self.expected[i]) <= self.allowed[i]).all())

    def is_expected(self, weights: Arrays) -> bool:
        """Say whether some weights are the expected ones, within what is allowed."""
        pairs = zip(weights, self.expected, self.allowed, strict=True)
        return all(bool((np.abs(w - e) <= room).all()) for w, e, room in pairs)

    @property
    def is_finite(self) -> bool:
        """Whether the step ended at finite weights."""
        return are_finite(self.after)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether the step ended at weights that are not finite because the norm of the gradient overflows.

        Correct code may end at NaN there: ``clip_grad_norm_(parameters, inf)``, used to measure the norm, multiplies by
        inf / inf.
        """
        return not self.is_exact and not self.is_finite and not has_finite_norm(self.gradients)

    def equals(self, rival: Arrays) -> bool:
        """Say whether the step ended at a rival's weights, and these clearly differ from the expected weights."""
        return self.is_at(rival) and is_clearly_other(rival, self.expected, self.allowed)

    def is_at(self, weights: Arrays) -> bool:
        """Say whether the step ended at these weights, within what is allowed and a tiny share of the way there."""
        return all(self.is_at_in(i, weights) for i in range(len(self.names)))

    def is_at_in(self, i: int, weights: Arrays) -> bool:
        """Say whether one parameter ended at its part of these weights, as `is_at` says it of all."""
        room = self.allowed[i] + _tiny_share(weights[i], self.before[i])
        return bool((np.abs(self.after[i] - weights[i]) <= room).all())

    def resting(self) -> set[int]:
        """Return the parameters that did not move at all although U clearly moves them."""
        should, did = self.moved_by_u(), self.moved()
        return {i for i in range(len(self.names)) if should[i] and not did[i]}

    def update(self, gradients: Grads) -> list[Array]:
        """Return U(w, g, s) for other gradients, from the same weights and state."""
        return self.run.update(self.before, gradients, self.state, self.settings)

    def passing_update(self, gradients: Grads) -> list[Array]:
        """Return U(w, g, s) for other gradients, where it was computed: the next gradient or update overwrites it."""
        return self.run.passing_update(self.before, gradients, self.state, self.settings)

    def moved_by_u(self) -> list[bool]:
        """Return which parameters U moves by more than is allowed, in any entry."""
        return list(map(_exceeds, self.expected, self.before, self.allowed))

    def moved(self) -> list[bool]:
        """Return which parameters have moved at all."""
        return [not alike(a, b) for a, b in zip(self.after, self.before, strict=True)]

    def is_pulled(self, i: int, rate: float) -> bool:
        """Say whether a parameter's gradient, times a rate, exceeds the rounding of its weights in any entry."""
        g = self.gradients[i]
        pairs = () if g is None else blocks(g, self.before[i])
        return any(bool((rate * np.abs(part) > np.spacing(np.abs(w))).any()) for part, w in pairs)

    def is_left_alone(self, i: int) -> bool:
        """Say whether a parameter has no gradient and U leaves it where it is."""
        return self.gradients[i] is None and bool((self.expected[i] == self.before[i]).all())

    def last_layer_first(self) -> list[Array]:
        """Return the weights after a sweep that moves the last layer before it computes the gradients of the others.

        The weights are returned where they were computed: the next gradient or update overwrites them.
        """
        layers = [layer for layer in self.run.layers if any(self.gradients[i] is not None for i in layer)]
        own = [i in (layers or self.run.layers)[-1] for i in range(len(self.names))]
        moved = [e if mine else b for e, b, mine in zip(self.expected, self.before, own, strict=True)]
        again = self.run.gradients(moved, self.batch)
        return self.passing_update([g if mine else a for g, a, mine in zip(self.gradients, again, own, strict=True)])

    def applied_twice(self) -> list[Array]:
        """Return the weights after the same gradient is applied twice, where they were computed (to be overwritten)."""
        first = self.passing_update(self.gradients)
        return self.run.passing_update(first, self.gradients, None, self.settings)

    def gradient_rivals(self) -> Iterator[tuple[list[Array], str]]:
        """Yield rivals one after another, each with a name: a stale gradient, sums of gradients, and no gradient."""
        if not self.earlier:
            return
        yield self.passing_update(self.earlier[-1]), "the last step's gradient"
        yield self._update_with(self.earlier), "its gradient added to those of the earlier steps"
        if len(self.earlier) > 1:
            yield self._update_with(self.earlier[-1:]), "its gradient added to the last step's"
        zeros = [None if g is None else np.zeros(g.shape, g.dtype) for g in self.gradients]
        yield self.passing_update(zeros), "no gradient"

    def _update_with(self, earlier: Sequence[Grads]) -> list[Array]:
        steps = (*earlier, self.gradients)
        return self.passing_update([_sum([step[i] for step in steps]) for i in range(len(self.names))])

    def loss(self, weights: Iterable[Array]) -> float:
        """Return J of this step's batch at some weights."""
        return self.run.loss(weights, self.batch)

    def loss_noise(self, here: float) -> float:
        """Return the smallest change of J that counts; ``here`` is J before the step.

        It is 16 times the change of J when the weights move by one ulp, 16 ulps of J, and the change of J that the
        allowed errors of the weights may make.
        """
        shaken = self.loss(perturbed_one_by_one(self.before, np.random.default_rng(0)))
        pairs = zip(self.gradients, self.allowed, strict=True)
        slack = sum(_change_of_loss(g, room) for g, room in pairs if g is not None)
        return decisions.FLOORS_PER_TENSOR * (abs(here - shaken) + float(np.spacing(abs(here)))) + slack


def _exceeds(end: Array, start: Array, room: Any) -> bool:
    return any(bool((np.abs(e - s) > most).any()) for e, s, most in blocks(end, start, np.asarray(room)))


def _change_of_loss(gradient: Array, room: Any) -> float:
    return sum(float((np.abs(g) * most).sum()) for g, most in blocks(gradient, np.asarray(room)))


def _tiny_share(weights: Array, before: Array) -> float:
    return decisions.REPRODUCED_SHARE * float(np.abs(weights - before).max(initial=0.0))


def _sum(parts: Sequence[Array | None]) -> Array | None:
    held = [g for g in parts if g is not None]
    return np.asarray(sum(held[1:], held[0])) if held else None


def watch(subject: TrainedSubject, case: TrainCase | BackpropCase, *, to_the_end: bool = False) -> list[Watched]:
    """Return all steps of the user's training step on a case, with copies of their arrays.

    The run ends after the first wrong step (unless ``to_the_end``), and when weights are no longer finite.
    """
    found = list[Watched]()
    for step in stream(subject, case, to_the_end=to_the_end):
        found.append(step.kept(found))
    return found


def stream(
    subject: TrainedSubject, case: TrainCase | BackpropCase, *, to_the_end: bool = False, remembers: bool = False
) -> Iterator[Watched]:
    """Yield the steps of the user's training step one by one; each loses its arrays when the next one is taken.

    So a large model is in memory once. The run ends as that of `watch`. ``remembers``: a step keeps the gradients of
    the step before it.
    """
    run, earlier = subject.begin(case), list[Grads]()
    before = run.weights()
    bound = _Moderate(run, before)
    for t in range(len(case.batches)):
        if t > 0 and not bound.holds(before, t):
            break
        step = _watched(run, t, before, tuple(earlier), bound)
        if step.is_out_of_reach:
            break
        yield step
        if (not to_the_end and step.wrong) or not are_finite(step.expected):
            break
        for grads in earlier:
            grads.clear()
        earlier = [list(step.gradients)] if remembers else []
        _overwrite(before, step.after)
        step.gradients.clear()
        step.expected.clear()


def _overwrite(before: list[Array], after: Sequence[Array]) -> None:
    """Overwrite the weights before a step with those after it: allocating memory for large models takes time."""
    for i, (held, now) in enumerate(zip(before, after, strict=True)):
        if held.shape == now.shape and held.dtype == now.dtype:
            held[...] = now
        else:
            before[i] = now.copy()


@final
class _Moderate:
    """Says where a loop diverges by itself: what the user's code logs or guards there overflows through no fault of it.

    J is to be at most 100; where a batch begins beyond that, at most twice where it began.
    """

    def __init__(self, run: Training, start: Sequence[Array]) -> None:
        small = sum(w.size for w in start) <= decisions.LARGE_MODEL
        self._run, self._start = run, [w.copy() for w in start] if small else None
        self._first: float | None = None

    def holds(self, weights: Arrays, t: int) -> bool:
        """Say whether J of batch t is moderate at some weights."""
        return self._is_moderate(self._run.loss(weights, t), t)

    def is_left_by(self, before: list[Array], t: int, state: Any) -> bool:
        """Say whether J, |g|² or U at the weights before step t is beyond what is moderate."""
        loss, gradients = self._run.look(before, t)
        if not (self._is_moderate(loss, t) and has_finite_norm(gradients)):
            return True
        moved = [w.copy() for w in self._run.passing_update(before, gradients, state, self._run.hyperparameters())]
        return not (are_finite(moved) and self.holds(moved, t))

    def met(self, before: list[Array], t: int, loss: float | None = None) -> None:
        """Remember the loss where the loop began, which is computed if it is not given: of large models alone."""
        if self._start is None and self._first is None:
            self._first = self._run.loss(before, t) if loss is None else loss

    def _is_moderate(self, loss: float, t: int) -> bool:
        return loss <= decisions.MODERATE_LOSS or loss <= decisions.LOSS_GROWTH * self._began_beyond(t)

    def _began_beyond(self, t: int) -> float:
        """Return J of batch t at the first weights where it is more than moderate, else 0."""
        began = self._first or 0.0 if self._start is None else self._run.loss(self._start, t)
        return began if decisions.MODERATE_LOSS < began < np.inf else 0.0


def unjudged(subject: TrainedSubject, case: TrainCase) -> Iterator[tuple[Training, int, list[Array]]]:
    """Let the user's step train; yield the run, each batch's number, and the weights before it: no U is computed.

    The run ends where that of `stream` ends, but for expected weights, which are not known.
    """
    run = subject.begin(case)
    before = run.weights()
    bound = _Moderate(run, before)
    for t in range(len(case.batches)):
        if t > 0 and not bound.holds(before, t):
            break
        _take(run, t, before, run.state(), bound)
        if undecided := run.noticed().undecided:
            raise Unsupported(undecided)
        bound.met(before, t)
        yield run, t, before
        if not are_finite(run.now()):
            break
        _overwrite(before, run.now())


def _take(run: Training, t: int, before: list[Array], state: Any, bound: _Moderate) -> None:
    """Let the user's step take step t. Raises `Unsupported` where it raises because the loss diverges by itself."""
    try:
        run.step(t)
    except SubjectCrash as crash:
        if bound.is_left_by(before, t, state):
            raise Unsupported(f"{crash}: the loss diverges by itself there") from crash
        raise


def _watched(run: Training, t: int, before: list[Array], earlier: tuple[Grads, ...], bound: _Moderate) -> Watched:
    state = run.state()
    _take(run, t, before, state, bound)
    after, settings, noticed, (loss, gradients) = run.now(), run.hyperparameters(), run.noticed(), run.look(before, t)
    bound.met(before, t, loss)
    if noticed.undecided:
        raise Unsupported(noticed.undecided)
    skipped = noticed.overflowed and settings is None and _alike(after, before)
    expected = list(before) if skipped else _ends(run.passing_update(before, gradients, state, settings), after)
    clocks = () if skipped else run.clocks()
    if not skipped:
        run.adopt()
    known: Sequence[Any] | None = run.allowed(before, t)
    allowed = known or MeasuredWhenAsked(
        len(before), lambda: noise_floors(run, t, before, after, expected, gradients, state, settings)
    )
    step = Watched(
        t + 1,
        run.names,
        run.trainable,
        before,
        after,
        expected,
        allowed,
        loss,
        gradients,
        earlier,
        run,
        state,
        settings,
        t,
        noticed,
        clocks,
        skipped,
        run.held,
    )
    if noticed.elsewhere and step.wrong:
        raise Unsupported(noticed.elsewhere)
    return step


def _ends(moved: Arrays, after: Arrays) -> list[Array]:
    """Return copies of the weights at which U ends; an array that equals the array seen is returned as this array."""
    return [a if alike(a, w) else w.copy() for w, a in zip(moved, after, strict=True)]


def _alike(a: Arrays, b: Arrays) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
