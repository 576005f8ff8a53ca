"""`gdprops replay`: run one saved counterexample again, without a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdprops.clauses import catalogue
from gdprops.errors import UsageError
from gdprops.model.case import OwnCase
from gdprops.model.item import Item
from gdprops.model.verdict import About
from gdprops.runner.conclude import conclude
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.declared_subject import as_saved
from gdprops.runner.counterexamples.encoding import decode
from gdprops.runner.counterexamples.saved_file import load
from gdprops.runner.session import run_case

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.subject import Subject
    from gdprops.runner.settings import Settings


def replay(path: str, subject: Subject, settings: Settings) -> Outcome:
    """Run exactly the saved case again on a subject.

    The file is about a subject with its identity, however that is named, and about one with its name: an earlier
    version saved no identity, and declarations that the command line cannot repeat are not asked for.

    Raises `UsageError` if gdprops did not write the file, if it is about another subject, or if the clause has changed.
    """
    data = load(path)
    subject = as_saved(path, data, subject)
    clause = catalogue()[str(data["clause"])]
    if data.get("revision") != clause.revision:
        raise UsageError(
            f"{path} is for revision {data.get('revision')} of {clause.id}, which is now {clause.revision}"
        )
    try:
        item = Item(clause, About(data["about"]))
    except ValueError as error:
        raise UsageError(f"{path} is damaged: about={data['about']!r}") from error
    verdict = run_case(subject, item, _case(path, data), settings)
    return conclude(subject.name, settings, [verdict], {"seconds": verdict.seconds})


def _case(path: str, data: dict[str, Any]) -> Any:
    """Return the saved case, with the arrays from the ``.npz`` file beside it."""
    case = decode(data["case"])
    if "arrays" not in data:
        return case
    if not isinstance(case, OwnCase):
        raise UsageError(f"{path} is damaged: only cases with the user's own model have arrays beside them")
    return replace(case, arrays=arrays_file.read(arrays_file.beside(Path(path)), data["arrays"]))
