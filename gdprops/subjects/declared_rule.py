"""The published rule that a subject declares to be: `rule=`, `--rule NAME` or `--rule NAME:DIALECT`.

Code often holds several published rules in one class, as ``torch.optim.SGD`` does: a hyperparameter says which one it
is. ``--rule sgd -p momentum=0.9`` declares momentum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.traits import RULES

EXTENDED: dict[str, tuple[tuple[str, str], ...]] = {
    "sgd": (("nesterov", "nesterov"), ("momentum", "momentum")),
    "momentum": (("nesterov", "nesterov"),),
    "adam": (("amsgrad", "amsgrad"),),
    "adamw": (("amsgrad", "amsgrad:decoupled"),),
}
"""For each rule, the hyperparameters that make another published rule of it where they are set, and that rule."""


def check_rule(rule: str | None, given: Mapping[str, Any] | None = None) -> str | None:
    """Return the rule, once it is known to be a rule's name or ``rule:dialect``.

    ``given``: the hyperparameters that the user has set beside it.

    Raises `UsageError` with the nearest name.
    """
    if rule is None:
        return rule
    name, colon, key = rule.partition(":")
    if name not in RULES:
        raise UsageError(f"rule={rule!r}; expected one of {', '.join(RULES)}{nearest(name, RULES)}")
    if colon:
        from gdprops.numerics.published.table import PUBLISHED

        dialects = PUBLISHED[name].published()
        if key not in dialects:
            known = f"a dialect of {name}: {', '.join(dialects)}" if dialects else f"{name}, which has no dialects"
            raise UsageError(f"rule={rule!r}; expected {known}{nearest(key, dialects)}")
    return next((extended for option, extended in EXTENDED.get(rule, ()) if (given or {}).get(option)), rule)
