"""A training step, watched: what it did at every logical step, and what U(w, g(w), s) would have done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.clauses.support.noise_floor import noise_floors
from gdprops.errors import Unsupported
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
    """One logical step: the weights before and after it, our loss and gradients before it, and the expected weights.

    ``allowed`` is what the run knows itself, or 16 noise floors per parameter. The rivals are computed when they are
    asked for. ``clocks`` are those that went wrong; ``skipped``: a gradient scaler has left the step out; ``held``: the
    parameters that the user's optimizer holds, all where there is none. Large models are held as seldom as can be: an
    expected array that equals the one after the step is that one.
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
        """Return the same step with copies of what the next one overwrites, behind others that were kept so."""
        before = earlier[-1].after if earlier else [w.copy() for w in self.before]
        after = [w.copy() for w in self.after]
        held = {id(w): kept for w, kept in zip((*self.before, *self.after), (*before, *after), strict=True)}
        return replace(
            self,
            before=before,
            after=after,
            expected=[held.get(id(e), e) for e in self.expected],
            gradients=list(self.gradients),
            earlier=tuple(step.gradients for step in earlier),
        )

    @property
    def is_exact(self) -> bool:
        """Whether the step ended at the expected weights to the last bit."""
        return all(a is e for a, e in zip(self.after, self.expected, strict=True))

    @property
    def wrong(self) -> bool:
        """Whether any entry is off by more than allowed."""
        return any(self.wrong_at(i) for i in range(len(self.names)))

    def wrong_at(self, i: int) -> bool:
        """Say whether one parameter is off by more than allowed; where U itself overflows, nothing is."""
        if alike(self.after[i], self.expected[i]) or not np.isfinite(self.expected[i]).all():
            return False
        return not bool((np.abs(self.after[i] - self.expected[i]) <= self.allowed[i]).all())

    @property
    def is_finite(self) -> bool:
        """Whether the step ended at finite weights."""
        return are_finite(self.after)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it did not, where the gradient's own norm overflows.

        Correct code may end at NaN there: ``clip_grad_norm_(parameters, inf)``, to measure, multiplies by inf / inf.
        """
        return not self.is_exact and not self.is_finite and not has_finite_norm(self.gradients)

    def equals(self, rival: Arrays) -> bool:
        """Say whether the step did what a rival would, and the rival is clearly not what is expected."""
        return self.is_at(rival) and is_clearly_other(rival, self.expected, self.allowed)

    def is_at(self, weights: Arrays) -> bool:
        """Say whether the step ended at some weights, within what is allowed and a trifle of the way there."""
        return all(self.is_at_in(i, weights) for i in range(len(self.names)))

    def is_at_in(self, i: int, weights: Arrays) -> bool:
        """Say the same of one parameter."""
        room = self.allowed[i] + _trifle(weights[i], self.before[i])
        return bool((np.abs(self.after[i] - weights[i]) <= room).all())

    def resting(self) -> set[int]:
        """Return the parameters that did not move at all although U moves them clearly."""
        should, did = self.moved_by_u(), self.moved()
        return {i for i in range(len(self.names)) if should[i] and not did[i]}

    def update(self, gradients: Grads) -> list[Array]:
        """Return U(w, g, s) for other gradients, from the same weights and state."""
        return self.run.update(self.before, gradients, self.state, self.settings)

    def passing_update(self, gradients: Grads) -> list[Array]:
        """Return the same where it was computed: the next look or update overwrites it."""
        return self.run.passing_update(self.before, gradients, self.state, self.settings)

    def moved_by_u(self) -> list[bool]:
        """Return which parameters U moves by more than is allowed, in any entry."""
        return list(map(_exceeds, self.expected, self.before, self.allowed))

    def moved(self) -> list[bool]:
        """Return which parameters have moved at all."""
        return [not alike(a, b) for a, b in zip(self.after, self.before, strict=True)]

    def is_pulled(self, i: int, rate: float) -> bool:
        """Say whether a parameter's gradient would move it at a rate: one that is rounding itself moves nothing."""
        g = self.gradients[i]
        pairs = () if g is None else blocks(g, self.before[i])
        return any(bool((rate * np.abs(part) > np.spacing(np.abs(w))).any()) for part, w in pairs)

    def is_left_alone(self, i: int) -> bool:
        """Say whether a parameter has no gradient and U leaves it where it is."""
        return self.gradients[i] is None and bool((self.expected[i] == self.before[i]).all())

    def last_layer_first(self) -> list[Array]:
        """Return the weights after a sweep that moves the last layer and then looks again for the others.

        They stand where they were computed: the next look or update overwrites them.
        """
        layers = [layer for layer in self.run.layers if any(self.gradients[i] is not None for i in layer)]
        own = [i in (layers or self.run.layers)[-1] for i in range(len(self.names))]
        moved = [e if mine else b for e, b, mine in zip(self.expected, self.before, own, strict=True)]
        again = self.run.gradients(moved, self.batch)
        return self.passing_update([g if mine else a for g, a, mine in zip(self.gradients, again, own, strict=True)])

    def applied_twice(self) -> list[Array]:
        """Return the weights after the same gradient is applied twice, where they were computed."""
        first = self.passing_update(self.gradients)
        return self.run.passing_update(first, self.gradients, None, self.settings)

    def gradient_rivals(self) -> Iterator[tuple[list[Array], str]]:
        """Yield what the last gradient, this one added to earlier ones, and none would give: one after another."""
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
        """Return the change of J that counts: sixteen floors, as many ulps, and what the allowed errors amount to.

        ``here`` is J before the step.
        """
        shaken = self.loss(perturbed_one_by_one(self.before, np.random.default_rng(0)))
        pairs = zip(self.gradients, self.allowed, strict=True)
        slack = sum(_weighed(g, room) for g, room in pairs if g is not None)
        return decisions.FLOORS_PER_TENSOR * (abs(here - shaken) + float(np.spacing(abs(here)))) + slack


