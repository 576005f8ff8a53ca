"""Hand-written backprop: ``gdprops.backprop(loss, step, …)``, or a file with the functions ``loss`` and ``step``."""

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
    """Functions over NumPy arrays; what is right follows from the user's own loss, and no reference is needed."""

    name = NAME
    option = f"--as {NAME}"
    only_bound = True
    checks_reference = False
    pools_examples = True

    def claims(self, spec: str, *, chosen: bool) -> bool:
        """Say whether a whole file is meant."""
        return chosen and spec.endswith(".py")

    def from_name(self, asked: Asked, as_kind: Kind[Any] | None) -> Backprop:
        """Return the functions of a file as a subject."""
        from gdprops.subjects.backprop.student_file import file_subject
        from gdprops.subjects.backprop.subject import backprop

        require_keywords(backprop, asked.given, f"--as {NAME} {asked.spec}")
        return super().rebound(file_subject(asked.spec, asked.given), replace(asked, given={}))

    def make(self, found: Any, asked: Asked) -> Backprop:
        """Return what is bound to a name. Raises `UsageError` for anything but a subject."""
        from gdprops.subjects.backprop.subject import Backprop

        if isinstance(found, Backprop):
            return self.rebound(found, asked)
        file = asked.spec.rpartition(":")[0]
        whole = f", or check the whole file: {file} --as {NAME}" if file.endswith(".py") else ""
        raise UsageError(
            f"{asked.spec} is {class_or_type(found)}; bind a name to gdprops.backprop(loss=…, step=…, shapes=…){whole}"
        )

    def rebound(self, found: Backprop, asked: Asked) -> Backprop:
        """Return a subject that somebody bound to a name, found under that name."""
        return replace(super().rebound(found, asked), spec=asked.spec)

    def measure(self, subject: Backprop) -> tuple[Traits, Domain]:
        """Return no traits, and the shapes that the user's loss works on."""
        return Traits(), subject.domain

    def script(self, subject: Backprop, case: Any, evidence: Evidence, arrays: str | None) -> str | None:
        """Return a plain script that does with a case what gdprops did, with what was seen and expected."""
        from gdprops.subjects.backprop.script import backprop_script

        return backprop_script(subject.functions, subject.spec, subject.begin(case))

    def explain(
        self, subject: Backprop, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]
    ) -> Explanation | None:
        """Return what the user's functions do instead."""
        from gdprops.explanations.backprop.crashes import crashed
        from gdprops.explanations.backprop.explain import explain
        from gdprops.explanations.explanation import Explanation

        raised = crashed(subject, list(failing))
        if raised is not None:
            return Explanation(raised, "gradient.matches-loss" if subject.step is None else "step.simultaneous")
        text = explain(subject, pool())
        return None if text is None else Explanation(text)


BACKPROP = BackpropKind()
