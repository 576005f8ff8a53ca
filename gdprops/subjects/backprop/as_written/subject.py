"""Makes a subject of code as it was written: the reading under which it is right, or most nearly right, and its loss.

Of all readings the first one counts under which some loss moves every parameter as it should. Where there is none, the
output matrix decides which loss is meant, and the rest is judged under it. Where nothing decides, there is no verdict,
and it is said which losses were tried and how another one is declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash, SubjectStopped, UsageError
from gdprops.model.backprop_layout import Layout
from gdprops.model.note import Note
from gdprops.numerics.decisions import LOSS_FOUND_SHARE
from gdprops.subjects.backprop import checked_form
from gdprops.subjects.backprop.as_written import found_loss
from gdprops.subjects.backprop.as_written.best_reading import SECONDS, Tried, chosen, guess_alone, is_near, tried
from gdprops.subjects.backprop.as_written.candidate_losses import SAID, SQUARED, Scale
from gdprops.subjects.backprop.as_written.found_loss import Fit, loss_of
from gdprops.subjects.backprop.as_written.given_gradients import can_spread
from gdprops.subjects.backprop.as_written.kept_runs import KeptRun
from gdprops.subjects.backprop.as_written.met_errors import forgotten, most_met
from gdprops.subjects.backprop.as_written.mini_batches import adds_up
from gdprops.subjects.backprop.as_written.observations import RATE, Seen, copies, data_of, moved_by
from gdprops.subjects.backprop.as_written.probes import OTHER_PROBE, PROBE
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.stated_error import SQUARES, Stated
from gdprops.subjects.backprop.forms import Container, RateAt
from gdprops.subjects.backprop.run import BackpropRun, Functions
from gdprops.subjects.backprop.subject import Backprop
from gdprops.subjects.user_code.absent import MISSED
from gdprops.subjects.user_code.calling import Calls, allowed
from gdprops.subjects.user_code.isolation import isolated
from gdprops.subjects.user_code.quiet import quiet
from gdprops.subjects.user_code.remembered_state import RememberedState

if TYPE_CHECKING:
    from gdprops.subjects.user_code.helper_modules import HelperModules

TRIED = (
    "the squared error, the cross-entropy of sigmoid and of softmax, summed and averaged, with and without a penalty"
)


@final
@dataclass(frozen=True, slots=True)
class Restored:
    """What the code remembers, put back at the beginning of a run."""

    inner: RememberedState
    kept: KeptRun | None

    def restore(self) -> None:
        """Put everything back, and forget the run before."""
        self.inner.restore()
        if self.kept is not None:
            self.kept.clear()


NO_WAY = "no way was found to ask it for its output and to train it"
BUILD = "where an object needs more, make it in the file, def build(): return ..., and run the same command again"


def written_subject(
    readings: Iterable[Reading],
    name: str,
    spec: str,
    helpers: HelperModules,
    notes: Sequence[Note] = (),
    stated: Stated | None = None,
    advice: str = BUILD,
) -> Backprop:
    """Return the best of some readings as a subject; ``stated``: the error that its file computes beside it.

    Raises `UsageError` where no reading runs; it ends in ``advice``.
    """
    with isolated(), helpers.present():
        MISSED.clear()
        forgotten()
        found, said = _within_time(readings, name)
        if not found:
            said = said or most_met() or "".join(MISSED[-1:])
            raise UsageError(f"{name}: {NO_WAY}{f' ({said})' if said else ''}; {advice}")

        best = chosen(found)
        made = _subject(best, found, name, spec, helpers, notes)
        return replace(made, notes=(*made.notes, *_beside(best.fit, stated, spec)))


def _subject(
    chosen: Tried, tried: Sequence[Tried], name: str, spec: str, helpers: HelperModules, notes: Sequence[Note]
) -> Backprop:
    reading, fit, barred = _of_sizes_that_run(chosen.reading), chosen.fit, ""
    takes_rate = reading.step is None or (reading.takes_rate and _is_rate(chosen))
    still = not any(m.any() for one in chosen.seen for m in one.moved.values())
    if still and reading.begins_in_training:
        barred = SOLVED
    barred = barred or guess_alone(tried, chosen)
    if fit is None or not fit.decides:
        if not still or not any(j.any() for one in chosen.seen for j in one.jacobian.values()):
            barred = barred or _no_verdict(tried)
        fit = Fit(SQUARED, Scale(0, 0), RATE, 0.0, False, Scale(0, 0), frozenset(), "", tuple(chosen.seen[0].params))
    rate = None if takes_rate else _rounded(fit.factor)
    state, joins = _state(chosen), adds_up(reading)
    kept = KeptRun(reading, joins) if joins or state == ADDS_UP else None
    layout = Layout(
        _shapes_of(reading, helpers),
        reading.inputs,
        reading.outputs,
        rate,
        reading.targets,
        "single" if reading.single else "rows",
        has_all_classes=True,
    )
    functions = Functions(
        _flat_loss(reading, loss_of(fit, reading, RATE if rate is None else rate)),
        _flat_step(reading, kept) if reading.step is not None else None,
        _flat_gradients(reading) if reading.step is None else None,
        Container(tuple(chosen.seen[0].params)),
        layout,
        RateAt(),
        helpers=helpers,
        state=Restored(RememberedState(*reading.functions), kept),
        script=reading.script if kept is None else kept.script,
        watched=reading.watched,
    )
    if fit.loss is found_loss.OWN:
        case = checked_form.trial(layout)
        functions = replace(functions, guards=BackpropRun(functions, Calls(SECONDS), case).guards())
    told = [Note(f"read as: {'; '.join(reading.told)}")]
    if fit.loss is found_loss.OWN:
        told += [Note(reading.loss_told)] if reading.loss_told else []
    elif not barred and not still:
        if reading.loss is not None:
            told.append(Note("the loss that the file computes is another one than that which its training descends"))
        told.append(Note(_loss_told(fit, rate, _has_one_layer(chosen.seen[0]))))
    if state == KEEPS:
        told.append(
            Note(
                "it keeps something from one call to the next (momentum, a rate that decays): its first step was judged"
            )
        )
    return Backprop(functions, name, spec=spec, notes=(*told, *notes), barred=barred, unbounded=reading.unbounded)


def _beside(fit: Fit | None, stated: Stated | None, spec: str) -> list[Note]:
    """Return a note where a file computes another error than the loss that its training descends."""
    if fit is None or stated is None or fit.loss is found_loss.OWN or not fit.decides:
        return []
    squared = fit.loss is SQUARED
    if squared == (stated.what == SQUARES) or "perceptron" in fit.loss.name:
        return []
    told = f"the training descends {fit.loss.name}, and this line computes {stated.what}"
    return [Note(told, spec.rpartition(":")[0] or spec, stated.line)]


def _within_time(readings: Iterable[Reading], name: str) -> tuple[list[Tried], str]:
    """Return what the readings have shown. Raises `UsageError` where that takes longer than a clause may take."""
    seconds = allowed()
    try:
        with Calls(seconds).to("being tried"):
            return tried(readings)
    except SubjectStopped as hang:
        raise UsageError(f"{name}: {NO_WAY} within {seconds:g} s: a call of its code does not end") from hang
    except SubjectCrash as crash:
        if isinstance(crash.__cause__, UsageError):
            raise crash.__cause__ from crash
        raise UsageError(f"{name}: {NO_WAY} ({crash})") from crash


def _of_sizes_that_run(reading: Reading) -> Reading:
    """Return a reading with the numbers of inputs and outputs fixed where the code does not run with one of them."""
    found = reading
    if reading.inputs is None and not _runs(reading, 1, reading.outputs or PROBE.n_out):
        found = replace(found, inputs=PROBE.n_in)
    if reading.outputs is None and not _runs(reading, reading.inputs or PROBE.n_in, 1):
        found = replace(found, outputs=PROBE.n_out)
    if found.outputs is None and not _trains(found, OTHER_PROBE.n_out) and _trains(found, PROBE.n_out):
        found = replace(found, outputs=PROBE.n_out)
    return found


def _trains(reading: Reading, n_out: int) -> bool:
    """Say whether training runs with some number of outputs; a loss may be made for one of them."""
    try:
        with quiet(), np.errstate(all="ignore"):
            size = (reading.inputs or PROBE.n_in, PROBE.hidden, n_out, 1 if reading.single else 3)
            moved_by(reading, *data_of(reading, size, 1))
    except Exception:  # it is found out by trying
        return False
    return True


def _runs(reading: Reading, n_in: int, n_out: int) -> bool:
    try:
        with quiet(), np.errstate(all="ignore"):
            params, x, _ = data_of(reading, (n_in, PROBE.hidden, n_out, 1 if reading.single else 2), 1)
            reading.output(params, x)
    except Exception:  # it is found out by trying
        return False
    return True


SOLVED = (
    "no verdict: training binds its parameters once and never moves them: a fit by solving or counting is no descent"
)
KEEPS, ADDS_UP = "keeps", "adds up"


def _state(chosen: Tried) -> str:
    """Say whether an object keeps something from one call to the next, and whether it adds its gradients up."""
    reading = chosen.reading
    if reading.again is None:
        return ""
    size = (reading.inputs or 3, 4, reading.outputs or 2, 1 if reading.single else 5)
    params, x, y = data_of(reading, size, 1)
    _, x0, y0 = data_of(reading, size, 2)
    try:
        with quiet(), np.errstate(all="ignore"):
            alone = moved_by(reading, params, x, y)
            first = moved_by(reading, params, x0, y0)
            after = reading.again(copies(params), [(x0, y0), (x, y)], RATE, True)
    except Exception:
        return ""
    moved = {name: np.asarray(after[name]) - params[name] for name in params}
    if all(is_near(moved[name], alone[name]) for name in params):
        return ""
    return ADDS_UP if all(is_near(moved[name], alone[name] + first[name]) for name in params) else KEEPS


def _is_rate(chosen: Tried) -> bool:
    """Say whether the learning rate that is set acts: what moves, moves otherwise at another rate."""
    reading = chosen.reading
    one = next((one for one in chosen.seen if any(m.any() for m in one.moved.values())), None)
    if reading.step is None or one is None:
        return True
    with quiet(), np.errstate(all="ignore"):
        other = moved_by(reading, one.params, one.x, one.y, 2 * RATE)
    return any(not np.array_equal(other[name], m) for name, m in one.moved.items())


def _shapes_of(reading: Reading, helpers: HelperModules) -> Any:
    known: dict[tuple[int, int, int], Any] = {}

    def shapes(n_in: int, hidden: int, n_out: int) -> Any:
        sizes = (n_in, hidden, n_out)
        if sizes not in known:
            with helpers.present():  # an object that is made may import what it is made of
                try:
                    known[sizes] = reading.shapes(*sizes)
                except Exception:  # it is told where the code is called with such data
                    known[sizes] = reading.shapes(*PROBE)
        return known[sizes]

    return shapes


def _as_rows(reading: Reading, x: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and targets as rows; a single sample is a row."""
    return (x[None], np.asarray(y)[None]) if reading.single else (x, y)


