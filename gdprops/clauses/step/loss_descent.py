"""Chapter step, continued: how a step depends on the learning rate, and whether it lowers the loss.

"A small enough learning rate" is not guessed. gdprops halves a rate, starting at 1, until its own step satisfies
Armijo's condition J(w - η g) <= J(w) - ½ η |g|², and then lets the subject step at that rate. Example: J = ½ w² at
w = 1 has g = 1; at η = 1 the condition asks for J <= 0, which the step to w = 0 reaches.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Level, Needs, View, clause
from gdprops.model.exit_codes import CLIMBS
from gdprops.model.note import Note
from gdprops.model.optional_hyperparameters import further_rates
from gdprops.model.traits import declares_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import TrainCase, UpdateCase
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Gradients
    from gdprops.strategies.loop import Loop
else:
    workbench = lazy("gdprops.clauses.support.workbench")

DOUBLE = ("dtypes", ("float64",))
LINEAR = ("lr_response", ("linear",))
SEVERAL_RATES = "a second learning rate stays as it is where the first one is made small"


@clause(
    id="step.linear-in-lr",
    statement="From the same weights, state and gradient, c times the learning rate gives c times the displacement.",
    source="A large learning rate is one large simultaneous step: η = 1 moves every layer by 100 times what η = "
    "0.01 moves it.",
    decision="The last step of a run is taken twice from the same weights, state and gradient: at the learning rate "
    "η and at c η, for c in {2, 8, 10, 100}. The second displacement must be c times the first. Allowed: c + 1 ulps "
    "of w and of the displacement, and 16 roundings of the rule's own terms, which are taken to be as large as the "
    "tensor's largest step so far. An example is decisive when two wrong results, the step at η and half the "
    "expected displacement, can be told from the expected weights. Where one hyperparameter is a second learning rate "
    "by its name (adam_lr), and both times c give c times the displacement, that is told in a note.",
    view=View.OPTIMIZER,
    refuted_by=("rate-clipped-at-one", "sgd-with-rate-squared"),
    cases=lambda domain: workbench.feeds(_linear(domain), workbench.Feed(own_rate=False)),
    needs=Needs(traits=(FED, REPEATABLE, LINEAR), rate=True),
    claim=True,
)
def linear_in_lr(subject: FedSubject, case: UpdateCase) -> Evidence:
    found = _scaled(subject, case, ())
    if not found.violated:
        return found
    names = _further_rates(subject, case)
    for also in dict.fromkeys([*((name,) for name in names), tuple(names)] if names else ()):
        together = _scaled(subject, case, also)
        if not together.violated:
            told = "a second learning rate, which what changes lr alone, such as a schedule, leaves as it is"
            return workbench.with_notes(together, Note(f"{' and '.join(also)}: {told}"))
    return found


def _further_rates(subject: FedSubject, case: UpdateCase | TrainCase) -> list[str]:
    """Return which hyperparameters of any tensor are called a learning rate beside lr."""
    shown = subject.start(case.tensors, case.plan).hyperparameters()
    return list(dict.fromkeys(name for settings in shown for name in further_rates(settings)))


def _scaled(subject: FedSubject, case: UpdateCase, also: Sequence[str]) -> Evidence:
    """Compare the last step with the one at c times the learning rate, and at c times ``also`` other numbers."""
    before, once, slow, sizes = _last_step(subject, case, 1.0, also)
    _, times, fast, _ = _last_step(subject, case, case.factor, also)
    ratios = [case.factor if not a or b is None else b / a for a, b in zip(slow, fast, strict=True)]
    moved = [b - a for a, b in zip(before, once, strict=True)]
    expected = [w + c * d for w, c, d in zip(before, ratios, moved, strict=True)]
    parts = zip(before, sizes, ratios, strict=True)
    allowed = [_linear_allowance(w, size, c, case.precision) for w, size, c in parts]
    rivals = [once, [w + c * d / 2 for w, c, d in zip(before, ratios, moved, strict=True)]]
    what = f"c = {case.factor:g}"
    return workbench.compare(
        times, expected, names=workbench.names_of(case), allowed=allowed, start=before, rivals=rivals, what=what
    )


def _linear(domain: Domain) -> Domain:
    """Return the domain without the options under which a displacement is not linear in the learning rate."""
    kept = {key: value for key, value in domain.options.items() if key not in domain.nonlinear}
    return replace(domain, options=kept)


def _last_step(
    subject: FedSubject, case: UpdateCase, factor: float, also: Sequence[str]
) -> tuple[Weights, Weights, list[float | None], list[float]]:
    """Run a case with the rate of its last step, and ``also`` other numbers, multiplied by a factor.

    Returns the weights before and after the last step, the rates that the subject shows there (it may have rounded them
    to float32), and the largest step of every tensor so far.
    """
    run = subject.start(case.tensors, case.plan)
    seen = [run.weights()]
    for t, gradients in enumerate(case.gradients, start=1):
        if t == len(case.gradients):
            run.scale_rate(factor, also)
        rates = run.rates()
        run.step(gradients)
        seen.append(run.weights())
    sizes = [max(float(abs(b[i] - a[i]).max(initial=0.0)) for a, b in pairwise(seen)) for i in range(len(case.tensors))]
    return seen[-2], seen[-1], rates, sizes


def _linear_allowance(w: Array, size: float, c: float, precision: int) -> Array:
    """Return how far c times a displacement may be off.

    The difference w' - w carries the rounding of w', and c multiplies it. The rule itself rounds a few times. The terms
    of a displacement may cancel, so each is taken to be as large as the tensor's largest step, ``size``.
    """
    u = workbench.decisions.unit(precision)
    return (c + 1) * workbench.decisions.ULP * u * (abs(w) + size) + workbench.decisions.RULE_ROUNDING * u * c * size


@clause(
    id="step.descends",
    statement="For a small enough learning rate one step lowers the loss.",
    source="J(w - ηg) = J(w) - η|g|² + O(η²); Armijo 1966, doi:10.2140/pjm.1966.16.1.",
    decision="gdprops picks the learning rate: the largest one at which a step along the rule's own first direction "
    "satisfies Armijo's condition and lowers J by at least four roundings of J. The subject's step at this rate "
    "must lower J. Without such a rate the example is not decisive. It is also a violation if the first step ends "
    "at weights that are not finite, both at the case's own rate and at 2^-40 of it; this is tried again with one "
    "tensor's gradient set to zero.",
    view=View.OPTIMIZER,
    refuted_by=("sgd-sign-flipped", "divides-by-a-root-of-zero"),
    cases=lambda domain: workbench.loops(
        domain, workbench.Loop(least_steps=1, most_steps=1, groups=False, own_rate=False, double=True)
    ),
    needs=Needs(traits=(FED, REPEATABLE, LINEAR, DOUBLE), rate=True),
    claim=True,
)
def descends(subject: FedSubject, case: TrainCase) -> Evidence:
    if lost := _never_finite(subject, case):
        return lost
    rate = _descending_rate(subject, case)
    if isinstance(rate, str):
        return workbench.vacuous(rate)
    losses = _losses(subject, case, rate)
    if not losses[1] < losses[0] and _further_rates(subject, case):
        return workbench.vacuous(SEVERAL_RATES)
    return _require_fall(losses[1] < losses[0], case, rate, losses, losses[0])


def _never_finite(subject: FedSubject, case: TrainCase) -> Evidence | None:
    """Return a violation if the first step ends at non-finite weights, both at the case's rate and at 2^-40 of it."""
    gradients = workbench.oracle(case, case.tensors, 0)
    if not workbench.are_finite(g for g in gradients if g is not None):
        return None
    own = (case.plan.rates or (1.0,))[0]
    rates = (own, own * workbench.decisions.VANISHING_RATE)
    for fed, said in _with_a_dead_tensor(case, gradients):
        if not any(workbench.are_finite(_stepped(subject, _at_rate(case, rate), fed)) for rate in rates):
            tried = " and at η = ".join(f"{rate:g}" for rate in rates)
            told = f"at η = {tried} the first step ends at weights that are not finite{said}"
            return workbench.violation(told, demand=workbench.FINITE)
    return None


