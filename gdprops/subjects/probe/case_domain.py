"""Turns what the probe has measured into the subject's domain: what its cases may contain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gdprops.errors import SubjectCrash, Unsupported
from gdprops.model.case import Plan
from gdprops.model.domain import Domain
from gdprops.model.optional_hyperparameters import FURTHER_OPTIONS, OPTIONS, RATE_NAMES, with_required
from gdprops.model.subject import Delivery
from gdprops.model.traits import IMPLEMENTATIONS, Traits, declares_plain, rule_of
from gdprops.numerics.decisions import ALTERNATIVES, DOUBLE, SINGLE, may_act
from gdprops.numerics.published.rule import hyperparameters_of
from gdprops.numerics.published.table import PUBLISHED
from gdprops.subjects.probe.experiment import ALL, PATIENCE, RATE, Probe, attempt
from gdprops.subjects.probe.rate_response import is_linear_with
from gdprops.subjects.probe.separability import PAIR, couples_entries_with, moves_vectors_otherwise
from gdprops.subjects.probe.step_counter import counted_otherwise
from gdprops.subjects.user_code.calling import REFUSALS

Options = Mapping[str, float | bool]
PRECISIONS = {"float64": DOUBLE, "float32": SINGLE}


def domain_of(probe: Probe, plain: str) -> Domain:
    """Return what the subject's cases may contain.

    Two-dimensional float tensors always belong to it: a subject that refuses these violates a clause.
    """
    dtypes, shapes = probe.value("dtypes", "float64").split("+"), probe.value("shapes", "any")
    if probe.value("computes") == "float32" and "float32" in dtypes:
        dtypes.remove("float64")
    rate, linear = probe.value("lr_response") != "own-schedule", probe.value("lr_response") == "linear"
    options = _options(probe, rate=rate)
    works, crashes = _refusal_of_groups(probe, Plan(PAIR, (RATE, RATE / 2) if rate else None))
    return Domain(
        precisions=tuple(PRECISIONS[dtype] for dtype in dtypes if dtype in PRECISIONS),
        dimensions=None if shapes == "any" else frozenset({2, *map(int, shapes.split("+"))}),
        rate=rate,
        groups=works,
        groups_crash=crashes,
        plain=declares_plain(probe.subject.rule, Traits(plain=plain)) or plain == "yes",
        options=options,
        nonlinear=_nonlinear(probe, options) if linear else frozenset(),
        counted=_counted_otherwise(probe, options),
        waits=probe.waits(),
        empty=_accepts_empty(probe, rate=rate),
        frozen=_accepts_frozen(probe),
        features=_features(probe, dtypes),
        rule_options=_rule_options(probe, rate=rate),
        rule_scales=_rule_scales(probe),
        without_objects=probe.subject.without_objects,
        missing=probe.value("gradient_none") != "rejects",
    )


def _refusal_of_groups(probe: Probe, split: Plan) -> tuple[bool, bool]:
    """Return whether several groups work, and whether a step crashes on them without having refused them.

    What is refused aloud is no bug. A crash is one, of the clause about groups: the others are given a single group.
    """
    crash = attempt(lambda: probe.trajectory(split))
    refused = isinstance(crash, SubjectCrash) and isinstance(crash.error, REFUSALS)
    return crash is None, crash is not None and not (refused or isinstance(crash, Unsupported))


def _options(probe: Probe, *, rate: bool) -> dict[str, float | bool]:
    """Return the further hyperparameters that are accepted, where those that they require are accepted too."""
    accepted = [key for key in OPTIONS if _accepts(probe, key, rate=rate)]
    return {key: OPTIONS[key] for key in accepted if set(with_required([key])) <= set(accepted)}


def _switched_on(keys: Iterable[str], options: Options) -> dict[str, Options]:
    """Return each of these options together with the options that it requires."""
    return {key: {name: options[name] for name in with_required([key])} for key in keys}


def _beyond_the_rule(probe: Probe, options: Options) -> list[str]:
    """Return the options that the declared rule does not have: the traits that the rule implies do not cover them."""
    rule = PUBLISHED.get(rule_of(probe.subject.rule))
    covered = hyperparameters_of(rule.step) if rule else {}
    return [key for key in options if key not in covered]


def _rule_options(probe: Probe, *, rate: bool) -> dict[str, float | bool]:
    """Return the options that distinguish forms of the declared rule and that the subject runs with."""
    rule = PUBLISHED.get(rule_of(probe.subject.rule))
    return {k: v for k, v in rule.options.items() if _runs_with(probe, {k: v}, rate=rate)} if rule else {}


def _rule_scales(probe: Probe) -> tuple[float, ...]:
    """Return the sizes of gradients at which the subject's own epsilon makes a difference."""
    rule = PUBLISHED.get(rule_of(probe.subject.rule))
    return rule.scales(probe.subject.start(probe.tensors(), probe.plan()).hyperparameters()[0]) if rule else (1.0,)


