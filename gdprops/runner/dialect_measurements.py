"""Measure which dialect of each published rule every installed framework implements.

Each optimizer is fed gradients for which the dialects of its rule give different weights; the published form that
reproduces all its steps is its dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, final

import numpy as np

from gdprops.clauses.support.published_forms import story
from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.kinds.resolve import resolve
from gdprops.model.case import Plan, UpdateCase
from gdprops.numerics.published.dialect_feed import distinct, forms_of, reproduces, rich_gradients, rich_tensors
from gdprops.numerics.published.table import PUBLISHED
from gdprops.subjects.user_code.isolation import isolated

EPSILON, RATE, MOMENTUM, DECAY = 0.25, 0.125, 0.5, 0.25
WIDTHS = (np.float64, np.float32)
V1 = "tensorflow.compat.v1.train:"

Implementation = tuple[str, Mapping[str, Any]]

_EPS, _EPSILON, _HEAVY = {"eps": EPSILON}, {"epsilon": EPSILON}, {"momentum": MOMENTUM}
IMPLEMENTATIONS: dict[str, dict[str, Implementation]] = {
    "torch": {
        "sgd": ("torch.optim:SGD", {}),
        "momentum": ("torch.optim:SGD", _HEAVY),
        "nesterov": ("torch.optim:SGD", {**_HEAVY, "nesterov": True}),
        "adagrad": ("torch.optim:Adagrad", _EPS),
        "rmsprop": ("torch.optim:RMSprop", {**_EPS, **_HEAVY}),
        "adadelta": ("torch.optim:Adadelta", _EPS),
        "adam": ("torch.optim:Adam", _EPS),
        "adamw": ("torch.optim:AdamW", {**_EPS, "weight_decay": DECAY}),
        "amsgrad": ("torch.optim:Adam", {**_EPS, "amsgrad": True}),
        "adamax": ("torch.optim:Adamax", _EPS),
        "nadam": ("torch.optim:NAdam", _EPS),
        "radam": ("torch.optim:RAdam", _EPS),
        "rprop": ("torch.optim:Rprop", {}),
        "adafactor": ("torch.optim:Adafactor", {}),
        "muon": ("torch.optim:Muon", {}),
    },
    "optax": {
        "sgd": ("optax:sgd", {}),
        "momentum": ("optax:sgd", _HEAVY),
        "nesterov": ("optax:sgd", {**_HEAVY, "nesterov": True}),
        "adagrad": ("optax:adagrad", _EPS),
        "rmsprop": ("optax:rmsprop", {**_EPS, **_HEAVY}),
        "adadelta": ("optax:adadelta", _EPS),
        "adam": ("optax:adam", _EPS),
        "adamw": ("optax:adamw", {**_EPS, "weight_decay": DECAY}),
        "amsgrad": ("optax:amsgrad", _EPS),
        "adamax": ("optax:adamax", _EPS),
        "nadam": ("optax:nadam", _EPS),
        "radam": ("optax:radam", _EPS),
        "rprop": ("optax:rprop", {}),
        "lion": ("optax:lion", {}),
        "lars": ("optax:lars", {**_HEAVY, "weight_decay": DECAY}),
        "lamb": ("optax:lamb", {**_EPS, "weight_decay": DECAY}),
    },
    "keras": {
        "sgd": ("keras.optimizers:SGD", {}),
        "momentum": ("keras.optimizers:SGD", _HEAVY),
        "nesterov": ("keras.optimizers:SGD", {**_HEAVY, "nesterov": True}),
        "adagrad": ("keras.optimizers:Adagrad", _EPSILON),
        "rmsprop": ("keras.optimizers:RMSprop", {**_EPSILON, **_HEAVY}),
        "adadelta": ("keras.optimizers:Adadelta", _EPSILON),
        "adam": ("keras.optimizers:Adam", _EPSILON),
        "adamw": ("keras.optimizers:AdamW", {**_EPSILON, "weight_decay": DECAY}),
        "amsgrad": ("keras.optimizers:Adam", {**_EPSILON, "amsgrad": True}),
        "adamax": ("keras.optimizers:Adamax", _EPSILON),
        "nadam": ("keras.optimizers:Nadam", _EPSILON),
        "lion": ("keras.optimizers:Lion", {}),
        "lamb": ("keras.optimizers:Lamb", _EPSILON),
        "adafactor": ("keras.optimizers:Adafactor", {}),
    },
    "tensorflow": {
        "sgd": (f"{V1}GradientDescentOptimizer", {}),
        "momentum": (f"{V1}MomentumOptimizer", _HEAVY),
        "nesterov": (f"{V1}MomentumOptimizer", {**_HEAVY, "use_nesterov": True}),
        "adagrad": (f"{V1}AdagradOptimizer", {}),
        "rmsprop": (f"{V1}RMSPropOptimizer", {**_EPSILON, **_HEAVY}),
        "adadelta": (f"{V1}AdadeltaOptimizer", _EPSILON),
        "adam": (f"{V1}AdamOptimizer", _EPSILON),
    },
}
"""For each framework and rule: the optimizer class, and hyperparameters for which dialects give different weights."""

OWN, NONE, ABSENT, MISSING = "own form", "none known", "–", "not installed"


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The dialects of a rule that a framework implements, in words for a table, and the class that was measured."""

    rule: str
    framework: str
    spec: str
    forms: tuple[str, ...]


def measured_dialects() -> tuple[Found, ...]:
    """Return the dialects that every framework implements, rule by rule."""
    with isolated():
        return tuple(_found(framework, rule) for rule in PUBLISHED for framework in IMPLEMENTATIONS)


def _found(framework: str, rule: str) -> Found:
    if rule not in IMPLEMENTATIONS[framework]:
        return Found(rule, framework, "", (ABSENT,))
    spec, given = IMPLEMENTATIONS[framework][rule]
    if find_spec(framework) is None:
        return Found(rule, framework, spec, (MISSING,))
    try:
        return Found(rule, framework, spec, dialects_of(spec, rule, given) or (NONE,))
    except UsageError:
        return Found(rule, framework, spec, (ABSENT,))


def dialects_of(spec: str, rule: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the published forms of a rule that reproduce every step of a subject on a rich feed."""
    rate = "lr" if spec.startswith("torch.") else "learning_rate"
    subject: Any = resolve(spec, rule=rule, hyperparameters={**given, rate: RATE})
    for width in WIDTHS:
        matrices = rule == "muon"
        tensors = tuple(rich_tensors(matrices=matrices, dtype=width))
        fed = tuple(map(tuple, rich_gradients(EPSILON, matrices=matrices, dtype=width)))
        case = UpdateCase(tensors, fed, Plan((tuple(range(len(tensors))),), (RATE,)), 53 if width is np.float64 else 24)
        try:
            told = story(subject, case)
        except (SubjectCrash, Unsupported):
            continue  # the optimizer does not accept float64: try float32
        if told is None:
            return ()
        matching = [d for d in forms_of(PUBLISHED[rule]) if d.source and reproduces(d, told)]
        return tuple(d.key or OWN for d in distinct(PUBLISHED[rule], matching, told.settings[0][0]))
    return ()
