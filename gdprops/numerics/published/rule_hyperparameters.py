"""Translates the hyperparameters that a subject shows into those that a published rule takes.

For example, ``epsilon`` of Keras becomes ``eps``, and ``beta_1`` and ``beta_2`` become ``betas``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from gdprops.numerics.published.rule import Published, hyperparameters_of

SYNONYMS: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate", "eta"),
    "eps": ("epsilon",),
    "alpha": ("rho", "decay"),
    "weight_decay": ("wd",),
    "momentum": ("mu", "beta", "mass"),
    "rho": ("decay",),
}
PAIRS = (("beta_1", "beta_2"), ("beta1", "beta2"), ("b1", "b2"))
ABOUT_THE_CODE = frozenset(
    (
        "params",
        "foreach",
        "fused",
        "capturable",
        "differentiable",
        "maximize",
        "initial_lr",
        "decoupled_weight_decay",
        "name",
    )
)
"""Hyperparameters that change how a rule is computed, or are handled elsewhere, but do not change the rule."""


@final
@dataclass(frozen=True, slots=True)
class Bound:
    """A rule's hyperparameters: in force, shown but unknown to the rule, and assumed because nothing shows them."""

    settings: Mapping[str, Any]
    unknown: Mapping[str, Any]
    assumed: Mapping[str, Any]

    def said(self, rule: str) -> str:
        """Return what a reader must know of these hyperparameters, empty where there is nothing to know."""
        parts = []
        if self.unknown:
            parts.append(f"{rule} knows no {_listed(self.unknown)}")
        if self.assumed:
            parts.append(f"{_listed(self.assumed)} is assumed")
        return "; ".join(parts)


def bind(rule: Published, shown: Mapping[str, Any]) -> Bound:
    """Return a rule's hyperparameters, taken from what a subject shows under any of their names."""
    defaults = {name: value for name, value in hyperparameters_of(rule.step).items() if name != "lr"}
    found, used = dict[str, Any](), set[str]()
    for name, default in defaults.items():
        key = next((k for k in (name, *SYNONYMS.get(name, ())) if k in shown), None)
        if key is not None:
            found[name] = default if shown[key] is None else shown[key]
            used.add(key)
    for pair in PAIRS:
        if "betas" in defaults and "betas" not in found and set(pair) <= set(shown):
            found["betas"] = tuple(shown[key] for key in pair)
            used.update(pair)
    rates = {"lr", *SYNONYMS["lr"]}
    known = used | rates | ABOUT_THE_CODE | {rule.name}  # ``nesterov=True`` says which rule it is
    unknown = {k: v for k, v in shown.items() if k not in known and _in_force(v)}
    assumed = {name: value for name, value in defaults.items() if name not in found and _in_force(value)}
    uphill = {"maximize": True} if shown.get("maximize") else {}
    return Bound({**defaults, **found, **uphill}, unknown, assumed)


def _in_force(value: Any) -> bool:
    """Say whether a hyperparameter may have an effect: 0, False and None have none."""
    return value is not None and value is not False and not (isinstance(value, (int, float)) and value == 0)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
