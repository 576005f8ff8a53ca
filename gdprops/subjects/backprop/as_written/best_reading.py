"""The best of the readings of some code: the first under which a loss moves every parameter as it should.

Where there is none, that one counts whose output matrix moves as some loss says, and then the one with most parameters
right. One sample at a time counts only where a batch is handled as one sample after the other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.errors import UsageError
from gdprops.model.wording import on_one_line
from gdprops.numerics.decisions import LOSS_FOUND_SHARE
from gdprops.subjects.backprop.as_written.found_loss import OWN, Fit, best_fit, under
from gdprops.subjects.backprop.as_written.observations import RATE, Seen, copies, data_of, moved_by, observed
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.scores import decides_only, of_scores
from gdprops.subjects.backprop.as_written.stated_loss import with_stated
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

SECONDS = 20.0
"""How long readings are tried, once one of them runs, in seconds of the processor: the same on a busy machine."""
MOST_READINGS = 60


class Tried(NamedTuple):
    """A reading, what it has shown, and the loss that fits it best."""

    reading: Reading
    seen: Sequence[Seen]
    fit: Fit | None

    @property
    def score(self) -> tuple[bool, bool, int, bool]:
        """How good it is: all is right, the output matrix is, how much else is; batches come before single samples."""
        if self.fit is None:
            return False, False, 0, not self.reading.single
        return self.fit.is_whole, self.fit.decides, len(self.fit.right), not self.reading.single


def tried(readings: Iterable[Reading]) -> tuple[list[Tried], str]:
    """Return what the readings have shown, and what the first one that failed says."""
    found, said, began = list[Tried](), "", time.process_time()
    for k, reading in enumerate(_all_that_come(readings)):
        if any(_settles(t, reading) for t in found):
            break
        try:
            found.append(_try(reading))
        except Exception as error:
            said = said or f"{type(error).__name__}: {on_one_line(error)}"
            continue
        whole = found[-1].fit is not None and found[-1].fit.is_whole
        if (whole and not reading.single) or k > MOST_READINGS or time.process_time() - began > SECONDS:
            break
    return found, said


def _settles(one: Tried, coming: Reading) -> bool:
    """Say whether nothing more is tried: it is right as it was put together, or its own file says how that is done."""
    if one.fit is None or one.reading.guess == coming.guess:
        return False
    return one.fit.is_whole or (one.fit.decides and not one.reading.guess)


def _all_that_come(readings: Iterable[Reading]) -> Iterator[Reading]:
    """Yield readings until none is left, or until the code that they call does what nobody has foreseen."""
    coming = iter(readings)
    while True:
        try:
            yield next(coming)
        except StopIteration:
            return
        except UsageError:
            raise
        except Exception:  # the user's code is called in many ways, most of them not meant by it
            return


def _try(reading: Reading) -> Tried:
    reading, seen = _of_its_outputs(reading, observed(reading))
    if not reading.unbounded and decides_only(seen[0]):
        scored = of_scores(reading, seen[0])
        if scored is not None:
            reading, seen = scored, observed(scored, times=4 if scored.single else 1)
    elif not reading.unbounded and all(w.size == 1 for w in seen[0].params.values()):
        seen = observed(reading, times=4)
    reading, fit = with_stated(reading, seen, best_fit(reading, seen))
    return Tried(reading, seen, fit)


def _of_its_outputs(reading: Reading, seen: Sequence[Seen]) -> tuple[Reading, Sequence[Seen]]:
    """Return a reading, and what batches show of it, with the number of outputs with which alone the code runs.

    Where batches of all other numbers raise, those of this number must still differ in their rows: else no batch tells
    a mean over rows from a sum.
    """
    counts = {one.output.shape[1] for one in seen}
    if reading.outputs is not None or len(counts) > 1:
        return reading, seen
    pinned = replace(reading, outputs=counts.pop())
    again = observed(pinned)
    return (pinned, again) if len(again) > len(seen) else (reading, seen)


def chosen(found: Sequence[Tried]) -> Tried:
    """Return the best try; where it computes gradients, with the code that moves the parameters if that is wrong."""
    best = _but_for_the_rate(_of_batches(found))
    return _with_its_update(best, found) if best.reading.step is None and best.fit is not None else best


def _but_for_the_rate(best: Tried) -> Tried:
    """Return a try without the learning rate in the factor of its loss, where steps grow with the square of the rate.

    A loss may have any factor, and at one learning rate nothing tells that factor from the rate.
    """
    reading, fit = best.reading, best.fit
    if fit is None or not fit.is_whole or fit.loss is OWN or reading.step is None or not reading.takes_rate:
        return best
    one = best.seen[0]
    try:
        with quiet(), np.errstate(all="ignore"):
            twice = moved_by(reading, one.params, one.x, one.y, 2 * RATE)
    except Exception:  # the user's code, at a rate that it may refuse
        return best
    if not all(np.allclose(twice[name], 4 * m, rtol=LOSS_FOUND_SHARE, atol=0) for name, m in one.moved.items()):
        return best
    factor, penalty = fit.factor / RATE, fit.penalty / RATE
    return best._replace(fit=fit._replace(factor=factor, penalty=penalty, right=frozenset(), is_known=True))


def _of_batches(found: Sequence[Tried]) -> Tried:
    """Return the best try; one sample at a time counts only if a batch is handled as one sample after the other."""
    best = max(found, key=lambda one: one.score)
    if not best.reading.single or best.fit is None or not best.fit.is_whole:
        return best
    batches = [t for t in found if not t.reading.single and t.reading.batch_told == best.reading.batch_told]
    if not batches or any(_goes_one_by_one(t.reading, best.reading) for t in batches):
        return best
    return max(batches, key=lambda one: one.score)


def _with_its_update(best: Tried, found: Sequence[Tried]) -> Tried:
    """Return the reading of gradients, or the one that also moves the parameters where that goes wrong.

    A function that moves some parameters along the gradients, or all of them by one other factor, is meant to descend;
    one that moves none so (Adam, batches drawn at random) is another rule, and is told.
    """
    assert best.fit is not None
    others = [one for one in found if one.reading.step is not None and _is_alike(one.reading, best.reading)]
    for one in (_with_loss(other, best.reading) for other in others):
        fit = under(best.fit, one.reading, one.seen)
        if fit.is_whole or _by_one_factor(one.seen, best.seen):
            return Tried(one.reading, one.seen, fit)
        if fit.right and not _but_for_a_penalty(one.seen, best.seen):
            return Tried(one.reading, one.seen, fit)
    if not others:
        return best
    told = f"{others[0].reading.told[-1]}: it moves otherwise than along these gradients, and was not judged"
    return best._replace(reading=replace(best.reading, told=(*best.reading.told, told)))


def _is_alike(one: Reading, other: Reading) -> bool:
    """Say whether two readings ask the same object or functions in the same way for an output, and have the loss."""
    same = (one.single, one.targets, one.name) == (other.single, other.targets, other.name)
    return same and (one.loss is not None or other.loss is None or one.told[:-1] == other.told[:-1])


def _with_loss(one: Tried, other: Reading) -> Tried:
    return one if one.reading.loss is not None else one._replace(reading=replace(one.reading, loss=other.loss))


def _but_for_a_penalty(moved: Sequence[Seen], gradients: Sequence[Seen]) -> bool:
    """Say whether a step differs from some gradients by multiples of the weights alone: it has a penalty of its own."""
    for one, other in zip(moved, gradients, strict=False):
        for name, m in one.moved.items():
            w, left = one.params[name], m - other.moved.get(name, m)
            share = float(left.ravel() @ w.ravel() / max(w.ravel() @ w.ravel(), 1e-300))
            if left.shape != w.shape or not np.allclose(left, share * w, rtol=LOSS_FOUND_SHARE, atol=1e-9):
                return False
    return True


def _by_one_factor(moved: Sequence[Seen], gradients: Sequence[Seen]) -> bool:
    """Say whether a step moves all parameters along or against some gradients, by one factor that is not 0."""
    factors = list[float]()
    for one, other in zip(moved, gradients, strict=False):
        if one.moved.keys() != other.moved.keys():
            return False
        for name, g in other.moved.items():
            m = one.moved[name]
            if m.shape != g.shape or not g.any():
                return False
            factors.append(float(m.ravel() @ g.ravel() / (g.ravel() @ g.ravel())))
            if not np.allclose(m, factors[-1] * g, rtol=LOSS_FOUND_SHARE, atol=1e-9):
                return False
    return bool(factors) and factors[0] != 0 and np.allclose(factors, factors[0], rtol=LOSS_FOUND_SHARE)


def guess_alone(found: Sequence[Tried], best: Tried) -> str:
    """Return why a guess of how to put the code together gives no verdict; empty where it gives one.

    What was put together in a way that nobody wrote is wrong if the same parameters are wrong in every such way, and
    right if none of the ways that were tried is wrong.
    """
    if not best.reading.guess or best.fit is None or not best.fit.decides:
        return ""
    ways: dict[str, Tried] = {}
    for one in found:
        ways[one.reading.guess] = max(ways.get(one.reading.guess, one), one, key=lambda t: t.score)
    wrong = [one for one in ways.values() if one.fit is not None and one.fit.decides and not one.fit.is_whole]
    if wrong and wrong[0].reading.lent_by:
        file = Path(wrong[0].reading.lent_by)
        where = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        return (
            f"no verdict: {wrong[0].reading.guess}, it moves {', '.join(_wrong(wrong[0]))} wrongly, "
            f"but what it was put together from is not its own: run gdprops check {where}"
        )
    if not wrong or (len({_kinds(_wrong(one)) for one in ways.values()}) == 1 < len(ways)):
        return ""
    return (
        f"no verdict: {wrong[0].reading.guess}, it moves {', '.join(_wrong(wrong[0]))} wrongly, "
        f"{'but otherwise it does not' if len(ways) > 1 else 'and there is no other way to put it together'}; "
        "build it as it is meant in a function of the file: def build(): net = ...; return net"
    )


def _wrong(one: Tried) -> tuple[str, ...]:
    if one.fit is None or not one.fit.decides:
        return ()
    return tuple(name for name in one.fit.names if name not in one.fit.right)


def _kinds(names: Iterable[str]) -> frozenset[str]:
    """Return names of parameters without the places of their layers, which differ with what stands between them."""
    return frozenset(re.sub(r"\[\d+\]", "[]", name) for name in names)


def _goes_one_by_one(batch: Reading, single: Reading) -> bool:
    """Say whether two samples at once move the parameters as one after the other does, in either order."""
    size = (single.inputs or 3, 4, single.outputs or 2, 2)
    params, x, y = data_of(batch, size, 1)
    try:
        with quiet(), np.errstate(all="ignore"):
            assert batch.step is not None
            at_once = batch.step(copies(params), x.copy(), y.copy(), RATE)
            for order in permutations(range(2)):
                parts = [(x[k : k + 1].copy(), y[k : k + 1].copy()) for k in order]
                after = _one_after_the_other(single, params, parts)
                if all(is_near(at_once[name], after[name]) for name in params):
                    return True
    except Exception:
        return False
    return False


def _one_after_the_other(single: Reading, params: Mapping[str, Array], parts: Sequence[Any]) -> Mapping[str, Any]:
    if single.again is not None:
        return single.again(copies(params), parts, RATE, False)
    after: Mapping[str, Any] = copies(params)
    for x, y in parts:
        assert single.step is not None
        after = single.step(copies(after), x, y, RATE)
    return after


def is_near(a: Any, b: Any) -> bool:
    """Say whether two arrays are alike but for rounding."""
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=LOSS_FOUND_SHARE, atol=1e-9))
