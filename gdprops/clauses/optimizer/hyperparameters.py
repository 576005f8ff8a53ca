"""Chapter optimizer, continued: every hyperparameter acts, invalid ones are rejected, and declarations are true.

`optimizer.hyperparameters-act` is decided over a whole run, not by an example: a hyperparameter that changes nothing in
one example may be silent there for a good reason (betas act from step 2 on), but not in all of them. Before that is
called a violation, the hyperparameter is tried under more costly circumstances (`_acts_elsewhere`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdprops.clauses.support.fed_subjects import FED, REPEATABLE
from gdprops.clauses.support.lazy import lazy
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.clause import Level, Needs, View, clause
from gdprops.model.optional_hyperparameters import FURTHER_OPTIONS, RATE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gdprops.clauses.support import workbench
    from gdprops.clauses.support.optimizer_runs import Weights
    from gdprops.model.case import Plan, UpdateCase
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject, Run
else:
    workbench = lazy("gdprops.clauses.support.workbench")


@clause(
    id="optimizer.hyperparameters-act",
    statement="Every hyperparameter whose meaning is published changes something. A learning rate that acts when it "
    "is given to the constructor also acts when it is changed in param_groups.",
    source="ml-explore/mlx#440: SGD with momentum 0 ignores weight decay. A learning rate that is read only by the "
    "constructor.",
    decision="Decided once per run. In every example each of these hyperparameters is changed, the others staying "
    "as the user has them: weight_decay, momentum, eps, every one of the betas (also as beta, beta1, …), lr_decay, "
    "momentum_decay, amsgrad, centered and the learning rate. A hyperparameter is silent if the change alters "
    "no weight. One that is silent in all decisive examples, which must be at least ten and half of all, is tried in "
    "further runs, because some rules use a hyperparameter only there: 1200 steps with matrices of at least 48 by 48 "
    "entries; calls, after every step, of the optimizer's own methods that read the hyperparameter (Sophia's "
    "update_hessian()); and the same steps with weight decay, with another switch turned, or with 'none' for a "
    "hyperparameter that is a word (but for the learning rate, which must act where the constructor's does). It "
    "is a violation if the hyperparameter is silent in all of these too.",
    view=View.OPTIMIZER,
    refuted_by=(
        "weight-decay-ignored-without-momentum",
        "rate-read-at-construction",
        "decay-rate-is-a-constant",
        "amsgrad-does-nothing",
        "amsgrad-keeps-a-maximum-of-zero",
        "keeps-a-momentum-that-moves-nothing",
    ),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(least_steps=7, most_steps=8, zeros=False, groups=False, own_rate=False, options=False)
    ),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def hyperparameters_act(subject: FedSubject, case: UpdateCase) -> Evidence:
    base = _played(subject, case, case.plan)
    if not workbench.differ(base[0][-1], case.tensors):
        return workbench.vacuous("nothing moves")
    plans = dict(_changed(subject, case))
    silent = [label for label, plan in plans.items() if _goes_the_same_way(subject, case, plan, base[0])]
    return workbench.unanswered(silent, lambda label: _acts_elsewhere(subject, case, label, plans[label]))


@clause(
    id="optimizer.options-act",
    statement="Every numeric option has an effect.",
    source="ReaLLMASIC/ReaLLM-Forge#479: the k and alpha of a Lookahead whose synchronization is unreachable.",
    decision="Every numeric option that optimizer.hyperparameters-act does not know, at its half and its double in "
    "turn: it must change the weights or the state in some example, or in 1200 steps with larger matrices, or after "
    "calls of the optimizer's own methods, or with a switch turned. An option that is 0 may switch something off, "
    "and one of more than 1200 may be a number of steps: neither is asked.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("lookahead-never-synchronizes",),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(least_steps=7, most_steps=8, zeros=False, groups=False, own_rate=False, options=False)
    ),
    needs=Needs(traits=(FED, REPEATABLE), feature=FURTHER_OPTIONS),
    since=2,
)
def options_act(subject: FedSubject, case: UpdateCase) -> Evidence:
    base = _played(subject, case, case.plan)
    if not workbench.differ(base[0][-1], case.tensors):
        return workbench.vacuous("nothing moves")
    plans = dict(_unknown_options(subject, case))
    played = {label: _played_if_taken(subject, case, plan) for label, plan in plans.items()}
    silent = [label for label, found in played.items() if _alike(found, base, state=True)]
    return workbench.unanswered(silent, lambda label: _acts_elsewhere(subject, case, label, plans[label], state=True))


def _unknown_options(subject: FedSubject, case: UpdateCase) -> Iterator[tuple[str, Plan]]:
    """Yield every numeric option of unpublished meaning with a plan in which it has another value."""
    for name, value in subject.settings.items():
        if name in workbench.decisions.ALTERNATIVES or name in RATE_NAMES or not workbench.decisions.may_act(value):
            continue
        for label, others in workbench.alternatives(name, value).items():
            yield label, _with(case.plan, **{name: others[case.order[0] % len(others)]})


def _goes_the_same_way(subject: FedSubject, case: UpdateCase, plan: Plan, base: Sequence[Weights]) -> bool:
    """Say whether a plan changes no weight; its run ends where it changes one, for that is all that is asked."""
    try:
        run = subject.start(case.tensors, plan)
        if workbench.differ(run.weights(), base[0]):
            return False
        for step, expected in zip(case.gradients, base[1:], strict=True):
            run.step(step)
            if workbench.differ(run.weights(), expected):
                return False
    except (SubjectCrash, Unsupported):
        return False
    return True


RATE_IN_GROUPS = "lr (in param_groups)"
Played = tuple["list[Weights]", bytes]


def _alike(changed: Played | None, base: Played, *, state: bool = False) -> bool:
    """Say whether a run did what the other did; of one that was refused nothing is known.

    A published hyperparameter is there to change the weights: a momentum that is kept and never used is state as well.
    ``state``: a change of the state alone counts too.
    """
    if changed is None or any(map(workbench.differ, changed[0], base[0])):
        return False
    return not state or changed[1] == base[1]


def _changed(subject: FedSubject, case: UpdateCase) -> Iterator[tuple[str, Plan]]:
    """Yield a label and a plan for every published hyperparameter: in the plan it has another value.

    Of several epsilons only the first is changed. It guards a division; the meaning of the others depends on the rule.
    """
    for name, value in subject.settings.items():
        if name in workbench.decisions.ALTERNATIVES:
            for label, others in workbench.alternatives(name, value).items():
                if name != "eps" or label in ("eps", "eps[0]"):
                    yield label, _with(case.plan, **{name: others[case.order[0] % len(others)]})
    for name in workbench.decisions.SWITCHES:
        if isinstance(subject.settings.get(name), bool):
            yield name, _with(case.plan, **{name: not subject.settings[name]})
    if case.plan.rates is not None and _rate_acts(subject, case):
        yield RATE_IN_GROUPS, replace(case.plan, rates=tuple(rate / 2 for rate in case.plan.rates))


def _with(plan: Plan, **changed: Any) -> Plan:
    return replace(plan, options={**plan.options, **changed})


def _acts_elsewhere(subject: FedSubject, case: UpdateCase, label: str, plan: Plan, *, state: bool = False) -> bool:
    """Say whether what was silent acts in other circumstances, asked in the order of what they cost.

    A learning rate that acts when the constructor is given it must act in the same circumstances: that a decay beside
    the step is scaled by it says nothing of the step.
    """
    return (
        (label != RATE_IN_GROUPS and _acts_beside(subject, case, plan, label, state=state))
        or _apart(*_both_played(subject, case, plan, calling=label.partition("[")[0]), state=state)
        or _acts_later(subject, case, plan, state=state)
    )


def _acts_beside(subject: FedSubject, case: UpdateCase, plan: Plan, label: str, *, state: bool) -> bool:
    """Say whether a plan changes anything with a decay (LARS divides by norms only there), or a switch turned.

    LARS divides by norms only with weight decay. AdaBelief does not use its maximum while it rectifies. A
    hyperparameter that is a word is a switch too: RangerVA uses its epsilon only if its transformer is not 'softplus'.
    """
    others: dict[str, Any] = {"weight_decay": workbench.decisions.ALTERNATIVES["weight_decay"][0]}
    if label.partition("[")[0] in others:
        others.clear()
    others |= {name: not value for name, value in subject.settings.items() if isinstance(value, bool)}
    others |= {name: "none" for name, value in subject.settings.items() if isinstance(value, str)}
    return any(_apart(*_both_played(subject, case, plan, {name: value}), state=state) for name, value in others.items())


def _both_played(
    subject: FedSubject, case: UpdateCase, plan: Plan, options: Mapping[str, Any] = {}, calling: str = ""
) -> tuple[Played | None, Played | None]:
    one, other = (_played_if_taken(subject, case, _with(each, **options), calling) for each in (case.plan, plan))
    return one, other


def _apart(one: Played | None, other: Played | None, *, state: bool = False) -> bool:
    """Say whether two runs that were both taken did not do the same."""
    return one is not None and other is not None and not _alike(other, one, state=state)


def _acts_later(subject: FedSubject, case: UpdateCase, plan: Plan, *, state: bool) -> bool:
    """Say whether a plan changes anything in a long run with larger matrices.

    Some rules wait for hundreds of steps, or treat small matrices as vectors.
    """
    longer = workbench.with_a_matrix(case)
    tensors = [workbench.enlarged(w) for w in longer.tensors]
    gradients = workbench.each_gradient(longer, workbench.enlarged)
    plans = [replace(each, groups=longer.plan.groups) for each in (case.plan, plan)]
    try:
        return _part_ways([subject.start(tensors, each) for each in plans], gradients, state=state)
    except (SubjectCrash, Unsupported):
        return True


def _part_ways(runs: Sequence[Run], gradients: Sequence[Sequence[Any]], *, state: bool) -> bool:
    """Say whether two runs, fed the same gradients over and over, come to differ while their weights are finite."""
    for t in range(workbench.decisions.LATEST_STEP):
        for run in runs:
            run.step(gradients[t % len(gradients)])
        one, other = (run.weights() for run in runs)
        if workbench.differ(one, other):
            return bool(workbench.are_finite([*one, *other]))
    if state and runs[0].remembered() != runs[1].remembered():
        return True
    for run in runs:
        run.evaluate()  # averages are the weights of evaluation
    return workbench.differ(*(run.weights() for run in runs))


def _rate_acts(subject: FedSubject, case: UpdateCase) -> bool:
    """Say whether the learning rate of the constructor acts; some rules use a schedule of their own instead."""
    left, rates = replace(case.plan, rates=None), workbench.decisions.RATES_AT_CONSTRUCTION
    one, other = (_played_if_taken(subject, case, _with(left, lr=rate)) for rate in rates)
    return _apart(one, other)


def _played_if_taken(subject: FedSubject, case: UpdateCase, plan: Plan, calling: str = "") -> Played | None:
    try:
        return _played(subject, case, plan, calling)
    except (SubjectCrash, Unsupported):
        return None


def _played(subject: FedSubject, case: UpdateCase, plan: Plan, calling: str = "") -> Played:
    """Return the weights at every step, and a digest of the state at the end.

    ``calling``: a hyperparameter; after every step the subject's own methods that read it are called.
    """
    run = subject.start(case.tensors, plan)
    seen = [run.weights()]
    for step in case.gradients:
        run.step(step)
        if calling:
            run.call_readers(calling)
        seen.append(run.weights())
    return seen, run.remembered()


@clause(
    id="optimizer.rejects-invalid",
    statement="A hyperparameter outside its range raises an exception before anything moves.",
    source="torch.optim: a negative learning rate, decay, momentum or epsilon, or a beta of 1 or more, raises "
    "ValueError.",
    decision="Each invalid value is tried by itself. The constructor or the first step must raise, or no weight may "
    "move.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("takes-any-rate",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=2, options=False, zeros=False)),
    needs=Needs(traits=(FED,), torch=True),
)
def rejects_invalid(subject: FedSubject, case: UpdateCase) -> Evidence:
    tried = workbench.invalid(subject.settings)
    if not tried:
        return workbench.vacuous("its signature has no hyperparameter with a known range")
    taken = [(name, value) for name, value in tried if _moves_with(subject, case, name, value)]
    said = ", ".join(f"{name}={value!r}" for name, value in taken)
    still = workbench.Demand("seen == before")
    return workbench.require(not taken, f"accepted, and the weights move: {said}", still)


def _moves_with(subject: FedSubject, case: UpdateCase, name: str, value: Any) -> bool:
    plan = replace(case.plan, options={name: value}, rates=None)
    try:
        seen = workbench.feed(subject, case, plan, gradients=case.gradients[:1])
    except (SubjectCrash, Unsupported):
        return False
    return workbench.differ(seen[-1], seen[0])


@clause(
    id="optimizer.descends-by-default",
    statement="With its default hyperparameters an optimizer does not climb |w|².",
    source="Released optimizers whose default arguments climb |w|² in their first steps.",
    decision="Ten steps are taken on the gradient of ½ c |w|², from weights that are at least 100 times as long as "
    "the first step. |w|² must not be larger at the end than at the start. An example is decisive when something "
    "moves.",
    level=Level.RECOMMENDED,
    view=View.OPTIMIZER,
    refuted_by=("sgd-sign-flipped", "climbs-while-it-warms-up"),
    cases=lambda domain: workbench.feeds(
        domain, workbench.Feed(most_steps=2, options=False, groups=False, zeros=False)
    ),
    needs=Needs(traits=(FED, REPEATABLE)),
)
def descends_by_default(subject: FedSubject, case: UpdateCase) -> Evidence:
    if subject.settings.get("maximize"):
        return workbench.vacuous("maximize is set")
    scale, curvature = workbench.decisions.DEFAULT_SCALES[case.order[0] % len(workbench.decisions.DEFAULT_SCALES)]
    for softer in workbench.decisions.DEFAULT_SOFTER:
        sizes = _sizes_along(subject, case, scale, curvature * softer)
        if sizes:
            break
    else:
        return workbench.vacuous("the first step is longer than a hundredth of the weights")
    if sizes[-1] == sizes[0]:
        return workbench.vacuous("nothing moved")
    told = f"|w|² goes {sizes[0]:.9g} → {sizes[1]:.9g} → … → {sizes[-1]:.9g}"
    smaller = workbench.Demand(f"sum(np.square(w).sum() for w in seen) < {sizes[0]!r}", ("import numpy as np",))
    return workbench.require(sizes[-1] < sizes[0], told, smaller)


def _sizes_along(subject: FedSubject, case: UpdateCase, scale: float, curvature: float) -> list[float]:
    """Return |w|² before every step and at the end; an empty list if the first step is not small beside w."""
    start = [workbench.array(w * scale, like=w) for w in case.tensors]
    run, sizes = subject.start(start, replace(case.plan, rates=None)), list[float]()
    for t in range(workbench.decisions.DEFAULT_STEPS):
        before = run.weights()
        sizes.append(workbench.square(before))
        run.step([workbench.array(w * curvature, like=w) for w in before])
        if t == 0 and not _is_small(run.weights(), before):
            return []
    return [*sizes, workbench.square(run.weights())]


def _is_small(after: Weights, before: Weights) -> bool:
    moved = workbench.square([a - b for a, b in zip(after, before, strict=True)])
    return bool(moved * workbench.decisions.DEFAULT_DISTANCE**2 <= workbench.square(before))


@clause(
    id="optimizer.traits-as-declared",
    statement="The traits that the owner of a subject declares are those that the probe measures.",
    source="A declaration switches clauses off, so a wrong one would hide a bug.",
    decision="Every declared trait, also one that a declared rule implies, is compared with the measurement on the "
    "probe's own tensors and gradients. Whether a trait holds on other tensors is decided by the clauses that it "
    "switches on.",
    view=View.OPTIMIZER,
    refuted_by=("declares-what-it-is-not",),
    cases=lambda domain: workbench.feeds(domain, workbench.Feed(most_steps=2, options=False)),
    needs=Needs(declared=True),
)
def traits_as_declared(subject: FedSubject, case: UpdateCase) -> Evidence:
    return workbench.require(not subject.traits.conflicts, "; ".join(subject.traits.conflicts))


CLAUSES = (hyperparameters_act, options_act, rejects_invalid, descends_by_default, traits_as_declared)
