"""The published rule that a subject declares to be: `rule=`, `--rule NAME` or `--rule NAME:DIALECT`."""

from __future__ import annotations

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.traits import RULES


def check_rule(rule: str | None) -> str | None:
    """Return the rule, once it is known to be a rule's name or ``rule:dialect``.

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
    return rule