def _flat_loss(reading: Reading, loss: Any) -> Any:
    def of(params: Any, x: Any, y: Any) -> Any:
        return loss(params, *_as_rows(reading, x, y))

    return of


def _flat_step(reading: Reading, kept: KeptRun | None) -> Any:
    """Return the step over plain dicts; ``kept``: the run that it goes on with."""

    def step(params: Any, x: Any, y: Any, lr: float) -> Any:
        x, y = _as_rows(reading, x, y)
        assert reading.step is not None
        return reading.step(dict(params), x, y, lr) if kept is None else kept.step(params, x, y, lr)

    return step


def _flat_gradients(reading: Reading) -> Any:
    def gradients(params: Any, x: Any, y: Any) -> Any:
        assert reading.gradients is not None
        found = reading.gradients(dict(params), *_as_rows(reading, x, y))
        return {n: np.broadcast_to(g, np.shape(params[n])) if can_spread(g, params[n]) else g for n, g in found.items()}

    return gradients


def _rounded(rate: float) -> float:
    """Return a rate as it stands in the code: the shortest number within the error of the differences."""
    for digits in range(1, 8):
        short = float(f"{rate:.{digits}g}")
        if abs(short - rate) <= LOSS_FOUND_SHARE * abs(rate):
            return short
    return rate


