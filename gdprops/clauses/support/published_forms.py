"""A subject compared with the published rule that it declares, and with every other form of that rule.

`obeys` decides the clauses of the chapter published: each step must equal the declared form of the rule. `what_instead`
explains a violation: it names the form, dialect or known mistake, that reproduces all steps that were seen, for example
"ε stands inside the square root".
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.clauses.support.optimizer_runs import effective_rates, names_of
from gdprops.errors import Unsupported
from gdprops.model.evidence import Evidence, combine, vacuous
from gdprops.numerics import decisions
from gdprops.numerics.comparison import compare, is_clearly_other
from gdprops.numerics.published.dialect_feed import Story, differ_in_principle, distinct, forms_of, reproduces
from gdprops.numerics.published.rule_hyperparameters import Bound, bind
from gdprops.numerics.published.rule_run import Bounded, Player
from gdprops.numerics.published.table import PUBLISHED, declared_rule

if TYPE_CHECKING:
    from gdprops.model.case import UpdateCase
    from gdprops.model.subject import FedSubject
    from gdprops.numerics.published.rule import Dialect, Published

HALVED = 0.5
"""The factor of the learning rate before the last step. Whether a velocity contains the rate shows only at a change."""


def obeys(subject: FedSubject, case: UpdateCase) -> Evidence:
    """Compare every step of a subject with its declared rule, each step from the weights seen before it."""
    rule, key = declared_rule(subject.rule or "")
    told = story(subject, case)
    if told is None:
        return vacuous("the learning rate in force is unknown")
    return _judged(rule, key, told, case)


def story(subject: FedSubject, case: UpdateCase) -> Story | None:
    """Return the steps of a subject on a case; None if its learning rate is neither given nor shown."""
    run = subject.start(case.tensors, case.plan)
    rates, bound = effective_rates(subject, case.plan, run), bound_of(subject, case, run.hyperparameters())
    if not all(rates):
        return None
    seen, settings = [run.weights()], []
    for t, gradients in enumerate(case.gradients):
        last = t == len(case.gradients) - 1 and run.rates()[0] is not None
        if last:
            run.scale_rate(HALVED)
        factor = HALVED if last else 1.0
        settings.append([{**b.settings, "lr": rate * factor} for b, rate in zip(bound, rates, strict=True)])
        run.step(gradients)
        seen.append(run.weights())
    return Story(seen, case.gradients, settings)


def bound_of(subject: FedSubject, case: UpdateCase, shown: list[Any]) -> list[Bound]:
    """Return the rule's hyperparameters for each tensor: as the user or the case gave them, else as they are shown."""
    rule, _ = declared_rule(subject.rule or "")
    asked = {**subject.hyperparameters, **case.plan.options}
    return [bind(rule, {**group, **{k: _in_force(v, group.get(k)) for k, v in asked.items()}}) for group in shown]


def _in_force(asked: Any, shown: Any) -> Any:
    """Return the value that was asked for, or the value shown if that is the same number rounded to float32."""
    if not isinstance(asked, float) or not isinstance(shown, float):
        return asked
    return shown if abs(shown - asked) <= decisions.STORED_RATE * abs(asked) else asked


def _judged(rule: Published, key: str, told: Story, case: UpdateCase) -> Evidence:
    player, parts, count = Bounded(rule.form(key), len(case.tensors)), [], len(case.tensors)
    rivals = [(d, Player(d.step, count)) for d in _rivals_here(rule, key, told)]
    unseen = [d for d, _ in rivals]
    for t, gradients in enumerate(told.gradients):
        before, after = told.seen[t], told.seen[t + 1]
        expected, allowed = player.step(before, gradients, told.settings[t])
        parts.append(_compared(case, before, after, expected, allowed, t + 1))
        others = [(d, other.step(before, gradients, told.settings[t])) for d, other in rivals]
        seen = {d.key for d, other in others if is_clearly_other(other, expected, allowed)}
        unseen = [d for d in unseen if d.key not in seen]
    found = combine(parts)
    if found.violated or not unseen:
        return found
    return Evidence(
        decisive=False, ratio=found.ratio, reason=f"nothing in this example would show that {unseen[0].says}"
    )


def _compared(case: UpdateCase, before: Any, after: Any, expected: Any, allowed: Any, step: int) -> Evidence:
    """Compare one step; entries for which shaking the rule gives no finite bound are not compared."""
    rooms = [np.where(np.isfinite(room), room, np.inf) for room in allowed]
    return compare(after, expected, names=names_of(case), allowed=rooms, start=before, rivals=[before], step=step)


def _rivals_here(rule: Published, key: str, told: Story) -> list[Dialect]:
    """Return the other forms of the rule that differ from the declared one at the hyperparameters of the story."""
    settings = told.settings[0][0]
    frozen = tuple(sorted(((k, _hashable(v)) for k, v in settings.items()), key=lambda pair: pair[0]))
    return list(_rivals_at(rule.name, key, frozen))


@lru_cache(maxsize=256)
def _rivals_at(name: str, key: str, settings: tuple[tuple[str, Any], ...]) -> tuple[Dialect, ...]:
    rule = PUBLISHED[name]
    return tuple(d for d in rule.rivals(key) if differ_in_principle(rule, key, d, dict(settings)))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def what_instead(subject: FedSubject, cases: list[UpdateCase]) -> str | None:
    """Return a sentence: which other form of the rule reproduces every step of every case, and what was assumed."""
    rule, key = declared_rule(subject.rule or "")
    try:
        stories = [told for case in cases if (told := story(subject, case)) is not None]
    except Unsupported:
        return None
    matching = [d for d in forms_of(rule) if d.key != key and all(reproduces(d, told) for told in stories)]
    shown = subject.start(cases[0].tensors, cases[0].plan).hyperparameters()
    said = bound_of(subject, cases[0], shown)[0].said(rule.name)
    told_apart = distinct(rule, matching, stories[0].settings[0][0]) if stories else matching
    found = " or ".join(_named(rule, d) for d in told_apart)
    sentence = f"what it does instead: {found}" if found else f"no known form of {rule.name} does what was seen"
    return f"{sentence}; {said}" if said else sentence


def _named(rule: Published, form: Dialect) -> str:
    """Return what a form of the rule does, with the option that declares it if the form is published."""
    if not form.key:
        return f"{rule.name} in its own form (--rule {rule.name})"
    return f"{form.says} ({form.source}: --rule {rule.name}:{form.key})" if form.source else form.says
