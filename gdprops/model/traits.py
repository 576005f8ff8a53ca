"""The traits of a subject: one table for declarations, measurements, `gdprops traits` and the strategies.

A trait says one thing about a subject's rule, such as "separability: element" (an entry's update depends on that entry
alone). Traits decide which clauses apply to the subject and what its cases may contain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest


@final
@dataclass(frozen=True, slots=True)
class Trait:
    """One row of the table: a key, the values it can take, and what it means."""

    key: str
    values: tuple[str, ...]
    meaning: str


TRAITS: tuple[Trait, ...] = (
    Trait(
        "separability",
        ("element", "tensor", "group", "all"),
        "what one entry's update may depend on: itself, its tensor, its parameter group, every parameter",
    ),
    Trait(
        "clock",
        ("tensor", "group", "optimizer"),
        "what keeps the step count: each tensor, its parameter group, the whole optimizer",
    ),
    Trait(
        "lr_response",
        ("linear", "nonlinear", "ignored", "own-schedule"),
        "how one step's displacement answers to the learning rate",
    ),
    Trait("lr_zero", ("still", "moves", "rejects"), "what a learning rate of 0 does"),
    Trait("gradient_zero", ("still", "moves", "rejects"), "what a gradient of zeros does"),
    Trait("gradient_none", ("untouched", "as-zero", "rejects"), "what a missing gradient does"),
    Trait(
        "gradient_nan",
        ("element", "tensor", "all", "raises", "silent"),
        "how far a NaN in a gradient spreads",
    ),
    Trait("randomness", ("none", "global", "private"), "which random numbers a step draws"),
    Trait(
        "inputs",
        ("gradient", "closure", "loss", "create-graph", "sparse", "pairs"),
        "what a step must be given; pairs: parameters two by two, the factors of one matrix",
    ),
    Trait("storage", ("in-place", "replaced"), "whether a step writes into the parameter's memory"),
    Trait("shapes", ("any", "0", "1", "2", "3", "4"), "the accepted numbers of dimensions, joined by '+'"),
    Trait("dtypes", ("float64", "float32", "bfloat16", "float16"), "the accepted dtypes, joined by '+'"),
    Trait("computes", ("float64", "float32"), "the precision of a step's arithmetic on float64 parameters"),
    Trait("complex", ("accepted", "rejects"), "complex parameters"),
    Trait(
        "flags",
        ("foreach", "fused", "maximize", "differentiable", "capturable"),
        "the accepted implementation flags, joined by '+'",
    ),
    Trait("modes", ("yes", "no"), "whether switching between train and eval mode is needed"),
)

IMPLEMENTATIONS = ("foreach", "fused", "differentiable", "capturable")
"""The flags that choose how an update is computed, not which update."""

UNMEASURED = "not measured"
"""What is said of plain gradient descent where a step raises before that is seen."""

DECAYS = "its weights decay"
"""What is said instead where plain gradient descent is declared, and a decay of the weights is switched on with it."""

_BY_KEY = {trait.key: trait for trait in TRAITS}
_LISTS = ("shapes", "dtypes", "flags")

_ELEMENT = {"separability": "element", "randomness": "none", "inputs": "gradient"}
_TENSOR = {**_ELEMENT, "separability": "tensor"}
_LINEAR = {**_ELEMENT, "lr_response": "linear"}

RULES: dict[str, dict[str, str]] = {
    "sgd": _LINEAR,
    "momentum": _ELEMENT,
    "nesterov": _ELEMENT,
    "adagrad": _LINEAR,
    "rmsprop": _ELEMENT,
    "adadelta": _LINEAR,
    "adam": _LINEAR,
    "adamw": _LINEAR,
    "amsgrad": _LINEAR,
    "adamax": _LINEAR,
    "nadam": _LINEAR,
    "radam": _LINEAR,
    "rprop": _ELEMENT,
    "lion": _LINEAR,
    "lars": _TENSOR,
    "lamb": _TENSOR,
    "adafactor": _TENSOR,
    "muon": _TENSOR,
}
"""The published rules that a subject can declare, and the trait values that each rule implies.

Only traits that switch clauses off are listed. If such a trait were only measured, the clause could never fail: a rule
that wrongly squares its learning rate would not violate linearity, but measure as nonlinear. Momentum is linear in the
learning rate only where the rate stands outside the velocity; for momentum that trait is measured.
"""


def rule_of(declared: str | None) -> str:
    """Return the rule's name in a declaration ``rule`` or ``rule:dialect``, empty where there is none."""
    return (declared or "").partition(":")[0]


def declares_plain(rule: str | None, traits: Traits) -> bool:
    """Say whether a subject declares to be plain gradient descent: the rule sgd, with no decay of the weights."""
    return rule == "sgd" and traits.plain != DECAYS


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """A trait's value for one subject, the evidence for it, and whether the user declared it."""

    value: str
    evidence: str
    declared: bool = False


@final
@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of one subject. A key that is absent was neither declared nor measured.

    ``plain`` is what the probe saw of plain gradient descent: ``"yes"``, or a near miss in words, or ``"no"``, or
    `UNMEASURED` or `DECAYS`.
    """

    known: Mapping[str, Measured] = field(default_factory=dict)
    plain: str = "no"
    conflicts: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> str:
        """Return the value of a trait, or ``"unknown"``."""
        return self.known[key].value if key in self.known else "unknown"

    def __iter__(self) -> Iterator[tuple[str, Measured]]:
        return iter(self.known.items())

    def accepts(self, key: str, value: str) -> bool:
        """Say whether a trait that lists accepted values (joined by '+') contains this value."""
        held = self[key]
        return held in ("any", "unknown") or value in held.split("+")


def declared(traits: Mapping[str, str] | None) -> dict[str, Measured]:
    """Check the user's declaration of traits against the table.

    Raises `UsageError` for a trait that the table does not have, with the nearest one, and for a value that the trait
    cannot take, with the values that it can take.
    """
    checked = {}
    for key, value in (traits or {}).items():
        if key not in _BY_KEY:
            raise UsageError(f"traits: unknown trait {key!r}{nearest(key, _BY_KEY)}")
        for part in str(value).split("+") if key in _LISTS else [str(value)]:
            if part not in _BY_KEY[key].values:
                expected = ", ".join(_BY_KEY[key].values)
                raise UsageError(f"traits: {key}={value!r}; expected one of {expected}")
        checked[key] = Measured(str(value), "declared", declared=True)
    return checked
