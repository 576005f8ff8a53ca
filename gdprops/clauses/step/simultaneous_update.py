"""Chapter step, first part: one step moves all parameters, and every gradient is taken before anything moves.

A step must end at U(w, g(w), s): the update rule U, given the weights w, the gradient g(w) at these very weights, and
the state s. Most faults that these clauses find take one gradient after another parameter has already moved.
Example: J = ½ (w1 w2)² at w = (1, 1) has g = (1, 1). With η = ½ a step ends at (½, ½). Code that moves w1 first and
then computes the gradient of w2 ends at (½, ⅞).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.clauses.step.moving_parameters import frozen_untouched, moves_all
from gdprops.clauses.support.fed_subjects import FED, REPEATABLE, SEPARABLE, but_for_rounding, moving
from gdprops.clauses.support.independent_copies import copies_agree
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import Unsupported
from gdprops.model.clause import Level, Needs, View, clause
from gdprops.model.traits import declares_plain
from gdprops.model.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import TrainCase, UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Gradients, Look
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="step.simultaneous",
    statement="One step equals U(w, g(w), s): every gradient is taken at the weights that the forward pass used.",
    source="The definition of gradient descent. joelgrus/data-science-from-scratch#31 and many courses update one "
    "layer before they compute the gradient of the next layer.",
    decision="Of an optimizer, two comparisons are made. First, step(closure), whose closure computes the gradient "
    "at the current weights, must end exactly (==) where the step that is fed g(w) ends. Second, where the rule "
    "works on entries or tensors separately, the joint step must end exactly where independent copies of the "
    "optimizer end, one copy for each tensor, fed with the same gradients. A rule that works on whole tensors may "
    "differ by rounding in the second comparison, because it may compute several tensors of one shape in one batch. "
    "The run ends before a gradient whose |g|² overflows. An example is decisive when a sweep that moves the last "
    "layer first ends elsewhere, or when the copies move anything. Of a training step or of hand-written backprop, "
    "every step is compared with U(w, g(w), s), within 16 noise floors or the error of the numerical derivative; an "
    "example is decisive when that sweep clearly ends elsewhere.",
    view=View.OPTIMIZER,
    refuted_by=(
        "looks-again-for-each-tensor",
        "moves-before-it-looks",
        "reads-its-updated-neighbour",
        "last-tensor-moves-first",
        "looks-at-its-first-closure-only",
        "rule-reads-its-updated-neighbour",
        "last-layer-first",
        "writes-before-backward",
        "layer-by-layer",
        "layer-by-layer-slowly",
        "looks-again-between-optimizers",
        "clears-its-state",
        "makes-a-new-optimizer",
        "second-half-looks-late",
        "biases-after-weights",
        "weight-by-weight",
        "backprops-through-moved-weights",
        "decays-before-it-looks",
        "decays-the-moved-weights",
        "moves-by-its-updated-neighbour",
        "counts-once-per-tensor",
        "counts-one-ahead",
        "averages-in-copies",
        "forgets-the-decay",
        "deposits-the-first-twice",
    ),
    cases=lambda domain: workbench.loops(domain, workbench.Loop(options=True, longest=12)),
    needs=Needs(traits=(FED, REPEATABLE)),
    claim=True,
)
def simultaneous(subject: FedSubject, case: TrainCase) -> Evidence:
    seen, fed = workbench.train(subject, case)
    if not fed:
        return workbench.vacuous("|g|² overflows at the first step")
    parts = [_closure_agrees(subject, case, seen, fed)] if subject.traits["inputs"] != "loss" else []
    if subject.traits["separability"] in SEPARABLE[1]:
        parts.append(copies_agree(subject, case, seen, fed))
    return workbench.combine(parts)


def _closure_agrees(
    subject: FedSubject, case: TrainCase, seen: Sequence[Weights], fed: Sequence[Gradients]
) -> Evidence:
    """Compare step(closure) with the step fed with g(w); the closure computes its gradient at the current weights."""
    run, parts = subject.start(case.tensors, case.plan), []
    names, rival = case.network.names, _sweep_rival(subject, case, seen[1], fed[0])
    for t in range(len(fed)):
        try:
            run.step_closure(_look(case, t))
        except Unsupported as reason:
            return workbench.vacuous(str(reason))
        evidence = workbench.compare(
            run.weights(),
            seen[t + 1],
            names=names,
            start=seen[t],
            rivals=rival if t == 0 else [],
            step=t + 1,
            what="step(closure), against the step fed with g(w)",
        )
        parts.append(evidence if (t == 0 and rival) or evidence.violated else workbench.vacuous(""))
    return workbench.combine(parts)


def _look(case: TrainCase, t: int) -> Look:
    return lambda weights: (workbench.loss_of(case, weights, t), workbench.oracle(case, weights, t))


def _sweep_rival(subject: FedSubject, case: TrainCase, stepped: Weights, fed: Gradients) -> list[Weights]:
    """Return the weights after a first step that moves the last layer before it computes the other gradients.

    The list holds these weights as its only rival; it is empty where |g|² of the second gradients overflows.
    """
    last = case.network.layers[-1]
    own = {last.weight, last.bias}
    moved = [stepped[i] if i in own else w for i, w in enumerate(case.tensors)]
    again = workbench.oracle(case, moved, 0)
    mixed = [fed[i] if i in own else g for i, g in enumerate(again)]
    if not workbench.has_finite_norm(mixed):
        return []
    run = subject.start(case.tensors, case.plan)
    run.step(mixed)
    return [run.weights()]


@clause(
    id="step.plain",
    statement="Plain gradient descent moves every weight by exactly -η g, at every step.",
    source="w' = w - η ∇J(w). huggingface/transformers#14539 decayed weights that had already moved.",
    decision="Every step is compared with w - η g, starting from the weights seen before the step. Where w - η g is "
    "exact in the case's precision, the result must be equal (==). Elsewhere it may be off by one ulp of w and two "
    "ulps of η g. The run ends before a gradient whose |g|² overflows. An example is decisive when two wrong "
    "results, staying at w and going half the way, can be told from w - η g.",
    view=View.OPTIMIZER,
    refuted_by=(
        "sgd-doubles-the-step",
        "sgd-decays-moved-weights",
        "sgd-off-by-one-millionth",
        "sgd-forgets-the-last",
        "sgd-one-entry-off-by-one-millionth",
        "sgd-sign-flipped",
        "sgd-climbs-after-a-while",
        "sgd-with-rate-squared",
        "only-the-first-group-moves",
        "rule-decays-moved-weights",
        "sgd-with-hidden-momentum",
        "sgd-clips-the-norm",
        "sgd-switches-late",
    ),
    cases=lambda domain: workbench.loops(domain, workbench.Loop(longest=100)),
    needs=Needs(traits=(FED,), plain=True),
    claim=True,
)
def plain(subject: FedSubject, case: TrainCase) -> Evidence:
    run = subject.start(case.tensors, case.plan)
    rates, parts = workbench.effective_rates(subject, case.plan, run), []
    for t in range(len(case.batches)):
        before = run.weights()
        gradients = workbench.oracle(case, before, t)
        if not workbench.has_finite_norm(gradients):
            break
        run.step(gradients)
        parts.append(
            workbench.plain_evidence(
                before,
                run.weights(),
                gradients,
                rates,
                names=case.network.names,
                precision=case.precision,
                step=t + 1,
            )
        )
    return workbench.combine(parts)


@clause(
    id="step.apply-order",
    statement="Once all gradients are computed, they may be applied block by block, in any order, with the same "
    "result.",
    source="A simultaneous update is one assignment for each parameter; the order of the assignments is not part of "
    "it.",
    decision="The tensors are divided into blocks. Every block gets an optimizer of its own; all of these "
    "optimizers exist at the same time and take turns at every step. After every step the weights must equal (==) "
    "those of one optimizer over all tensors. A rule that works on whole tensors may differ by rounding, because it "
    "may compute several tensors of one shape in one batch. An example is decisive when at least two tensors move.",
    view=View.OPTIMIZER,
    refuted_by=(
        "momentum-shared-by-shape",
        "adam-with-one-counter",
        "rule-with-one-counter",
        "sgd-clips-the-norm",
    ),
    cases=lambda domain: workbench.feeds(domain),
    needs=Needs(traits=(FED, SEPARABLE, REPEATABLE)),
    claim=True,
)
def apply_order(subject: FedSubject, case: UpdateCase) -> Evidence:
    joint, order = workbench.feed(subject, case), sorted(range(len(case.tensors)), key=lambda i: case.order[i])
    odd = [i for i in order if case.order[i] % 2]
    blocks = [block for block in ([i for i in order if i not in odd], *([i] for i in odd)) if block]
    blocks = blocks if len(blocks) > 1 else [[i] for i in order]
    if moving(case, joint) < 2:
        return workbench.vacuous("fewer than two tensors move")

    def apart(given: UpdateCase) -> list[Weights]:
        return workbench.feed_blocks(subject, given, blocks)

    expected, names = apart(case), workbench.names_of(case)
    evidence = workbench.combine(
        workbench.compare(s, e, names=names, start=joint[max(t - 1, 0)], step=t, what="joint, against block by block")
        for t, (s, e) in enumerate(zip(joint, expected, strict=True))
    )
    return but_for_rounding(evidence, subject, case, joint, expected, apart)


@clause(
    id="step.cost",
    statement="A step costs one gradient evaluation, whatever the number of layers.",
    source="One backward pass gives every partial derivative; a sweep needs one gradient evaluation for each layer.",
    decision="Every step is taken as step(closure), and the calls of the closure are counted: there must be exactly "
    "one in each step. An optimizer whose step takes no closure decides nothing.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("looks-again-for-each-tensor", "last-tensor-moves-first", "looks-at-its-first-closure-only"),
    cases=lambda domain: workbench.loops(domain),
    needs=Needs(traits=(FED,), torch=True),
    claim=True,
)
def cost(subject: FedSubject, case: TrainCase) -> Evidence:
    run = subject.start(case.tensors, case.plan)
    try:
        looks = [run.step_closure(_look(case, t)).looks for t in range(len(case.batches))]
    except Unsupported as reason:
        return workbench.vacuous(f"a step without a closure costs one gradient evaluation by construction: {reason}")
    where = f"{plural(len(looks), 'step')} over {plural(len(case.network.layers), 'layer')}"
    told = f"{', '.join(map(str, looks))} gradient evaluations in {where}"
    return workbench.require(set(looks) == {1}, told, workbench.ONE_LOOK)


@clause(
    id="step.fresh-gradient",
    statement="Step t uses the gradient of step t: not the gradient of the step before, not the sum of both, and "
    "not none.",
    source="karpathy/llm.c#548: the gradients of the first step are added twice. Training steps that forget "
    "zero_grad().",
    decision="A plain rule: every step after the first is compared with w - η g. If the first step is wrong "
    "already, step.plain says how and this clause decides nothing. An example is decisive when the results of the "
    "stale gradient, of the sum of both gradients and of no gradient can be told from w - η g. Any other rule: the "
    "second step is repeated with other second gradients, and at least one of them must change where it ends; an "
    "example in which nothing changes where it ends, not even another first gradient, is not decisive. A training "
    "step: every step after the first is compared with U(w, g(w), s). A wrong one is a violation of this clause "
    "when the stale gradient, a sum of gradients or no gradient reproduces it.",
    view=View.OPTIMIZER,
    refuted_by=(
        "sgd-with-stale-gradients",
        "sgd-adds-the-last-gradient",
        "adam-with-stale-gradients",
        "rule-adds-the-last-gradient",
        "sgd-with-hidden-momentum",
        "never-zeroes",
        "steps-before-backward",
    ),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(options=False, zeros=False)),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def fresh_gradient(subject: FedSubject, case: UpdateCase) -> Evidence:
    if declares_plain(subject.rule, subject.traits) or subject.traits.plain == "yes":
        return _fresh_by_the_rule(subject, case)
    seen = workbench.feed(subject, case)
    if not workbench.differ(seen[2], seen[1]):
        return workbench.vacuous("the second step moves nothing")
    first, second, ends = case.gradients[0], case.gradients[1], seen[2]
    if any(workbench.differ(ends, _after(subject, case, first, other)) for other in workbench.other_gradients(second)):
        return workbench.agreement()
    if all(w.size < 2 for w in case.tensors):
        return workbench.vacuous("no tensor has two entries, so no gradient can have another direction")
    pairs = zip(workbench.other_gradients(first), workbench.other_gradients(second), strict=True)
    if not any(workbench.differ(ends, _after(subject, case, *pair)) for pair in pairs):
        return workbench.vacuous("the second step ends at the same weights, whatever both gradients are")
    told = "the second step ends at the same weights when it is given another gradient"
    return workbench.violation(told, demand=workbench.MUST_DIFFER)


def _after(subject: FedSubject, case: UpdateCase, first: Gradients, second: Gradients) -> Weights:
    return workbench.feed(subject, case, gradients=[first, second])[2]


def _fresh_by_the_rule(subject: FedSubject, case: UpdateCase) -> Evidence:
    seen = workbench.feed(subject, case)
    rates = workbench.effective_rates(subject, case.plan, subject.start(case.tensors, case.plan))
    parts = [_fresh_step(case, seen, rates, t) for t in range(len(case.gradients))]
    if parts[0].violated:
        return workbench.vacuous("step 1 already fails step.plain")
    return workbench.combine(parts[1:])


def _fresh_step(case: UpdateCase, seen: Sequence[Weights], rates: Sequence[float], t: int) -> Evidence:
    now, last = case.gradients[t], case.gradients[max(t - 1, 0)]
    both = [None if a is None or b is None else a + b for a, b in zip(now, last, strict=True)]
    names, rivals = workbench.names_of(case), [last, both] if t else []
    return workbench.plain_evidence(
        seen[t], seen[t + 1], now, rates, names=names, precision=case.precision, step=t + 1, rivals=rivals
    )


CLAUSES = (
    simultaneous,
    plain,
    apply_order,
    moves_all,
    cost,
    frozen_untouched,
    fresh_gradient,
)