def _loss_told(fit: Fit, rate: float | None, one_layer: bool) -> str:
    factor = fit.factor / RATE if rate is None else 1.0
    what = f"{fit.loss.name}, {SAID[fit.scale]}"
    if fit.loss is SQUARED:
        factor /= 2
    times = {1.0: "", 0.5: "half ", 2.0: "twice "}.get(_rounded(factor), f"{_rounded(factor):g} times ")
    told = f"no loss is declared: {times}{what}, fits {'every parameter' if fit.is_whole else 'the output weights'}"
    if fit.penalty:
        told += f", with a penalty of {_rounded(fit.penalty / (rate or RATE)):g}/2 Σ W²"
    if rate is not None:
        other = " (twice the loss at half the rate gives the same steps)"
        told += f"; the learning rate is fixed at {rate:g}{other}"
    if one_layer and fit.is_whole:
        told += "; with a single layer, the loss is inferred from the very update that is judged"
    return told


def _has_one_layer(seen: Seen) -> bool:
    """Say whether one parameter alone is no bias."""
    return sum(found_loss.is_penalized(name, w) for name, w in seen.params.items()) == 1


def _no_verdict(tried: Sequence[Tried]) -> str:
    for one in sorted(tried, key=lambda t: t.score, reverse=True)[:6]:
        fit = found_loss.as_question(one.reading, one.seen)
        if fit is not None and fit.question is not None:
            return f"no verdict: no loss fits; {fit.loss.name} would, {fit.question.told}. Is that meant?"
    return (
        f"no verdict: none of the losses that were tried ({TRIED}) says how its output weights move; "
        "declare the loss as a function loss(params, X, y) and the step as step(params, X, y, lr)"
    )
