"""Make the counterexample of a violation: a script to read and run, and a saved file to replay."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gdprops.kinds import kind_of
from gdprops.model.verdict import Counterexample
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.recorded_script import Recorded
from gdprops.runner.counterexamples.saved_file import as_data, save
from gdprops.runner.search import judged
from gdprops.subjects.script_lines import seen_and_expected

if TYPE_CHECKING:
    from gdprops.kinds.kind import WrittenOut
    from gdprops.model.evidence import Evidence
    from gdprops.model.item import Item
    from gdprops.model.subject import FedSubject, Subject
    from gdprops.runner.settings import Settings


Examiner = Callable[["Item", "Subject | None"], Callable[[Any], "Evidence"]]


def counterexample_of(
    item: Item, subject: Subject | None, case: Any, evidence: Evidence, settings: Settings, examiner: Examiner
) -> Counterexample:
    """Return the counterexample: the case as data, a Python script, the path of the saved file and the replay command.

    The script ends with what the subject gives and what it should give.
    """
    apart = None if subject is None else kind_of(subject).written_out(subject, case)
    if subject is not None and apart is not None:
        return _beside(item, subject, apart, evidence, settings)
    name = "the gdprops reference" if subject is None else subject.name
    data = as_data(item.clause, item.about, name, case)
    path = None if settings.counterexamples is None else save(data, settings.counterexamples)
    return Counterexample(data, _python(item, subject, case, evidence, examiner), path, _command(subject, path))


def _beside(item: Item, subject: Subject, apart: WrittenOut, evidence: Evidence, settings: Settings) -> Counterexample:
    """Return the counterexample of a case whose arrays are saved in a file beside it, if they are not too large."""
    folder, path, kind = settings.counterexamples, None, kind_of(subject)
    data = as_data(item.clause, item.about, subject.name, apart.alone)
    fits = arrays_file.fits(apart.arrays)
    if folder is not None and fits:
        path = save(as_data(item.clause, item.about, subject.name, apart.case), folder, apart.arrays)
    elif folder is not None:
        path = save(data, folder)
    beside = str(arrays_file.beside(Path(path))) if path is not None and fits else None
    return Counterexample(data, kind.script(subject, apart.case, evidence, beside) or "", path, _command(subject, path))


def _python(item: Item, subject: Subject | None, case: Any, evidence: Evidence, examiner: Examiner) -> str:
    """Return the case as a script.

    Some kinds of subjects write the script themselves; for others the case runs again, and every call is recorded.
    """
    if subject is None:
        return ""
    own = kind_of(subject).script(subject, case, evidence, None)
    if own is not None:
        return own
    recorded = Recorded(cast("FedSubject", subject))
    judged(examiner(item, cast("Subject", recorded)), case)  # it has everything that a clause uses of a Subject
    return recorded.python() + seen_and_expected(evidence)


def _command(subject: Subject | None, path: str | None) -> str | None:
    if subject is None or path is None or not subject.spec:
        return None
    kind = kind_of(subject)
    given = [f"-p {shlex.quote(f'{key}={value!r}')}" for key, value in subject.hyperparameters.items()]
    rule = [f"--rule {subject.rule}"] if subject.rule else []
    words = ["gdprops replay", shlex.quote(path), shlex.quote(kind.spec(subject)), *given, kind.option, *rule]
    return " ".join(filter(None, words))