def _nonlinear(probe: Probe, options: Options) -> frozenset[str]:
    """Return the options with which a step is not linear in the rate, as with a decay by 1 / (1 + eta lambda)."""
    given = _switched_on(_beyond_the_rule(probe, options), options)
    return frozenset(key for key, on in given.items() if not is_linear_with(probe, on))


def _counted_otherwise(probe: Probe, options: Options) -> frozenset[str]:
    """Return the options with which the steps are not counted per tensor: a momentum may start with its group's."""
    if probe.value("clock") != "tensor":
        return frozenset()
    given = _switched_on(options, options)
    return frozenset(key for key, on in given.items() if counted_otherwise(probe, on))


def note_coupling_options(probe: Probe, options: Options) -> None:
    """Note a subject as separable by tensor only, where it is element-wise without but not with certain options.

    Cases switch these options on, so the coarser value counts. LARS, for example, uses norms only where weights decay,
    and some rules decay matrices only.
    """
    if probe.value("separability") != "element":
        return
    given = _switched_on(options, options)
    coupling = [
        key for key, on in given.items() if couples_entries_with(probe, on) or moves_vectors_otherwise(probe, on)
    ]
    if coupling:
        said = f"nearly: element-wise, but not with {', '.join(coupling)}; {probe.found['separability'].evidence}"
        probe.note("separability", "tensor", said)


def _features(probe: Probe, dtypes: list[str]) -> frozenset[str]:
    flags = probe.value("flags").split("+")
    found = {
        "bfloat16": "bfloat16" in dtypes,
        "float64 beside float32": {"float64", "float32"} <= set(dtypes),
        "implementations": any(flag in IMPLEMENTATIONS for flag in flags),
        "sparse gradients": attempt(lambda: _with_sparse_gradients(probe)) is None,
        "complex parameters": probe.value("complex") == "accepted",
        FURTHER_OPTIONS: any(_is_further_option(name, value) for name, value in probe.subject.settings.items()),
        "closure": attempt(lambda: probe.subject.start(probe.tensors(), probe.plan()).takes_closure()) is None,
    }
    return frozenset(name for name, there in found.items() if there)


def _with_sparse_gradients(probe: Probe) -> None:
    run = probe.subject.start(probe.tensors(), probe.plan())
    for t in range(3):
        run.step(probe.gradients(t), Delivery.SPARSE)


def _is_further_option(name: str, value: Any) -> bool:
    """Say whether a hyperparameter is a number that no publication explains: `optimizer.options-act` asks of it."""
    return name not in ALTERNATIVES and name not in RATE_NAMES and may_act(value)


def _accepts(probe: Probe, key: str, *, rate: bool) -> bool:
    wanted = {name: OPTIONS[name] for name in with_required([key]) if probe.subject.accepts(name) or name == key}
    return probe.subject.accepts(key) and _runs_with(probe, wanted, rate=rate)


def _runs_with(probe: Probe, options: Mapping[str, Any], *, rate: bool) -> bool:
    plan = Plan((ALL,), (RATE,) if rate else None, options)
    return all(map(probe.subject.accepts, options)) and attempt(lambda: probe.trajectory(plan)) is None


def _accepts_empty(probe: Probe, *, rate: bool) -> bool:
    """Say whether an empty tensor is accepted, both beside another tensor and alone."""
    empty, full = np.zeros((0,), dtype=probe.dtype), np.ones((2, 2), dtype=probe.dtype)
    rates = (RATE,) if rate else None
    beside = attempt(lambda: probe.run(Plan(((0, 1),), rates), [empty, full], [[empty, full]] * PATIENCE))
    return beside is None and attempt(lambda: probe.run(Plan(((0,),), rates), [empty], [[empty]] * PATIENCE)) is None


def _accepts_frozen(probe: Probe) -> bool:
    """Say whether a frozen parameter is accepted.

    A constructor that refuses it with an error has no bug; an optimizer that accepts it and crashes later has one.
    """
    crash = attempt(lambda: probe.subject.start(probe.tensors(), replace(probe.plan(), frozen=frozenset({0}))))
    return not (isinstance(crash, SubjectCrash) and isinstance(crash.error, REFUSALS))
