"""The kind of optimizers of other frameworks: ``optax:adam``, ``keras.optimizers:SGD``, ``tensorflow.compat.v1…``.

They are adapted to update rules. They are a kind of their own for two reasons: their subject string is enough to
recognize them, and the gradients of their framework are checked too.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.kinds.fed import FedKind
from gdprops.subjects.declared_rule import check_rule
from gdprops.subjects.update_rule import NAME
from gdprops.subjects.user_code.framework_names import framework_object, framework_of
from gdprops.subjects.user_code.importing import label_of

if TYPE_CHECKING:
    from gdprops.kinds.kind import Asked, Kind
    from gdprops.model.subject import FedSubject, Subject


@final
class FrameworkKind(FedKind["FedSubject"]):
    """Update rules that wrap an optimizer of another framework."""

    name = NAME
    option = f"--as {NAME}"
    is_offered = False

    def owns(self, subject: Subject) -> bool:
        """Say whether a subject is an update rule of a framework."""
        return subject.kind == self.name and bool(getattr(subject, "framework", ""))

    def claims(self, spec: str, *, chosen: bool) -> bool:
        """Say whether a subject string names an object of a framework.

        Raises `UsageError` if that framework is not installed.
        """
        return framework_of(spec) is not None

    def from_name(self, asked: Asked, as_kind: Kind[Any] | None) -> FedSubject:
        """Return the optimizer that a subject string names."""
        if as_kind is not None and not as_kind.takes_traits:
            raise UsageError(
                f"as={as_kind.name!r}: {asked.spec} names an optimizer of a framework, which gdprops feeds itself"
            )
        return self.make(framework_object(asked.spec), asked)

    def make(self, found: Any, asked: Asked) -> FedSubject:
        """Return an optimizer of a framework as a subject."""
        from gdprops.subjects.frameworks.registry import framework_subject

        name = label_of(asked.spec, asked.given)
        rule = check_rule(asked.rule, asked.given)
        return framework_subject(found, dict(asked.given), rule=rule, name=name, spec=asked.spec)


FRAMEWORK = FrameworkKind()


def is_foreign(found: object) -> bool:
    """Say whether an object is an optimizer class of a framework that is already imported."""
    if "keras" not in sys.modules and "tensorflow" not in sys.modules:
        return False
    from gdprops.subjects.frameworks.registry import is_foreign as is_known

    return is_known(found)
