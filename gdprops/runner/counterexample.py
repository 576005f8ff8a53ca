"""A shrunk case as something to read, to run and to replay."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from gdprops.model.verdict import Counterexample
from gdprops.runner.saved import as_data, save
from gdprops.runner.search import judged
from gdprops.runner.transcript import Recorded

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import Subject
    from gdprops.runner.items import Item
    from gdprops.runner.settings import Settings


class Scripted(Protocol):
    """A subject that writes a whole script of a case by itself."""

    def script(self, case: Any) -> str:
        """Return a plain script that does with a case what gdprops did."""


Examiner = Callable[["Item", "Subject | None"], Callable[[Any], "Evidence"]]


def counterexample_of(
    item: Item, subject: Subject | None, case: Any, settings: Settings, examiner: Examiner
) -> Counterexample:
    """Return the case as data, as Python, and where it was saved."""
    name = "the gdprops reference" if subject is None else subject.name
    data = as_data(item.clause, item.about, name, case)
    path = None if settings.counterexamples is None else save(data, settings.counterexamples)
    return Counterexample(data, _python(item, subject, case, examiner), path, _command(subject, path))


def _python(item: Item, subject: Subject | None, case: Any, examiner: Examiner) -> str:
    """Run the case once more and write down what is done with the subject."""
    if subject is None:
        return ""
    if subject.kind in ("training-step", "backprop"):
        return str(cast("Scripted", subject).script(case))  # both kinds write their own scripts
    recorded = Recorded(subject)
    judged(examiner(item, cast("Subject", recorded)), case)  # a Subject in all that a clause may use
    return recorded.python()


def _command(subject: Subject | None, path: str | None) -> str | None:
    if subject is None or path is None or not subject.spec:
        return None
    given = [f"-p {shlex.quote(f'{key}={value!r}')}" for key, value in subject.hyperparameters.items()]
    kind = [] if subject.kind == "optimizer" else [f"--as {subject.kind}"]
    rule = [f"--rule {subject.rule}"] if subject.rule else []
    return " ".join(["gdprops replay", shlex.quote(path), shlex.quote(subject.spec), *given, *kind, *rule])
