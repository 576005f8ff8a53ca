"""The kind of hand-written backprop: ``gdprops.backprop(loss, step, …)``, or a file with such functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.kinds.kind import Asked, Kind
from gdprops.model.measurement import Measurement
from gdprops.model.wording import class_or_type
from gdprops.subjects.backprop import NAME
from gdprops.subjects.user_code.signatures import require_keywords
from gdprops.subjects.user_code.source import is_whole_file

if TYPE_CHECKING:
    from gdprops.explanations.explanation import Explanation
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.backprop.as_written.of_file import Candidate
    from gdprops.subjects.backprop.subject import Backprop
    from gdprops.subjects.script_lines import Written


@final
class BackpropKind(Kind["Backprop"]):
    """Functions over NumPy arrays. The right gradients follow from the user's own loss, without a reference model."""

    name = NAME
    option = f"--as {NAME}"
    only_bound = True
    checks_reference = False
    pools_examples = True

    def claims(self, spec: str, *, chosen: bool) -> bool:
        """Say whether a subject string is a whole file that ``--as backprop`` names."""
        return chosen and is_whole_file(spec)

    def from_name(self, asked: Asked, as_kind: Kind[Any] | None) -> Backprop:
        """Return the functions of a file as a subject."""
        from gdprops.subjects.backprop.as_written.of_file import candidates, has_functions
        from gdprops.subjects.backprop.student_file import file_subject
        from gdprops.subjects.backprop.subject import backprop

        found = [] if has_functions(asked.spec) else candidates(asked.spec, asked.given)
        if len(found) == 1:
            return self.of_file(found[0], asked)
        require_keywords(backprop, asked.given, f"--as {NAME} {asked.spec}")
        return super().rebound(file_subject(asked.spec, asked.given), replace(asked, given={}))

    def of_file(self, found: Candidate, asked: Asked) -> Backprop:
        """Return what was found in a file as a subject."""
        return super().rebound(found.make(), replace(asked, given={}))

    def of_class(self, path: str, name: str, asked: Asked) -> Backprop:
        """Return a class of a file that is a whole network as a subject."""
        from gdprops.subjects.backprop.as_written.of_file import class_subject, defined_in

        return super().rebound(class_subject(defined_in(path), name, path, asked.given), replace(asked, given={}))

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

    def measure(self, subject: Backprop) -> Measurement:
        """Return no traits, the shapes that the user's loss works on, and how the code was read."""
        return Measurement(domain=subject.domain, notes=subject.notes, barred=subject.barred)

    def traits(self, subject: Backprop) -> Measurement:
        """Return how the code was read. Raises `UsageError` for functions that need no reading: they have no traits."""
        return self.measure(subject) if subject.notes else super().traits(subject)

    def scripts(self, subject: Backprop, case: Any, evidence: Evidence, arrays: str | None) -> Iterable[Written] | None:
        """Return plain scripts that repeat a case, with the values that were seen and expected."""
        from gdprops.subjects.backprop.script import backprop_scripts

        return backprop_scripts(subject.functions, subject.spec, subject.begin(case), evidence)

    def explain(
        self, subject: Backprop, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]
    ) -> Explanation | None:
        """Return what the user's functions do instead."""
        from gdprops.explanations.backprop.crashes import crashed
        from gdprops.explanations.backprop.explain import explain
        from gdprops.explanations.backprop.lines import places_of
        from gdprops.explanations.explanation import Explanation

        raised = crashed(subject, list(failing))
        if raised is not None:
            return Explanation(raised, "gradient.matches-loss" if subject.step is None else "step.simultaneous")
        text = explain(subject, pool())
        return None if text is None else Explanation(text, places=places_of(subject, failing[-1], text))


BACKPROP = BackpropKind()