def _with_a_dead_tensor(case: TrainCase, gradients: Gradients) -> Iterator[tuple[Gradients, str]]:
    """Yield gradients, each with a note for messages: those given, then with the first nonzero tensor's set to zero.

    Nothing is yielded where all gradients are zero, and no second pair where only one tensor has a nonzero gradient.
    """
    alive = [i for i, g in enumerate(gradients) if g is not None and g.any()]
    if alive:
        yield gradients, ""
    if len(alive) > 1:
        dead = [g * 0 if i == alive[0] and g is not None else g for i, g in enumerate(gradients)]
        yield dead, f" (the gradient of {case.network.names[alive[0]]} set to zero)"


def _stepped(subject: FedSubject, case: TrainCase, gradients: Gradients) -> Weights:
    run = subject.start(case.tensors, case.plan)
    run.step(gradients)
    return run.weights()


def _at_rate(case: TrainCase, rate: float) -> TrainCase:
    return replace(case, plan=replace(case.plan, rates=(rate,) * len(case.plan.groups)))


def _descending_rate(subject: FedSubject, case: TrainCase) -> float | str:
    """Return the largest rate at which a step in the rule's first direction descends, or a sentence why there is none.

    The direction is -g for plain gradient descent, else the displacement of the subject's own first step.
    """
    g = workbench.oracle(case, case.tensors, 0)
    zeros = [w * 0 for w in case.tensors]
    if declares_plain(subject.rule, subject.traits) or subject.traits.plain == "yes":
        direction, unit = [z if x is None else -x for x, z in zip(g, zeros, strict=True)], 1.0
    else:
        stepped, unit = _stepped(subject, case, g), (case.plan.rates or (1.0,))[0]
        direction = [b - a for a, b in zip(case.tensors, stepped, strict=True)]
    slope = sum(float((x * d).sum()) for x, d in zip(g, direction, strict=True) if x is not None)
    if slope > 0:
        return "maximize is set" if subject.settings.get("maximize") else CLIMBS
    share = workbench.armijo_rate(case, case.tensors, direction, slope)
    return "no rate lowers the loss clearly along the rule's first step" if share is None else share * unit


