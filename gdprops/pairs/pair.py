"""Two subjects that should be one: which cases both support, and which of their defaults differ.

Defaults that differ are told, and set equal before anything runs: Keras' Adam has another epsilon than torch's, and
that is not what a comparison of the two is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.kinds import kind_of
from gdprops.model.case import UpdateCase
from gdprops.model.domain import Domain
from gdprops.model.measurement import Measurement
from gdprops.model.subject import FedSubject, Subject
from gdprops.model.traits import Traits
from gdprops.numerics.published.rule_hyperparameters import SYNONYMS
from gdprops.runner.session import calls_for_traits
from gdprops.runner.settings import Settings
from gdprops.subjects.user_code.calling import Calls

IMPLEMENTATION = frozenset(("foreach", "fused", "capturable", "differentiable", "name"))
"""Hyperparameters that say how a rule is computed: a pair may differ in them, and usually does."""
_OWN_NAME = {other: own for own, others in SYNONYMS.items() for other in others if own in ("lr", "eps", "weight_decay")}

Remake = Callable[[Mapping[str, Any]], Subject]
"""Builds the second subject again with further hyperparameters. Raises `UsageError` where it takes none."""


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """Two measured subjects, what the cases of both may contain, and what is told of them before they run.

    ``plain``: whether one of them is plain gradient descent, so that on exact cases both must be. ``random``: which of
    them draws random numbers, empty where neither does.
    """

    first: FedSubject
    second: FedSubject
    domain: Domain
    told: tuple[str, ...] = ()
    plain: bool = False
    random: str = ""


def require_fed(subject: Subject, other: str = "") -> FedSubject:
    """Return a subject that is fed gradients. Raises `UsageError`, in one line, for any other."""
    if not hasattr(subject, "start"):
        beside = f" and {other} cannot be compared" if other else " cannot be recorded"
        raise UsageError(
            f"{subject.name}{beside}: it is of the kind {subject.kind}, and only subjects that are fed gradients "
            "(optimizers and update rules) can be given the same ones"
        )
    fed: Any = subject
    found: FedSubject = fed
    return found


def pair_of(first: Subject, second: Subject, given: Mapping[str, Any], remake: Remake, settings: Settings) -> Pair:
    """Return two subjects as a pair; ``given``: the hyperparameters that the user has set for the second one.

    Raises `UsageError` where they have nothing in common on which they can be compared.
    """
    one, other = require_fed(first, second.name), require_fed(second, first.name)
    other, told = _equal_defaults(one, other, given, remake)
    (one, a), (other, b) = measured(one, settings), measured(other, settings)
    random = " and ".join(s.name for s in (one, other) if s.traits["randomness"] in ("global", "private"))
    plain = a.domain.plain or b.domain.plain
    return Pair(one, other, joined(one, a.domain, other, b.domain), tuple(told), plain, random)


def measured(subject: FedSubject, settings: Settings) -> tuple[FedSubject, Measurement]:
    """Return a subject with its traits and what was measured. Raises `UsageError` where it cannot be fed gradients."""
    budgeted: Any = subject.prepared(Traits(), calls_for_traits(settings))
    found = kind_of(subject).measure(budgeted)
    if found.barred:
        raise UsageError(f"{subject.name}: {found.barred}")
    if found.traits["inputs"] not in ("gradient", "unknown"):
        raise UsageError(
            f"{subject.name} steps with a {found.traits['inputs']}, not with gradients alone: it cannot be compared"
        )
    return subject.prepared(found.traits, Calls(settings.timeout)), found


def joined(first: FedSubject, a: Domain, second: FedSubject, b: Domain) -> Domain:
    """Return what the cases of both may contain."""
    precisions = tuple(p for p in a.precisions if p in b.precisions)
    if not precisions:
        raise UsageError(f"{first.name} and {second.name} have no dtype in common in which both compute")
    dimensions = a.dimensions if b.dimensions is None else b.dimensions if a.dimensions is None else None
    if a.dimensions is not None and b.dimensions is not None:
        dimensions = a.dimensions & b.dimensions
        if not dimensions:
            raise UsageError(f"{first.name} and {second.name} take no tensors of the same number of dimensions")
    options = {k: v for k, v in a.options.items() if k in b.options and b.options[k] == v}
    both = {
        name: getattr(a, name) and getattr(b, name)
        for name in ("rate", "groups", "empty", "frozen", "missing", "plain")
    }
    waits = max(a.waits, b.waits)
    return replace(a, precisions=precisions, dimensions=dimensions, options=options, waits=waits, **both)


def unsupported(case: UpdateCase, domain: Domain) -> str:
    """Return what a subject with this domain does not take of a case that was drawn for another, empty for nothing."""
    unknown = sorted(set(case.plan.options) - set(domain.options))
    if unknown:
        return f"takes no {', '.join(unknown)}"
    if case.precision not in domain.precisions:
        return "does not compute in this dtype"
    if domain.dimensions is not None and any(w.ndim not in domain.dimensions for w in case.tensors):
        return "does not take tensors of these dimensions"
    if not domain.empty and any(not w.size for w in case.tensors):
        return "takes no empty tensors"
    if not domain.missing and any(g is None for step in case.gradients for g in step):
        return "takes no missing gradients"
    return "takes no parameter groups" if not domain.groups and len(case.plan.groups) > 1 else ""


def _equal_defaults(
    first: FedSubject, second: FedSubject, given: Mapping[str, Any], remake: Remake
) -> tuple[FedSubject, list[str]]:
    """Return the second subject with the first one's values where their defaults differ, and what is told of that."""
    known = {_OWN_NAME.get(name, name): value for name, value in first.settings.items()}
    differing = {
        name: (known[_OWN_NAME.get(name, name)], value)
        for name, value in second.settings.items()
        if name not in IMPLEMENTATION and _OWN_NAME.get(name, name) in known
        if known[_OWN_NAME.get(name, name)] != value
    }
    asked = {name: pair for name, pair in differing.items() if name in given or name in first.hyperparameters}
    told = [f"{name} is {b!r} for {second.name} and {a!r} for {first.name}, as asked" for name, (a, b) in asked.items()]
    rest = {name: pair for name, pair in differing.items() if name not in asked}
    if not rest:
        return second, told
    try:
        equal = require_fed(remake({**given, **{name: a for name, (a, _) in rest.items()}}))
    except UsageError:
        return second, [*told, *(_default(name, second, a, b, "cannot be set") for name, (a, b) in rest.items())]
    return equal, [*told, *(_default(name, second, a, b, f"is set to {a!r}") for name, (a, b) in rest.items())]


def _default(name: str, second: FedSubject, a: Any, b: Any, done: str) -> str:
    return f"defaults differ: {name} is {b!r} by default for {second.name}, not {a!r}; it {done}"
