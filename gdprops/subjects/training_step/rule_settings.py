"""The hyperparameters of a declared rule, while a scheduler changes those of the optimizer that ``build`` returns.

A declared ``SGD(lr=0.1, weight_decay=0.01)`` may stand beside a plain ``SGD(lr=0.1)`` whose step adds the decay by
hand. The rule keeps what it declares; what it takes from the returned optimizer is what changes there: a rate that a
scheduler has halved is halved in the rule too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gdprops.errors import Unsupported
from gdprops.subjects.torch_optimizer.state import REGROUPED

Groups = Sequence[Mapping[str, Any]]
RATES = ("lr", "initial_lr")


def rule_settings(rule: Groups, built: Groups, defaults: Mapping[str, Any], now: Groups) -> list[dict[str, Any]]:
    """Return the hyperparameters of each group of a declared rule at a step.

    ``built`` and ``now`` are those of the returned optimizer's groups after ``build`` and in force at the step;
    ``defaults``: with which it was made. Raises `Unsupported` where the groups change, or cannot be told apart.
    """
    if len(now) != len(built):
        raise Unsupported(REGROUPED)
    if len(rule) == len(built):
        return [_changed(*groups, defaults) for groups in zip(rule, built, now, strict=True)]
    factors = {_factor(b, n) for b, n in zip(built, now, strict=True)}
    if len(factors) != 1 or None in factors:
        raise Unsupported(REGROUPED)
    (factor,) = factors
    return [{**group, "lr": group["lr"] if factor == 1 else group["lr"] * factor} for group in rule]


def _changed(
    rule: Mapping[str, Any], built: Mapping[str, Any], now: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one group of the rule with what has changed in its counterpart since ``build``."""
    moved = {k: v for k, v in now.items() if k not in RATES and (k not in built or not _same(v, built[k]))}
    found = {**rule, **moved}
    if "lr" not in rule or "lr" not in now:
        return found
    known = [*(built.get(key) for key in RATES), defaults.get("lr")]
    if any(rate is not None and _same(rule["lr"], rate) for rate in known):
        return {**found, "lr": now["lr"]}
    factor = _factor(built, now)
    if factor is None:
        raise Unsupported(REGROUPED)
    return {**found, "lr": rule["lr"] if factor == 1 else rule["lr"] * factor}


def _factor(built: Mapping[str, Any], now: Mapping[str, Any]) -> float | None:
    """Return by how much a group's rate has changed since ``build``, None where that cannot be said."""
    before, after = built.get("lr"), now.get("lr")
    if before is None or after is None or _same(before, after):
        return 1.0
    return float(after) / float(before) if float(before) else None


def _same(a: Any, b: Any) -> bool:
    """Say whether two values of a hyperparameter are equal, tensors of one number too."""
    try:
        return bool(a == b)
    except (TypeError, ValueError, RuntimeError):
        return False
