"""A shrunk case as something to read, to run and to replay."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from gdprops.model.case import OwnCase
from gdprops.model.verdict import Counterexample
from gdprops.runner.counterexamples import arrays_file
from gdprops.runner.counterexamples.file import as_data, save
from gdprops.runner.counterexamples.transcript import Recorded
from gdprops.runner.search import judged

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.evidence import Compared, Evidence
    from gdprops.model.subject import Subject
    from gdprops.runner.items import Item
    from gdprops.runner.settings import Settings


class Scripted(Protocol):
    """A subject that writes a whole script of a case by itself."""

    def script(self, case: Any) -> str:
        """Return a plain script that does with a case what gdprops did."""


class OwnScripted(Protocol):
    """A training step on models of somebody's own."""

    @property
    def named(self) -> str:
        """The subject string under which it is found."""

    def written_out(self, case: OwnCase) -> tuple[OwnCase, dict[str, Array]]:
        """Return a case whose tensors are keys, and the arrays."""

    def own_script(self, case: OwnCase, arrays: str | None, evidence: Evidence) -> str:
        """Return a script that loads the arrays of a written-out case and trains with them."""


MOST_INSIDE = 2_000
"""More numbers of a drawn model than that are kept in a file of their own only."""
Examiner = Callable[["Item", "Subject | None"], Callable[[Any], "Evidence"]]


def counterexample_of(
    item: Item, subject: Subject | None, case: Any, evidence: Evidence, settings: Settings, examiner: Examiner
) -> Counterexample:
    """Return the case as data, as Python with what it gives and what it should give, and where it was saved."""
    if isinstance(case, OwnCase):
        return _own(item, cast("Any", subject), case, evidence, settings)
    name = "the gdprops reference" if subject is None else subject.name
    data = as_data(item.clause, item.about, name, case)
    path = None if settings.counterexamples is None else save(data, settings.counterexamples)
    return Counterexample(data, _python(item, subject, case, evidence, examiner), path, _command(subject, path))


def _own(item: Item, subject: Any, case: OwnCase, evidence: Evidence, settings: Settings) -> Counterexample:
    """Return the same of a model of somebody's own, whose numbers are put into a file beside the case."""
    found, folder, path = cast("OwnScripted", subject), settings.counterexamples, None
    whole, arrays = found.written_out(case)
    data = as_data(item.clause, item.about, subject.name, _pinned(case, whole, arrays))
    if folder is not None and arrays_file.fits(arrays):
        path = save(as_data(item.clause, item.about, subject.name, whole), folder, arrays)
    elif folder is not None:
        path = save(data, folder)
    beside = str(arrays_file.beside(Path(path))) if path is not None and arrays_file.fits(arrays) else None
    return Counterexample(data, found.own_script(whole, beside, evidence), path, _command(subject, path))


def _pinned(case: OwnCase, whole: OwnCase, arrays: dict[str, Array]) -> OwnCase:
    """Return the case as data alone: what is called again as it is, what a strategy has drawn with few numbers."""
    called_again = case.model is None and not case.arrays and all(isinstance(g, int) for w in case.batches for g in w)
    few = sum(a.size for a in arrays.values()) <= MOST_INSIDE
    return case if called_again or not arrays else replace(whole, arrays=arrays if few else {})


def _python(item: Item, subject: Subject | None, case: Any, evidence: Evidence, examiner: Examiner) -> str:
    """Return the case as a script: a kind writes its own, or the case is run once more and written down."""
    if subject is None:
        return ""
    if subject.kind == "backprop":
        return str(cast("Scripted", subject).script(case))
    if subject.kind == "training-step":
        return str(cast("Scripted", subject).script(case)) + _numbers(evidence)
    recorded = Recorded(subject)
    judged(examiner(item, cast("Subject", recorded)), case)  # a Subject in all that a clause may use
    return recorded.python() + _numbers(evidence)


def _numbers(evidence: Evidence) -> str:
    """Return what the script gives and what it should give, as comments, where that is small enough to be read."""
    shown = [one for one in evidence.compared if one.seen is not None and one.expected is not None]
    if not shown:
        return ""
    step = evidence.location.step if evidence.location else None
    where = "" if step is None else f", step {step}"
    return f"# seen{where}: {_listed(shown, 'seen')}\n# expected{where}: {_listed(shown, 'expected')}\n"


def _listed(shown: Sequence[Compared], side: str) -> str:
    """Return arrays to nine digits: what differences are good for."""
    rounded = ((one.parameter, [float(f"{v:.9g}") for v in getattr(one, side)]) for one in shown)
    return ", ".join(f"{name} {values}" for name, values in rounded)


def _command(subject: Subject | None, path: str | None) -> str | None:
    if subject is None or path is None or not subject.spec:
        return None
    spec = cast("OwnScripted", subject).named if subject.kind == "training-step" else subject.spec
    given = [f"-p {shlex.quote(f'{key}={value!r}')}" for key, value in subject.hyperparameters.items()]
    kind = [] if subject.kind == "optimizer" else [f"--as {subject.kind}"]
    rule = [f"--rule {subject.rule}"] if subject.rule else []
    return " ".join(["gdprops replay", shlex.quote(path), shlex.quote(spec), *given, *kind, *rule])
