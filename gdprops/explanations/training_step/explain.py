"""What a wrong training step does instead.

Nothing is guessed: a hypothesis is replayed on a model of our own from the weights seen before each step. It counts
only if it ends at the weights that were seen, to sixteen floors, at every step of all failing examples that were kept.
The one with the fewest fitted constants is told, ties as ties; what is seen and not proved is told as facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.watched_step import Watched, watch
from gdprops.explanations.explanation import Explanation
from gdprops.explanations.training_step.borrowed_gradients import borrowed
from gdprops.explanations.training_step.clipping import clippings
from gdprops.explanations.training_step.experiments import NOT_DETERMINISTIC, evidence, repeats
from gdprops.explanations.training_step.factors import at_some_steps, factors
from gdprops.explanations.training_step.facts import facts
from gdprops.explanations.training_step.failures import MOST_EXAMPLES, failures_of
from gdprops.explanations.training_step.gradient_location import elsewhere
from gdprops.explanations.training_step.gradient_origin import GRADIENTS, NONE_HANDED_OVER
from gdprops.explanations.training_step.late_reads import late_reads
from gdprops.explanations.training_step.matching import matching, resting
from gdprops.explanations.training_step.onset import from_some_step_on
from gdprops.explanations.training_step.regression import regressions
from gdprops.explanations.training_step.replayed_schedules import scheduled
from gdprops.explanations.training_step.rule_faults import BY_SHAPE, rules
from gdprops.explanations.training_step.sweeps import SWEEPS
from gdprops.explanations.training_step.undeclared_window import undeclared_window

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis
    from gdprops.model.training_run import TrainedSubject

__all__ = ["MOST_EXAMPLES", "explain", "explained", "first_wrong"]


def explain(subject: TrainedSubject, cases: Sequence[Any]) -> str | None:
    """Return what the step does instead, or what was seen without being proved, or None where nothing is wrong."""
    found = explained(subject, cases)
    return None if found is None else found.text


def explained(subject: TrainedSubject, cases: Iterable[Any]) -> Explanation | None:
    """Return the same with the clause that the explanation names."""
    failures = failures_of(subject, cases)
    if not failures:
        return None
    if not repeats(subject, failures[0]):
        return Explanation(NOT_DETERMINISTIC)
    window = undeclared_window(subject, failures)
    if window:
        return Explanation(window, "step.moves-all")
    candidates = _hypotheses(subject, failures)
    told = _matching(candidates, failures)
    if told:
        texts = dict.fromkeys(h.text for h in told)
        text = " or, which gives the same weights, ".join(texts) + resting(told, failures)
        return Explanation(text, told[0].clause, told[0].constants)
    distinct = len({h.text for h in candidates})
    seen = "; ".join([facts(failures), *evidence(subject, failures[0])])
    return Explanation(f"none of {distinct} hypotheses reproduces what was seen; {seen}")


def _matching(candidates: Sequence[Hypothesis], failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return what reproduces everything: at every step, from some step on, or wherever a step is wrong."""
    offers = (candidates, from_some_step_on(candidates, failures), [*at_some_steps(failures), NONE_HANDED_OVER])
    return next((found for offer in offers if (found := matching(offer, failures))), [])


def _hypotheses(subject: TrainedSubject, failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return everything that the step might do, the cheapest first."""
    return [
        *scheduled(failures),
        *SWEEPS,
        *elsewhere(failures),
        *GRADIENTS,
        *factors(failures),
        BY_SHAPE,
        *clippings(failures),
        *rules(failures),
        *borrowed(failures),
        *regressions(failures),
        *late_reads(subject, failures),
    ]


def first_wrong(subject: TrainedSubject, case: Any) -> Watched | None:
    """Return the first wrong step of a case, None where every step is right."""
    return next((step for step in watch(subject, case) if step.wrong), None)
