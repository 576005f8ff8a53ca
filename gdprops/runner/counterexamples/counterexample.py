"""Make the counterexample of a violation: a script to read and run, and a saved file to replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gdprops.errors import SubjectStopped, UsageError
from gdprops.kinds import kind_of
from gdprops.model.verdict import Counterexample
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.declared_subject import replay_line, stated_of
from gdprops.runner.counterexamples.encoding import decode, encode
from gdprops.runner.counterexamples.fed_script import fed_scripts
from gdprops.runner.counterexamples.printed_script import printed, printed_afresh
from gdprops.runner.counterexamples.recorded_script import Recorded
from gdprops.runner.counterexamples.saved_file import as_data, save
from gdprops.runner.search import judged

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
    if subject is None:
        data = as_data(item, None, case)
        path = None if settings.counterexamples is None else save(data, settings.counterexamples)
        return Counterexample(data, "", path)
    apart = kind_of(subject).written_out(subject, case)
    if apart is not None:
        return _beside(item, subject, apart, evidence, settings)
    data = {**as_data(item, subject, case), "declared": stated_of(subject)}
    path = None if settings.counterexamples is None else save(data, settings.counterexamples)
    try:
        python, doubt = _tried(item, subject, data, evidence, examiner)
    except SubjectStopped as stop:  # the violation stands; its case was not run again to the end
        python, doubt = "", f"{NOT_ENDED}: {stop}"
    return Counterexample(data, python, path, _line(subject, path), doubt)


def _beside(item: Item, subject: Subject, apart: WrittenOut, evidence: Evidence, settings: Settings) -> Counterexample:
    """Return the counterexample of a case whose arrays are saved in a file beside it, if they are not too large."""
    folder, path, kind = settings.counterexamples, None, kind_of(subject)
    data = {**as_data(item, subject, apart.alone), "declared": stated_of(subject)}
    fits = arrays_file.fits(apart.arrays)
    if folder is not None and fits:
        path = save({**data, "case": encode(apart.case)}, folder, apart.arrays)
    elif folder is not None:
        path = save(data, folder)
    beside = str(arrays_file.beside(Path(path))) if path is not None and fits else None
    scripts = kind.scripts(subject, apart.case, evidence, beside) or ()
    python = printed(scripts, subject, item.clause.id, evidence.reason)
    return Counterexample(data, python, path, _line(subject, path), "" if python or beside is None else NOT_ALONE)


NOT_AGAIN = "run once more from its saved form, the case does not show it: the subject is not deterministic"
NOT_ENDED = "run once more from its saved form, the case did not come to its end"
NOT_ALONE = "no script is printed: only the replay shows it"


def _tried(
    item: Item, subject: Subject, data: dict[str, Any], evidence: Evidence, examiner: Examiner
) -> tuple[str, str]:
    """Return the case as a script, and why it may not show the violation.

    The case runs again as it was saved. Some kinds of subjects write the script themselves; for the others every call
    is recorded.
    """
    try:
        case = decode(data["case"])
    except UsageError as error:
        return "", str(error)
    scripts = kind_of(subject).scripts(subject, case, evidence, None)
    recorded = Recorded(cast("FedSubject", subject)) if scripts is None else None
    again = judged(examiner(item, cast("Subject", recorded or subject)), case)  # a recorded subject has all it needs
    if not again.violated and not again.silent:
        proposed = () if recorded is None else fed_scripts(cast("FedSubject", subject), recorded.runs, evidence)
        python = printed_afresh(proposed, subject, item.clause.id)
        return python, "" if python else NOT_AGAIN
    if recorded is not None:
        shown = again if again.violated else evidence
        scripts = fed_scripts(cast("FedSubject", subject), recorded.runs, shown)
    python = printed(scripts or (), subject, item.clause.id, evidence.reason)
    return python, "" if python else NOT_ALONE


def _line(subject: Subject, path: str | None) -> str | None:
    return None if path is None else replay_line(subject, path)