def _losses(subject: FedSubject, case: TrainCase, rate: float) -> list[float]:
    seen, _ = workbench.train(subject, _at_rate(case, rate))
    return workbench.losses_along(case, seen)


def _require_fall(falls: bool, case: TrainCase, rate: float, losses: Sequence[float], before: float) -> Evidence:
    """Return agreement where the losses fall as they must, else a violation; ``before`` is the loss to fall below."""
    if falls:
        return workbench.agreement()
    told = f"at η = {rate:g} the loss goes {_shown(losses)}"
    return workbench.violation(told, demand=workbench.must_fall(case.network, case.batches[0], before))


def _shown(losses: Sequence[float]) -> str:
    return " → ".join(f"{loss:.17g}" for loss in losses)


@clause(
    id="step.trains",
    statement="On one fixed batch plain gradient descent at a small enough rate lowers the loss at every step.",
    source="Armijo's condition (Armijo 1966, doi:10.2140/pjm.1966.16.1) at every step of the loop.",
    decision="gdprops picks a learning rate at which its own plain gradient descent satisfies Armijo's condition at "
    "each of 3 to 5 steps. With this rate the subject's loss must fall at every step. Without such a rate the "
    "example is not decisive. Of a training step or of hand-written backprop: wherever U(w, g(w), s) lowers the "
    "loss clearly, the step must lower it too.",
    view=View.OPTIMIZER,
    refuted_by=("sgd-climbs-after-a-while", "sgd-sign-flipped", "climbs"),
    cases=lambda domain: workbench.loops(domain, LOOP_ON_ONE_BATCH()),
    needs=Needs(traits=(FED, DOUBLE), plain=True, rate=True),
    claim=True,
)
def trains(subject: FedSubject, case: TrainCase) -> Evidence:
    rate = workbench.training_rate(case)
    if rate is None:
        return workbench.vacuous("no rate lowers the loss clearly at every step")
    losses = _losses(subject, case, rate)
    rise = next((before for before, after in pairwise(losses) if not after < before), losses[0])
    falls = all(after < before for before, after in pairwise(losses))
    return _require_fall(falls, case, rate, losses, rise)


def LOOP_ON_ONE_BATCH() -> Loop:  # noqa: N802 - a constant that loads its class late
    return workbench.Loop(least_steps=3, most_steps=4, groups=False, own_rate=False, same_batch=True, double=True)


@clause(
    id="step.loss-falls",
    statement="On one fixed batch a short loop at a small rate ends with a lower loss than it began with.",
    source="The purpose of every training loop; with momentum or Adam the loss may rise in between.",
    decision="The subject takes 3 or 4 steps at 1/16 of the largest learning rate at which its first step satisfies "
    "Armijo's condition. The last loss must be below the first. Without such a rate the example is not decisive. Of "
    "a training step: wherever U(w, g(w), s) lowers the loss clearly, the step must lower it too.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("adam-climbs-after-a-while",),
    cases=lambda domain: workbench.loops(domain, LOOP_ON_ONE_BATCH()),
    needs=Needs(traits=(FED, REPEATABLE, LINEAR, DOUBLE), plain=False, rate=True),
)
def loss_falls(subject: FedSubject, case: TrainCase) -> Evidence:
    largest = _descending_rate(subject, case)
    if isinstance(largest, str):
        return workbench.vacuous(largest)
    rate = largest * workbench.decisions.LOOP_SHARE
    losses = _losses(subject, case, rate)
    if not losses[-1] < losses[0] and _further_rates(subject, case):
        return workbench.vacuous(SEVERAL_RATES)
    return _require_fall(losses[-1] < losses[0], case, rate, losses, losses[0])


CLAUSES = (linear_in_lr, descends, trains, loss_falls)
