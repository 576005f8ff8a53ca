"""What the first difference of a pair is about: its place, the hyperparameter that brings it, and the dialects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.clauses.support.published_forms import story
from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.case import Plan, UpdateCase
from gdprops.numerics.published.dialect_feed import distinct, forms_of, reproduces, rich_gradients, rich_tensors
from gdprops.numerics.published.table import declared_rule
from gdprops.pairs.trajectories_apart import compared

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
    from gdprops.pairs.pair import Pair

EPSILON, RATE = 0.25, 0.125


def sentences(pair: Pair, case: UpdateCase, evidence: Evidence) -> list[str]:
    """Return what is told of a difference, the place first."""
    return [place(pair.first.name, pair.second.name, evidence), *_hyperparameters(pair, case), *_dialects(pair)]


def place(first: str, second: str, evidence: Evidence) -> str:
    """Return where two trajectories first differ, and by how much."""
    at = evidence.location
    if at is None:
        return evidence.reason
    index = f"[{', '.join(map(str, at.index))}]" if at.index else ""
    bound = "nothing rounds here" if at.allowed == 0 else f"rounding allows {at.allowed:.2g}"
    return (
        f"first at step {at.step}, {at.parameter}{index}: {first} {at.expected}, {second} {at.seen}, "
        f"apart by {at.difference:.3g} ({bound})"
    )


def _hyperparameters(pair: Pair, case: UpdateCase) -> Iterator[str]:
    """Yield which hyperparameters of the case bring the difference: without one of them, there is none."""
    for name in sorted(case.plan.options):
        rest = {k: v for k, v in case.plan.options.items() if k != name}
        try:
            without = compared(pair, replace(case, plan=replace(case.plan, options=rest)))
        except Unsupported:
            continue
        if not without.violated:
            yield f"only with {name}={case.plan.options[name]!r}: without it, both go the same way here"


def _dialects(pair: Pair) -> Iterator[str]:
    if not pair.first.rule or not pair.second.rule:
        yield "--rule NAME would also tell which dialect of that published rule each of them follows"
        return
    for subject in (pair.first, pair.second):
        yield f"{subject.name} {_followed(subject)}"


def _followed(subject: FedSubject) -> str:
    """Return which forms of its declared rule a subject follows, on a feed that tells them apart."""
    rule, _ = declared_rule(subject.rule or "")
    matrices = rule.name == "muon"
    tensors = tuple(rich_tensors(matrices=matrices))
    fed = tuple(map(tuple, rich_gradients(EPSILON, matrices=matrices)))
    options: dict[str, Any] = {k: v for k, v in rule.options.items() if subject.accepts(k)}
    plan = Plan((tuple(range(len(tensors))),), (RATE,), options)
    try:
        told = story(subject, UpdateCase(tensors, fed, plan, np.finfo(np.float64).nmant + 1))
    except (SubjectCrash, Unsupported):
        told = None
    if told is None:
        return f"could not be held against {rule.name}"
    found = distinct(rule, [d for d in forms_of(rule) if reproduces(d, told)], told.settings[0][0])
    if not found:
        return f"follows no known form of {rule.name}"
    return "follows " + " or ".join(
        f"{rule.name}: {d.says}" if d.key else f"{rule.name} in its own form" for d in found
    )
