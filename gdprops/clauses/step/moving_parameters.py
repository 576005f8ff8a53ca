"""Chapter step, continued: which parameters move in a step, and which must stay.

How far a parameter moves is judged elsewhere (step.plain, step.simultaneous). Here only moved or not moved counts, so
that a parameter that was forgotten is found also under rules whose result cannot be predicted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE, SEPARABLE, same_steps
from gdprops.clauses.support.lazy import lazy
from gdprops.model.clause import Needs, View, clause
from gdprops.model.traits import declares_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.arrays import Array
    from gdprops.model.case import UpdateCase
    from gdprops.model.evidence import Demand, Evidence, Location
    from gdprops.model.subject import FedSubject
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="step.moves-all",
    statement="A parameter moves if and only if the update rule moves it: all of them in the same step, none in a "
    "later one.",
    source="huggingface/accelerate#2665: the optimizer holds other tensors than the model. pytorch/pytorch#110454: "
    "a loop over the parameters returns early.",
    decision="It is compared which entries move, not how far. An optimizer that is declared plain gradient descent "
    "is compared with w - η g; any other with the same optimizer on that tensor alone (flattened, if the rule works "
    "entry by entry). Entries that move, and should move, by less than 4 ulp are undecided. An example is decisive "
    "when any entry should move. Of a training step: a parameter that U moves by more than the allowed 16 noise "
    "floors in some step must be seen to move in some step, and a parameter without a gradient that U leaves alone "
    "must stay. A parameter that the optimizer does not hold is taken to rest on purpose, unless the optimizer "
    "holds no parameter of the model, or unless in no step of any example anything moves.",
    view=View.OPTIMIZER,
    refuted_by=(
        "skips-vectors",
        "moves-one-tensor-per-step",
        "sgd-forgets-the-last",
        "stops-at-a-dead-tensor",
        "moves-dead-entries",
        "holds-other-tensors",
        "rule-forgets-the-last",
        "trains-a-copy",
        "forgets-the-first-layer",
        "decays-the-unused",
        "hooks-share-the-last-part",
        "holds-only-what-is-frozen",
    ),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(own_rate=False, longest=12)),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE)),
    claim=True,
)
def moves_all(subject: FedSubject, case: UpdateCase) -> Evidence:
    seen = workbench.feed(subject, case)
    by_rule = declares_plain(subject.rule, subject.traits) and not case.plan.options
    expected = _by_the_rule(subject, case, seen) if by_rule else _alone(subject, case)
    return workbench.combine(_moved_alike(case, seen[t - 1], seen[t], expected[t], t) for t in range(1, len(seen)))


Stops = dict[int, list[tuple["Array", "Array"]]]
"""By step, the weights of every tensor before and after the step, as they are expected."""


def _by_the_rule(subject: FedSubject, case: UpdateCase, seen: Sequence[Weights]) -> Stops:
    rates = workbench.effective_rates(subject, case.plan, subject.start(case.tensors, case.plan))
    found: Stops = {}
    for t, step in enumerate(case.gradients, start=1):
        pairs = zip(seen[t - 1], step, rates, strict=True)
        found[t] = [(w, w if g is None else w - w.dtype.type(eta) * g) for w, g, eta in pairs]
    return found


def _alone(subject: FedSubject, case: UpdateCase) -> Stops:
    flattened = subject.traits["separability"] == "element" and subject.traits.accepts("shapes", "1")
    ways = [
        workbench.feed_alone(subject, w, [step[i] for step in case.gradients], case.plan, i, flattened=flattened)
        for i, w in enumerate(case.tensors)
    ]
    return {t: [(way[t - 1], way[t]) for way in ways] for t in range(1, len(case.gradients) + 1)}


def _moved_alike(
    case: UpdateCase, before: Weights, after: Weights, expected: Sequence[tuple[Array, Array]], step: int
) -> Evidence:
    """Compare which entries moved in one step with which entries should have moved, not how far they moved."""
    stops = zip(before, after, expected, strict=True)
    pairs = [_which_moved(b, a, w, e, case.precision) for b, a, (w, e) in stops]
    did, should = [d for d, _ in pairs], [s for _, s in pairs]
    names, what = workbench.names_of(case), "1 means that an entry moves"
    found = workbench.compare(did, should, names=names, step=step, what=what)
    if found.violated and found.location is not None:
        found = replace(found, demand=_must_move(found.location, names))
    moves = any(s.any() for s in should)
    return found if found.violated or moves else workbench.vacuous("the rule moves nothing in this example")


def _must_move(location: Location, names: Sequence[str]) -> Demand:
    """Return the demand that the worst entry moves, or that it rests."""
    index = "".join(f"[{k}]" for k in (names.index(location.parameter), *location.index))
    return workbench.Demand(f"seen{index} {'!=' if location.expected == '1.0' else '=='} before{index}")


def _which_moved(before: Array, after: Array, w: Array, expected: Array, precision: int) -> tuple[Array, Array]:
    """Return which entries moved and which should have, each as 1 or 0.

    An entry that moves, and should move, by less than 4 ulp is undecided: it counts as 0 on both sides.
    """
    ulp = workbench.decisions.ULP * workbench.decisions.unit(precision)
    # A sum may be 0 in one order of its terms and an ulp of the terms in another order: the tensor's largest
    # displacement stands for the terms.
    reach = abs(expected - w).max(initial=0.0)
    least = workbench.decisions.UNDECIDED_MOVE * ulp * (abs(w) + reach)
    clear = (abs(expected - w) >= least) | (abs(after - before) >= least)
    return ((after != before) & clear) * 1, ((expected != w) & clear) * 1


@clause(
    id="step.frozen-untouched",
    statement="A parameter with requires_grad=False stays the same byte for byte, and the others move as if it did "
    "not exist.",
    source="ahrefs/ocannl#673: frozen parameters decay at every step and enter the global norm.",
    decision="The optimizer holds one frozen tensor beside others. After every step all tensors must have the same "
    "bytes as in a run in which the optimizer does not hold the frozen one. An example is decisive when the "
    "gradient that the frozen tensor would have had is not zero, and another tensor moves. Of a training step: the "
    "frozen parameters must keep their bytes.",
    view=View.OPTIMIZER,
    refuted_by=("decays-frozen-parameters", "frozen-enter-the-norm", "decays-the-frozen", "unfreezes-in-the-step"),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(frozen=True)),
    needs=Needs(traits=(FED, REPEATABLE), torch=True, frozen=True),
)
def frozen_untouched(subject: FedSubject, case: UpdateCase) -> Evidence:
    (frozen,) = case.plan.frozen
    fed = [[None if i == frozen else g for i, g in enumerate(step)] for step in case.gradients]
    names, seen = workbench.names_of(case), workbench.feed(subject, case, gradients=fed)
    without = [tuple(i for i in group if i != frozen) for group in case.plan.groups]
    kept = [k for k, group in enumerate(without) if group]
    if len(kept) < len(without):
        return workbench.vacuous("the frozen parameter is a group of its own: without it there is one group fewer")
    rates = None if case.plan.rates is None else tuple(case.plan.rates[k] for k in kept)
    plan = replace(case.plan, groups=tuple(without[k] for k in kept), rates=rates, frozen=frozenset())
    expected = workbench.feed(subject, case, plan, gradients=fed)
    hypothetical = case.gradients[0][frozen]
    if hypothetical is None or not hypothetical.any() or not workbench.differ(expected[-1], case.tensors):
        return workbench.vacuous("the frozen parameter would have had a zero gradient, or no other parameter moves")
    return same_steps(names, seen, expected, f"{names[frozen]} is frozen")