def _exceeds(end: Array, start: Array, room: Any) -> bool:
    return any(bool((np.abs(e - s) > most).any()) for e, s, most in blocks(end, start, np.asarray(room)))


def _weighed(gradient: Array, room: Any) -> float:
    return sum(float((np.abs(g) * most).sum()) for g, most in blocks(gradient, np.asarray(room)))


def _trifle(weights: Array, before: Array) -> float:
    return decisions.REPRODUCED_SHARE * float(np.abs(weights - before).max(initial=0.0))


def _sum(parts: Sequence[Array | None]) -> Array | None:
    held = [g for g in parts if g is not None]
    return np.asarray(sum(held[1:], held[0])) if held else None


def watch(subject: TrainedSubject, case: TrainCase | BackpropCase, *, to_the_end: bool = False) -> list[Watched]:
    """Run the user's step on every batch, up to the first wrong step (or ``to_the_end``), while all is finite."""
    found = list[Watched]()
    for step in stream(subject, case, to_the_end=to_the_end):
        found.append(step.kept(found))
    return found


def stream(
    subject: TrainedSubject, case: TrainCase | BackpropCase, *, to_the_end: bool = False, remembers: bool = False
) -> Iterator[Watched]:
    """Yield the same steps one by one, of which only the last holds its arrays: large models are held once.

    ``remembers``: of the earlier gradients the last ones are kept.
    """
    run, earlier = subject.begin(case), list[Grads]()
    before = run.weights()
    for t in range(len(case.batches)):
        step = _watched(run, t, before, tuple(earlier))
        if step.is_out_of_reach:
            break
        yield step
        if (step.wrong and not to_the_end) or not are_finite(step.expected):
            break
        for grads in earlier:
            grads.clear()
        earlier = [list(step.gradients)] if remembers else []
        _go_on(before, step.after)
        step.gradients.clear()
        step.expected.clear()


def _go_on(before: list[Array], after: Sequence[Array]) -> None:
    """Overwrite the weights before a step with those after it: fresh memory for large models takes time."""
    for i, (held, now) in enumerate(zip(before, after, strict=True)):
        if held.shape == now.shape and held.dtype == now.dtype:
            held[...] = now
        else:
            before[i] = now.copy()


def _watched(run: Training, t: int, before: list[Array], earlier: tuple[Grads, ...]) -> Watched:
    state = run.state()
    run.step(t)
    after, settings, noticed, (loss, gradients) = run.now(), run.hyperparameters(), run.noticed(), run.look(before, t)
    if noticed.undecided:
        raise Unsupported(noticed.undecided)
    skipped = noticed.overflowed and settings is None and _alike(after, before)
    expected = list(before) if skipped else _ends(run.passing_update(before, gradients, state, settings), after)
    clocks = () if skipped else run.clocks()
    if not skipped:
        run.adopt()
    known: Sequence[Any] | None = run.allowed(before, t)
    allowed = noise_floors(run, t, before, after, expected, gradients, state, settings) if known is None else known
    return Watched(
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


def _ends(moved: Arrays, after: Arrays) -> list[Array]:
    """Return copies of where U ends; an array that equals the one seen is that one."""
    return [a if alike(a, w) else w.copy() for w, a in zip(moved, after, strict=True)]


def _alike(a: Arrays, b: Arrays) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
