"""Say what a wrong training step does instead of the specified update.

Nothing is guessed. Every hypothesis predicts the weights after each step, from the weights that were seen before it. A
hypothesis is printed only if it predicts the observed weights, to 16 noise floors, at every step of all failing
examples that were kept. Of several, the one with the fewest fitted constants is printed; if several have equally few,
all of them are. What was seen but not proved is printed as facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.watched_step import Watched, watch
from gdprops.explanations.explanation import Explanation
from gdprops.explanations.training_step.around_the_update import AROUND, reached_otherwise
from gdprops.explanations.training_step.backward_calls import by_backward_lines
from gdprops.explanations.training_step.borrowed_gradients import borrowed
from gdprops.explanations.training_step.clipping_variants import clippings
from gdprops.explanations.training_step.differentiated_scalar import differentiated_scalars
from gdprops.explanations.training_step.displacements import displacements
from gdprops.explanations.training_step.experiments import NOT_DETERMINISTIC, evidence, repeats, told_apart
from gdprops.explanations.training_step.extragradient import AHEAD
from gdprops.explanations.training_step.factors import at_some_steps, factors, shrunk_before
from gdprops.explanations.training_step.factors_over_steps import over_steps
from gdprops.explanations.training_step.failures import MOST_EXAMPLES, failures_of, is_large
from gdprops.explanations.training_step.gradient_location import elsewhere
from gdprops.explanations.training_step.gradient_origin import GRADIENTS, NONE_HANDED_OVER, NOT_YET
from gdprops.explanations.training_step.gradient_regression import regressions
from gdprops.explanations.training_step.late_reads import late_reads
from gdprops.explanations.training_step.matching import matching, reproduces, resting, stand_at
from gdprops.explanations.training_step.onset import first_step_apart, from_some_step_on, now_and_then
from gdprops.explanations.training_step.repeated_calls import repeated_calls
from gdprops.explanations.training_step.replayed_schedules import scheduled
from gdprops.explanations.training_step.row_chunks import chunked
from gdprops.explanations.training_step.rule_faults import BY_SHAPE, rules
from gdprops.explanations.training_step.shifted_windows import SHORT_ARE_LOST, shifted_windows
from gdprops.explanations.training_step.sweeps import SWEEPS
from gdprops.explanations.training_step.two_faults import and_scaled, in_scaled_worlds
from gdprops.explanations.training_step.two_looks import TWO_LOOKS
from gdprops.explanations.training_step.undeclared_window import undeclared_window
from gdprops.explanations.training_step.unexplained_facts import facts

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis
    from gdprops.model.note import Note
    from gdprops.model.training_run import TrainedSubject

__all__ = ["MOST_EXAMPLES", "explain", "explained", "first_wrong"]


def explain(subject: TrainedSubject, cases: Sequence[Any]) -> str | None:
    """Return the sentence that says what the step does instead, or what was seen; None where no step is wrong."""
    found = explained(subject, cases)
    return None if found is None else found.text


def explained(subject: TrainedSubject, cases: Iterable[Any]) -> Explanation | None:
    """Return the explanation of a wrong training step with the clause that it names; None where no step is wrong."""
    failures = failures_of(subject, cases)
    if not failures:
        return None
    if not repeats(subject, failures[0]):
        return Explanation(NOT_DETERMINISTIC)
    window = undeclared_window(subject, failures)
    if window:
        return Explanation(window, "step.moves-all")
    stand_at(failures[0].first)
    candidates = _hypotheses(subject, failures)
    told = told_apart(subject, failures, _matching(candidates, failures))
    if told:
        texts, rests = dict.fromkeys(h.text for h in told), resting(told, failures)
        text = " or, which gives the same weights, ".join(texts) + rests
        holds_in = None if is_large(failures[0]) else partial(_hold, told, rests)
        places = _places(subject, failures[0], told[0].clause)
        return Explanation(text, told[0].clause, told[0].constants, places, holds_in=holds_in)
    distinct = len({h.text for h in candidates})
    seen = "; ".join([facts(failures), *evidence(subject, failures[0])])
    said = f"none of {distinct} hypotheses reproduces what was seen; {seen}"
    return Explanation(said, places=_places(subject, failures[0], ""))


def _places(subject: TrainedSubject, failure: Failure, clause: str) -> tuple[Note, ...]:
    """Return the lines of the step's calls, where it can be watched: plain arrays need no torch."""
    if failure.first.step.run.live is None:
        return ()
    from gdprops.explanations.training_step.calls_by_line import calls_by_line

    return calls_by_line(subject, failure, clause)


def _hold(told: Sequence[Hypothesis], rests: str, subject: TrainedSubject, cases: Iterable[Any]) -> bool:
    """Say whether proved hypotheses, and what does not move besides, are true in other failing examples."""
    failures = failures_of(subject, cases)
    return bool(failures) and resting(told, failures) == rests and all(reproduces(one, failures) for one in told)


def _matching(candidates: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return what reproduces everything: at every step, from some step on, or wherever a step is wrong."""
    for offer in _offers(candidates, failures):
        stand_at(failures[0].first)
        found = matching(offer(), failures)
        if found:
            return found
    return []


def _offers(
    candidates: Sequence[Hypothesis], failures: Sequence[Failure]
) -> Iterator[Callable[[], Sequence[Hypothesis]]]:
    """Yield what may be told, the plainest first: it is looked for only where nothing before it matches."""
    yield lambda: candidates
    yield lambda: from_some_step_on(candidates, failures)
    yield lambda: [*at_some_steps(failures), NONE_HANDED_OVER, *shrunk_before(failures)]
    yield lambda: now_and_then(GRADIENTS, failures)
    yield lambda: [*AROUND, *reached_otherwise(failures)]
    yield lambda: differentiated_scalars(failures)
    yield lambda: first_step_apart([NOT_YET, *candidates], failures)
    scaled = and_scaled(candidates, failures)
    yield lambda: [*scaled, *from_some_step_on(scaled, failures)]
    yield lambda: in_scaled_worlds(candidates, failures)


def _hypotheses(subject: TrainedSubject, failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return all hypotheses on what the step does, the cheapest first."""
    return [
        *scheduled(failures),
        SHORT_ARE_LOST,
        *shifted_windows(failures),
        *_of_loss_calls(failures),
        *by_backward_lines(failures),
        *SWEEPS,
        *AHEAD,
        *TWO_LOOKS,
        *elsewhere(failures),
        *GRADIENTS,
        *repeated_calls(failures),
        *clippings(failures),
        *factors(failures),
        *over_steps(failures),
        BY_SHAPE,
        *rules(failures),
        *borrowed(failures),
        *chunked(failures),
        *regressions(failures),
        *displacements(failures),
        *late_reads(subject, failures),
    ]


def _of_loss_calls(failures: Sequence[Failure]) -> list[Hypothesis]:
    """Ask the log of the loss calls, where there is one: plain arrays need no torch."""
    if failures[0].first.seen is None:
        return []
    from gdprops.explanations.training_step.loss_calls import by_loss_calls

    return by_loss_calls(failures)


def first_wrong(subject: TrainedSubject, case: Any) -> Watched | None:
    """Return the first wrong step of a case, None where every step is right."""
    return next((step for step in watch(subject, case) if step.wrong), None)
