"""A subject compared with the published rule that it declares, and with every other form of that rule.

`obeys` decides the clauses of the chapter published: each step must equal the declared form of the rule. `what_instead`
explains a violation: it names the form, dialect or known mistake, that reproduces all steps that were seen, for example
"ε stands inside the square root".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.clauses.support.optimizer_runs import effective_rates, names_of
from gdprops.model.evidence import Evidence, combine, vacuous
from gdprops.model.traits import RULES
from gdprops.numerics import decisions
from gdprops.numerics.comparison import are_finite, compare, is_clearly_other
from gdprops.numerics.published.dialect_feed import Story, differ_in_principle
from gdprops.numerics.published.joined_tensors import Joined, joined, separate
from gdprops.numerics.published.rule_hyperparameters import Bound, bind
from gdprops.numerics.published.rule_run import Bounded, Player, Settings
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
    found = _judged(rule, key, told, case)
    if found.violated:
        others = (_judged(rule, key, replace(told, settings=s), case) for s in _kept_in_single(told.settings))
        return next((other for other in others if not other.violated), found)
    return found


def _kept_in_single(settings: Sequence[Settings]) -> Iterator[list[Settings]]:
    """Yield the hyperparameters with one, or all but the rate, rounded to float32, in which some code keeps them.

    ``torch.where(c, 1.2, 1.0)`` is float32 whatever the weights are. Only numbers that this changes are rounded.
    """
    names = [name for name, value in settings[0][0].items() if name != "lr" and _in_single(value) != value]
    for chosen in (*([name] for name in names), names):
        if chosen:
            yield [
                [{k: _in_single(v) if k in chosen else v for k, v in given.items()} for given in step]
                for step in settings
            ]


def _in_single(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(map(_in_single, value))
    return float(np.float32(value)) if isinstance(value, float) else value


def moves_at_rest(subject: FedSubject, case: UpdateCase) -> bool:
    """Say whether the rule that a subject declares moves something at a learning rate of 0: Rprop's least step size."""
    if not subject.rule:
        return False
    rule, key = declared_rule(subject.rule)
    run = subject.start(case.tensors, case.plan)
    settings = [{**b.settings, "lr": 0.0} for b in bound_of(subject, case, run.hyperparameters())]
    after = Player(rule.form(key), len(case.tensors)).step(case.tensors, case.gradients[0], settings)
    return any((a != w).any() for a, w in zip(after, case.tensors, strict=True))


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
    groups = {i: k for k, group in enumerate(case.plan.groups) for i in group}
    return Story(seen, case.gradients, settings, [groups.get(i, 0) for i in range(len(case.tensors))])


def overflows(subject: FedSubject, case: UpdateCase, steps: int) -> bool:
    """Say whether the rule that a subject declares gives weights that are not finite within so many steps."""
    if not subject.rule:
        return False
    rule, key = declared_rule(subject.rule)
    run, player = subject.start(case.tensors, case.plan), Player(rule.form(key), len(case.tensors))
    rates, bound = effective_rates(subject, case.plan, run), bound_of(subject, case, run.hyperparameters())
    settings = [{**b.settings, "lr": rate} for b, rate in zip(bound, rates, strict=True)]
    weights = list(case.tensors)
    for gradients in case.gradients[:steps]:
        weights = player.step(weights, gradients, settings)
    return not are_finite(weights)


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
    joint = _joint(rule, told)
    player, parts, count = Bounded(rule.form(key), len(joint.places)), [], len(joint.places)
    rivals = [(d, Player(d.step, count)) for d in _rivals_here(rule, key, told)]
    unseen = [d for d, _ in rivals]
    for t, gradients in enumerate(told.gradients):
        before, after = told.seen[t], told.seen[t + 1]
        given = joint.together(before), joint.together(gradients), joint.first(told.settings[t])
        expected, allowed = player.step(*given)
        parts.append(_compared(case, before, after, joint.apart(expected), joint.apart(allowed), t + 1))
        others = [(d, other.step(*given)) for d, other in rivals]
        seen = {d.key for d, other in others if is_clearly_other(other, expected, allowed)}
        unseen = [d for d in unseen if d.key not in seen]
    found = combine(parts)
    if found.violated or not unseen:
        return found
    return Evidence(
        decisive=False, ratio=found.ratio, reason=f"nothing in this example would show that {unseen[0].says}"
    )


def _joint(rule: Published, told: Story) -> Joined:
    """Join the tensors that a rule may move as one."""
    entrywise = RULES[rule.name]["separability"] == "element"
    return joined(told.seen[0], told.gradients, told.settings) if entrywise else separate(told.seen[0])


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
