"""The kind of hand-written backprop: ``gdprops.backprop(loss, step, …)``, or a file with such functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.kinds.kind import Asked, Kind
from gdprops.model.traits import Traits
from gdprops.model.wording import class_or_type
from gdprops.subjects.backprop import NAME
from gdprops.subjects.user_code.signatures import require_keywords

if TYPE_CHECKING:
    from gdprops.explanations.explanation import Explanation
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.backprop.subject import Backprop


@final
class BackpropKind(Kind["Backprop"]):
    """Functions over NumPy arrays. The right gradients follow from the user's own loss, without a reference model."""

    name = NAME
    option = f"--as {NAME}"
    only_bound = True
    checks_reference = False

    def claims(self, spec: str, *, chosen: bool) -> bool:
        """Say whether a subject string is a whole file that ``--as backprop`` names."""
        return chosen and spec.endswith(".py")

    def from_name(self, asked: Asked, as_kind: Kind[Any] | None) -> Backprop:
        """Return the functions of a file as a subject."""
        from gdprops.subjects.backprop.student_file import file_subject
        from gdprops.subjects.backprop.subject import backprop

        require_keywords(backprop, asked.given, f"--as {NAME} {asked.spec}")
        return super().rebound(file_subject(asked.spec, asked.given), replace(asked, given={}))

    def make(self, found: Any, asked: Asked) -> Backprop:
        """Return an imported object, which must already be a subject. Raises `UsageError` for any other object."""
        from gdprops.subjects.backprop.subject import Backprop

        if isinstance(found, Backprop):
            return self.rebound(found, asked)
        file = asked.spec.rpartition(":")[0]
        whole = f", or check the whole file: {file} --as {NAME}" if file.endswith(".py") else ""
        raise UsageError(
            f"{asked.spec} is {class_or_type(found)}; bind a name to gdprops.backprop(loss=…, step=…, shapes=…){whole}"
        )

    def rebound(self, found: Backprop, asked: Asked) -> Backprop:
        """Return a subject that the user bound to a name, with that name as its subject string."""
        return replace(super().rebound(found, asked), spec=asked.spec)

    def measure(self, subject: Backprop) -> tuple[Traits, Domain]:
        """Return no traits, and the shapes for which the user's loss works."""
        return Traits(), subject.domain

    def script(self, subject: Backprop, case: Any, evidence: Evidence, arrays: str | None) -> str | None:
        """Return a plain script that repeats a case, with the values that were seen and expected."""
        from gdprops.subjects.backprop.script import backprop_script

        return backprop_script(subject.functions, subject.spec, subject.begin(case))

    def explain(
        self, subject: Backprop, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]
    ) -> Explanation | None:
        """Return the explanation of what the user's functions do instead."""
        from gdprops.explanations.backprop.explain import explain
        from gdprops.explanations.explanation import Explanation

        text = explain(subject, list(failing))
        return None if text is None else Explanation(text)


BACKPROP = BackpropKind()
