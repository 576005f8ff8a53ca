"""The kind of update rules: a pure function ``(params, grads, state) -> (params, state)`` over NumPy arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.kinds.fed import FedKind
from gdprops.model.identity import NO_ORIGIN
from gdprops.model.wording import class_or_type
from gdprops.subjects.update_rule import NAME
from gdprops.subjects.user_code.importing import label_of

if TYPE_CHECKING:
    from gdprops.kinds.kind import Asked
    from gdprops.model.measurement import Measurement
    from gdprops.subjects.update_rule.subject import UpdateRule


@final
class UpdateRuleKind(FedKind["UpdateRule"]):
    """Plain functions over arrays, without parameter objects, parameter groups or closures."""

    name = NAME
    option = f"--as {NAME}"

    def make(self, found: Any, asked: Asked) -> UpdateRule:
        """Return a function as a subject. Raises `UsageError` for an object that cannot be called."""
        from gdprops.subjects.update_rule.subject import update_rule

        if not callable(found):
            raise UsageError(
                f"{asked.spec} is {class_or_type(found)}; expected an update rule, a function of (params, grads, state)"
            )
        made = update_rule(found, rule=asked.rule, name=label_of(asked.spec, asked.given), **asked.given)
        return replace(made, declared=asked.traits, spec=asked.spec, origin=NO_ORIGIN)

    def measure(self, subject: UpdateRule) -> Measurement:
        """Return what the probe measures. Raises `UsageError` for a function that keeps another contract."""
        from gdprops.subjects.update_rule.contract import require_contract

        notes = require_contract(subject)
        found = super().measure(subject)
        return replace(found, notes=(*notes, *found.notes), unsteady=found.unsteady or bool(notes))


UPDATE_RULE = UpdateRuleKind()
