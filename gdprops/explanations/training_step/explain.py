"""Say what a wrong training step does instead of the specified update.

Nothing is guessed. Every hypothesis predicts the weights after each step, from the weights that were seen before it. A
hypothesis is printed only if it predicts the observed weights, to 16 noise floors, at every step of all failing
examples that were kept. Of several, the one with the fewest fitted constants is printed; if several have equally few,
all of them are. What was seen but not proved is printed as facts.
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

if TYPE_CHECKING:
    from gdprops.explanations.training_step.hypothesis import Failure, Hypothesis
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
    """Return the hypotheses that reproduce everything: at every step, else from some step on, else at wrong steps."""
    offers = (candidates, from_some_step_on(candidates, failures), [*at_some_steps(failures), NONE_HANDED_OVER])
    return next((found for offer in offers if (found := matching(offer, failures))), [])


def _hypotheses(subject: TrainedSubject, failures: Sequence[Failure]) -> list[Hypothesis]:
    """Return all hypotheses on what the step does, the cheapest first."""
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
